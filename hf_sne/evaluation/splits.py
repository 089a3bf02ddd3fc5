"""Splits of a zoo by training run: checkpoints of one run are near-copies, so a run belongs to one split only."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from hf_sne.errors import UserError


def split_by_run(runs: Sequence[str], fractions: Mapping[str, float], seed: int) -> dict[str, NDArray[np.int64]]:
    """Ascending row indices of each split; ``runs`` [n] names the run of each row, ``fractions`` are of the runs.

    Which split a run falls in depends on the set of runs, the fractions and the seed, not on the order of the rows.
    Raises ``UserError`` when a fraction is not positive, they do not add up to 1, or a split would be empty.
    """
    check_fractions(fractions)
    ordered = sorted(set(runs), key=lambda run: hashlib.sha256(f"{seed}/{run}".encode()).digest())
    ends = np.rint(np.cumsum(list(fractions.values())) * len(ordered)).astype(int)
    split_of = {run: int(np.searchsorted(ends, rank, side="right")) for rank, run in enumerate(ordered)}
    splits = np.array([split_of[run] for run in runs], dtype=int)
    rows = {name: np.flatnonzero(splits == number) for number, name in enumerate(fractions)}
    for name, members in rows.items():
        if not len(members):
            raise UserError(
                f"the split {name!r} would be empty: {fractions[name]} of {len(ordered)} runs",
                fix="use more runs or a larger fraction",
            )
    return rows


def check_disjoint_runs(splits: Mapping[str, Iterable[str]]) -> None:
    """Raise ``UserError`` when two of the splits (name -> the run ids of its rows) share a run."""
    for (first, first_runs), (second, second_runs) in combinations(splits.items(), 2):
        shared = set(first_runs) & set(second_runs)
        if shared:
            raise UserError(
                f"the splits {first!r} and {second!r} share {len(shared)} runs (as {min(shared)!r}); 0 are allowed",
                fix="split by run, not by checkpoint: hf_sne.evaluation.split_by_run",
            )


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Raise ``UserError`` unless all are positive and add up to 1."""
    for name, fraction in fractions.items():
        if not fraction > 0:
            raise UserError(f"the split {name!r} has the fraction {fraction}, not above 0", fix="leave the split out")
    total = sum(fractions.values())
    if not abs(total - 1) < 1e-6:
        raise UserError(f"the fractions add up to {total:.6g}, not 1", fix="name every split, the rest of the runs too")
