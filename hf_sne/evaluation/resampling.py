"""Kendall tau of many bootstrap resamples at once, so that predictors can be compared on the same resamples.

A resample is told by how often it holds each network. Tau-b of a resample is then a ratio of quadratic forms in these
counts: with the sign matrices S_p[i, j] = sign(p_i - p_j) and S_t, it is
c'(S_p * S_t)c / sqrt(c'|S_p|c c'|S_t|c), for copies of one network are tied with each other in both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_sne.evaluation.arrays import finite_pair
from hf_sne.evaluation.bootstrap import Interval

Floats = NDArray[np.float64]


def draw_counts(runs: Sequence[str], resamples: int, seed: int) -> Floats:
    """[1 + resamples, n]: how often each network is drawn when as many runs as there are are drawn with replacement.

    Row 0 holds every network once. The draws depend on the seed and the set of runs alone.
    """
    names, place = np.unique(np.asarray(runs), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    counts = np.concatenate([np.ones((1, len(names))), drawn])
    per_network: Floats = counts[:, place].astype(np.float64)
    return per_network


def resampled_tau(predictions: ArrayLike, targets: ArrayLike, counts: Floats) -> Floats:
    """Tau-b [r] of predictions [n] in the resamples ``counts`` [r, n]; 0.0 where nothing was ranked.

    Raises ``UserError`` on n < 2, unequal lengths, a NaN or an infinity.
    """
    signs = [np.sign(values[:, None] - values[None, :]) for values in finite_pair(predictions, targets)]
    agreement, untied, untied_targets = (
        ((counts @ matrix) * counts).sum(1) for matrix in (signs[0] * signs[1], *map(np.abs, signs))
    )
    pairs = np.sqrt(untied * untied_targets)
    taus: Floats = np.divide(agreement, pairs, out=np.zeros_like(pairs), where=pairs > 0)
    return taus


@dataclass(frozen=True)
class Resampled:
    """A statistic of all networks, ``values[0]``, and of resamples of them, ``values[1:]``."""

    values: Floats

    @classmethod
    def mean(cls, parts: Sequence["Resampled"]) -> "Resampled":
        """Their mean, resample by resample."""
        return cls(np.mean([part.values for part in parts], axis=0))

    def __sub__(self, other: "Resampled") -> "Resampled":
        return Resampled(self.values - other.values)

    def interval(self, level: float = 0.95) -> Interval:
        """Percentile bootstrap interval."""
        low, high = np.quantile(self.values[1:], [(1 - level) / 2, (1 + level) / 2])
        return Interval(float(self.values[0]), float(low), float(high), level)
