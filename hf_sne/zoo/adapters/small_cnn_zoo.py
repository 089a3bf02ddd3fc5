"""The layout of the Small CNN Zoo (Unterthiner et al. 2020, arXiv 2002.11448): rows of weights, CSV of metrics.

``weights*.npy`` float32 [rows, parameters], row-aligned ``metrics*.csv[.gz]``, and ``layout.csv`` (varname, start_idx,
end_idx, shape as ``16x1x3x3``). Tensors are in PyTorch's order: out, in, height, width.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hf_sne.errors import UserError
from hf_sne.weights import Layer, open_checkpoint
from hf_sne.zoo.entries import ZooEntry

LAYOUT = "layout.csv"


def is_small_cnn_zoo(folder: Path) -> bool:
    """Whether a folder has this layout."""
    return (folder / LAYOUT).is_file()


def read_small_cnn_zoo(folder: Path) -> Iterator[ZooEntry]:
    """Every row of every shard, shards in the order of their names."""
    layout = [
        (str(row["varname"]), slice(row["start_idx"], row["end_idx"]), tuple(map(int, str(row["shape"]).split("x"))))
        for row in pd.read_csv(folder / LAYOUT).to_dict("records")
    ]
    for weights_file in sorted(folder.glob("weights*.npy")):
        metrics_file = _metrics_of(weights_file)
        weights = np.load(weights_file, mmap_mode="r", allow_pickle=False)
        metrics = pd.read_csv(metrics_file)
        if len(weights) != len(metrics):
            raise UserError(
                f"{weights_file.name} has {len(weights)} rows and {metrics_file.name} {len(metrics)}",
                fix="restore the two files of the shard together: their rows belong to each other",
            )
        for vector, labels in zip(weights, metrics.to_dict("records"), strict=True):
            run = str(labels.get("run", labels.get("modeldir")))
            yield ZooEntry(
                id=f"{run}-{labels['step']}",
                run=run,
                zoo=folder.name,
                layers=_layers(np.array(vector), layout),
                test_accuracy=float(labels["test_accuracy"]),
                labels={str(key): value for key, value in labels.items()},
            )


def _metrics_of(weights_file: Path) -> Path:
    stem = weights_file.name.replace("weights", "metrics", 1).removesuffix(".npy")
    for suffix in (".csv", ".csv.gz"):
        if (candidate := weights_file.with_name(stem + suffix)).is_file():
            return candidate
    raise UserError(f"{weights_file}: no {stem}.csv or {stem}.csv.gz beside it", fix="put the shard's metrics there")


def _layers(vector: np.ndarray, layout: list[tuple[str, slice, tuple[int, ...]]]) -> tuple[Layer, ...]:
    tensors = {name: torch.from_numpy(vector[part]).reshape(shape) for name, part, shape in layout}
    return open_checkpoint(tensors).layers
