"""How far chance in the choice of test networks moves a metric: percentile bootstrap over networks or whole runs."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hf_sne.errors import UserError
from hf_sne.evaluation.arrays import finite_pair, same_length
from hf_sne.evaluation.metrics import METRICS, Metric, kendall_tau, tau_ceiling
from hf_sne.evaluation.resampling import Interval, Resampled, Resamples


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
    interval then does not depend on the order of the rows. Of Kendall's tau it is that of :class:`Resamples`; another
    rank correlation of several checkpoints a run comes out somewhat high in the resamples, which repeat runs. Raises
    ``UserError`` on fewer than two networks or runs, unequal lengths, NaN, and a level outside (0, 1).
    """
    predictions, targets = finite_pair(predictions, targets)
    if not 0 < level < 1 or resamples < 1:
        raise UserError(
            f"level is {level} (allowed: between 0 and 1), resamples is {resamples} (allowed: 1 or more)",
            fix="use level=0.95, resamples=1000",
        )
    runs = np.arange(len(targets)) if groups is None else np.asarray(groups)
    same_length({"networks": len(targets), "groups": len(runs)})
    drawn = Resamples.draw(runs, resamples, seed)
    if metric is kendall_tau:
        return drawn.tau(predictions, targets).interval(level)
    values = [metric(predictions[rows], targets[rows]) for rows in drawn.rows()]
    return Resampled(np.array(values)).interval(level)


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
