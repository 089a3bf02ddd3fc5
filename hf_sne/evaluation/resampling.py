"""Bootstrap resamples of whole runs, the same for all predictors, so that they can be compared on each.

A resample is told by how often it holds each run. Copies of one run are not two runs: their checkpoints are paired with
each other as often as in the run itself, and not as those of different runs are, which would raise the share of pairs
within a run, nearly always ranked better than others, in every resample above that of all networks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_sne.errors import UserError
from hf_sne.evaluation.arrays import finite_pair, finite_vector, same_length

Floats = NDArray[np.float64]
# Networks whose pairs with all others are held at once.
_ROWS = 256


@dataclass(frozen=True)
class Interval:
    """A metric's value on all networks and the bounds of its interval at the confidence ``level``."""

    value: float
    low: float
    high: float
    level: float

    def scaled(self, factor: float) -> "Interval":
        """Give the interval of the metric times a positive constant."""
        return Interval(self.value * factor, self.low * factor, self.high * factor, self.level)


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


@dataclass(frozen=True)
class Resamples:
    """How often each resample holds each run.

    Args:
        counts: [1 + resamples, runs]; row 0 holds every run once.
        order: [n] networks, those of a run beside each other.
        sizes: [runs] how many each run has.
    """

    counts: Floats
    order: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def draw(cls, runs: ArrayLike, resamples: int = 1000, seed: int = 0) -> "Resamples":
        """As many runs as there are, drawn with replacement; the draws depend on the seed and the set of runs alone.

        Raises ``UserError`` on fewer than two runs.
        """
        labels = np.asarray(runs)
        sizes = np.unique(labels, return_counts=True)[1]
        if len(sizes) < 2:
            raise UserError(
                f"a bootstrap needs at least 2 runs, found {len(sizes)} among {len(labels)} networks",
                fix="evaluate networks of more runs",
            )
        drawn = np.random.default_rng(seed).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=resamples)
        counts = np.concatenate([np.ones((1, len(sizes))), drawn])
        return cls(counts, np.argsort(labels, kind="stable"), sizes)

    def mean(self, values: ArrayLike) -> Resampled:
        """Mean of a value [n] of each network."""
        values = finite_vector("values", values)
        same_length({"networks": len(self.order), "values": len(values)})
        sums = np.add.reduceat(values[self.order], self._starts)
        return Resampled(self.counts @ sums / (self.counts @ self.sizes))

    def tau(self, predictions: ArrayLike, targets: ArrayLike) -> Resampled:
        """Kendall's tau-b of predictions [n] in each resample; 0.0 where nothing was ranked.

        Raises ``UserError`` on unequal lengths, a NaN or an infinity.
        """
        both = finite_pair(predictions, targets)
        same_length({"networks": len(self.order), "predictions": len(both[0])})
        predicted, true = (values[self.order] for values in both)
        agreement, untied, untied_targets = totals = np.zeros((3, len(self.counts)))
        for first, last in self._blocks():
            rows = slice(self._starts[first], self._starts[last - 1] + self.sizes[last - 1])
            signs = [np.sign(values[rows, None] - values[None, :]) for values in (predicted, true)]
            for total, pairs in zip(totals, (signs[0] * signs[1], *map(np.abs, signs)), strict=True):
                total += self._sum(pairs, first, last)
        pairs = np.sqrt(untied * untied_targets)
        return Resampled(np.divide(agreement, pairs, out=np.zeros_like(pairs), where=pairs > 0))

    def rows(self) -> Iterator[NDArray[np.int64]]:
        """The networks of each resample, those of a run as often as it is drawn."""
        for counts in self.counts.astype(np.int64):
            yield np.repeat(self.order, np.repeat(counts, self.sizes))

    @property
    def _starts(self) -> NDArray[np.int64]:
        starts: NDArray[np.int64] = np.cumsum(self.sizes) - self.sizes
        return starts

    def _blocks(self) -> list[tuple[int, int]]:
        """Runs that follow each other, with at most :data:`_ROWS` networks or one run in a block."""
        blocks, first, rows = [], 0, 0
        for run, size in enumerate(self.sizes):
            if rows and rows + size > _ROWS:
                blocks.append((first, run))
                first, rows = run, 0
            rows += size
        return [*blocks, (first, len(self.sizes))]

    def _sum(self, pairs: Floats, first: int, last: int) -> Floats:
        """What the pairs [networks of the runs first to last, n] add to each resample."""
        between = np.add.reduceat(pairs, self._starts, axis=1)
        between = np.add.reduceat(between, self._starts[first:last] - self._starts[first], axis=0)
        counts = self.counts[:, first:last]
        within = between[np.arange(last - first), np.arange(first, last)]
        sums: Floats = ((self.counts @ between.T) * counts).sum(1) - (counts * counts - counts) @ within
        return sums
