"""Zoos of random vectors, in as many rows and families as a test needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from hf_sne.zoo.card import write_card
from hf_sne.zoo.schema import Layout, Rows
from hf_sne.zoo.write import write_zoo


def random_rows(counts: Mapping[str, int], hidden: Mapping[str, int]) -> Rows:
    """``counts`` checkpoints of each family, two a run; a tenth of them lacks its accuracy."""
    layouts = {family: Layout.of(nn.Linear(5, hidden[family]).state_dict()) for family in counts}
    labels: list[dict[str, Any]] = [
        {
            "id": f"{family}-{number}",
            "run": f"{family}-{number // 2}",
            "family": family,
            "arch": layouts[family].arch,
            "data": "noise",
            "step": number % 2,
            "diverged": False,
            "damage": "none",
            "parameters": layouts[family].parameters,
            "test_accuracy": None if number % 10 == 9 else number / count,
        }
        for family, count in counts.items()
        for number in range(count)
    ]

    def vector(index: int) -> Any:
        length = layouts[labels[index]["family"]].length
        return np.random.default_rng(index).normal(size=length).astype(np.float32)

    return Rows(labels, vector, {layout.arch: layout for layout in layouts.values()})


def write_whole(folder: Path, rows: Rows, splits: Mapping[str, float], **source: Any) -> None:
    """A zoo with its card."""
    list(write_zoo(folder, rows, source, splits))
    write_card(folder)
