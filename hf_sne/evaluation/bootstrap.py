"""How far chance in the choice of test networks moves a metric: percentile bootstrap over networks or whole runs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_sne.errors import UserError
from hf_sne.evaluation.arrays import finite_pair, same_length
from hf_sne.evaluation.metrics import METRICS, Metric, tau_ceiling


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


def bootstrap_interval(
    metric: Metric,
    predictions: ArrayLike,
    targets: ArrayLike,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of ``metric(predictions [n], targets [n])``.

    With ``groups`` [n] (run ids) whole runs are drawn, since the checkpoints of one run are not independent; the
    interval then does not depend on the order of the rows. Raises ``UserError`` on fewer than two networks or runs,
    unequal lengths, NaN, and a level outside (0, 1).
    """
    predictions, targets = finite_pair(predictions, targets)
    if not 0 < level < 1 or resamples < 1:
        raise UserError(
            f"level is {level} (allowed: between 0 and 1), resamples is {resamples} (allowed: 1 or more)",
            fix="use level=0.95, resamples=1000",
        )
    members = _members_by_group(groups, len(targets))
    values = [metric(predictions[rows], targets[rows]) for rows in _resampled_rows(*members, resamples, seed)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(metric(predictions, targets), float(low), float(high), level)


def evaluate_predictions(
    predictions: ArrayLike, targets: ArrayLike, groups: ArrayLike | None = None, seed: int = 0
) -> dict[str, Any]:
    """Every metric with its 95 % interval, as plain JSON: ``{"kendall_tau": {"value", "low", "high", "level"}, ...}``.

    Beside them ``networks``, ``runs`` (as many as networks without ``groups``), ``tau_ceiling``, and
    ``tau_over_ceiling``, the interval of tau divided by the ceiling of these targets (null when all are equal).
    """
    intervals = {
        name: bootstrap_interval(metric, predictions, targets, groups, seed=seed) for name, metric in METRICS.items()
    }
    ceiling = tau_ceiling(targets)
    networks = len(np.asarray(targets))
    return {
        "networks": networks,
        "runs": networks if groups is None else len(np.unique(np.asarray(groups))),
        **{name: asdict(interval) for name, interval in intervals.items()},
        "tau_ceiling": ceiling,
        "tau_over_ceiling": asdict(intervals["kendall_tau"].scaled(1 / ceiling)) if ceiling > 0 else None,
    }


def _members_by_group(groups: ArrayLike | None, networks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows [n] sorted by group, and how many of them each group has [groups]."""
    labels = np.arange(networks) if groups is None else np.asarray(groups)
    same_length({"networks": networks, "groups": len(labels)})
    sizes = np.unique(labels, return_counts=True)[1]
    if len(sizes) < 2:
        raise UserError(
            f"a bootstrap needs at least 2 runs, found {len(sizes)} among {networks} networks",
            fix="evaluate networks of more runs",
        )
    return np.argsort(labels, kind="stable"), sizes


def _resampled_rows(
    rows: NDArray[np.int64], sizes: NDArray[np.int64], resamples: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """For each resample the rows of as many groups as there are, drawn with replacement."""
    starts = np.cumsum(sizes) - sizes
    draws = np.random.default_rng(seed).integers(len(sizes), size=(resamples, len(sizes)))
    for drawn in draws:
        drawn_sizes = sizes[drawn]
        offsets = np.cumsum(drawn_sizes) - drawn_sizes
        yield rows[np.arange(drawn_sizes.sum()) + np.repeat(starts[drawn] - offsets, drawn_sizes)]
