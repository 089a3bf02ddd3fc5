"""The figures of a comparison: Kendall tau and errors of every predictor in every cell, and averages over cells."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from hf_sne.evaluation.metrics import mae, r2, tau_ceiling
from hf_sne.evaluation.resampling import Resampled, Resamples
from hf_sne.training.folds import Cell
from hf_sne.zoo.entries import Target, ZooEntry, targets

# What was tested on -> predictions of its networks in their order, or why there are none.
Predictions = dict[str, list[float] | str]


def measure_cells(
    names: Sequence[str],
    target: Target,
    tests: Mapping[str, Sequence[ZooEntry]],
    groups: Mapping[str, Sequence[Cell]],
    predictions: Mapping[str, Mapping[str, Sequence[Predictions]]],
) -> dict[str, Any]:
    """Every cell, and averages over the cells of each group that both predictors have.

    Intervals are over resampled runs of the test networks, of taus that are averaged over the seeds.

    Args:
        names: The predictors; the others are compared with the first.
        target: What was predicted; errors are told in its units.
        tests: The networks of each ``tested``.
        groups: Name of an average -> its cells.
        predictions: ``trained`` -> predictor -> one for each seed.
    """
    cells: dict[str, dict[str, Any]] = {}
    taus: dict[str, dict[str, Resampled]] = {name: {} for name in names}
    scale = target.high - target.low
    for cell in (cell for group in groups.values() for cell in group):
        entries = tests[cell.tested]
        # The same test networks are drawn in the same way whatever was trained on.
        drawn = Resamples.draw([entry.run for entry in entries])
        row = cells[str(cell)] = {"ceiling": tau_ceiling(targets(entries)), "test": len(entries)}
        for name, fits in predictions[cell.trained].items():
            found = [fit[cell.tested] for fit in fits]
            refused = next((part for part in found if isinstance(part, str)), None)
            if refused is None:
                taus[name][str(cell)], row[name] = _cell(found, targets(entries), drawn, scale)
            else:
                row[name] = {"refused": refused}
    first = names[0]
    for place, own in taus[first].items():
        for name in names[1:]:
            if place in taus[name]:
                cells[place][name][f"{first}_above"] = asdict((own - taus[name][place]).interval())
    return {
        "cells": cells,
        "averages": {
            group: {name: _average(first, name, taus, list(map(str, chosen))) for name in names}
            for group, chosen in groups.items()
        },
    }


def _cell(found: Sequence[Any], truth: Any, drawn: Resamples, scale: float) -> tuple[Resampled, dict[str, Any]]:
    """Tau and squared error averaged over the seeds, their intervals over runs, and each seed's own tau."""
    seeds = [drawn.tau(part, truth) for part in found]
    tau = Resampled.mean(seeds)
    clipped = [np.clip(part, 0, 1) for part in found]
    squares = scale**2 * np.mean([(part - truth) ** 2 for part in clipped], axis=0)
    ceiling = tau_ceiling(truth)
    told = {
        "kendall_tau": asdict(tau.interval()),
        "tau_over_ceiling": asdict(tau.interval().scaled(1 / ceiling)) if ceiling > 0 else None,
        "seeds": [float(seed.values[0]) for seed in seeds],
        "mae": scale * float(np.mean([mae(part, truth) for part in clipped])),
        "mse": asdict(drawn.mean(squares).interval()),
        "r2": float(np.mean([r2(part, truth) for part in clipped])),
    }
    return tau, told


def _average(
    first: str, name: str, taus: Mapping[str, Mapping[str, Resampled]], chosen: Sequence[str]
) -> dict[str, Any]:
    """Mean tau of a predictor over cells, and by how much the first predictor is above it on the same cells."""
    shared = [cell for cell in chosen if cell in taus[name] and cell in taus[first]]
    if not shared:
        return {"cells": 0}
    own, best = (Resampled.mean([taus[each][cell] for cell in shared]) for each in (name, first))
    return {
        "cells": len(shared),
        "kendall_tau": asdict(own.interval()),
        f"{first}_above": asdict((best - own).interval()),
    }
