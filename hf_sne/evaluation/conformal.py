"""Split-conformal intervals around a predicted accuracy: a promised coverage without a model of the errors.

Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World" (2005); Lei et al., "Distribution-Free Predictive
Inference for Regression" (JASA 2018). The promise holds when calibration and new networks are exchangeable: calibrate
with one checkpoint a run, on runs that training has not seen.
"""

import numpy as np
from numpy.typing import ArrayLike

from hf_sne.errors import UserError
from hf_sne.evaluation.arrays import FloatVector, finite_vector, same_length


def conformal_quantile(
    residuals: ArrayLike, level: float, weights: ArrayLike | None = None, too_few: float = 1.0
) -> float:
    """Half width of the interval: the ``ceil((n + 1) level)``-th smallest of ``|prediction - target|`` [n].

    With ``weights`` [n], which sum to the number of networks that are independent, the smallest residual below which
    lies ``level`` of the weight, 1 for a network more included (Tibshirani et al. 2019, weights that do not depend on
    the new network).
    When n is too small for the level ``too_few``, by default 1.0, which covers every accuracy. Raises ``UserError`` on
    a NaN, a negative residual and a level outside (0, 1).
    """
    residuals = finite_vector("residuals", residuals)
    if not 0 < level < 1:
        raise UserError(f"level is {level}, not between 0 and 1", fix="use level=0.9")
    if (residuals < 0).any():
        raise UserError(f"a residual is {residuals.min()}, below 0", fix="pass |prediction - target|")
    weights = np.ones(len(residuals)) if weights is None else finite_vector("weights", weights)
    order = np.argsort(residuals)
    # Rounding error must not push a whole number, as in 100 * 0.07, up to the next rank.
    rank = int(np.searchsorted(np.cumsum(weights[order]), (weights.sum() + 1) * level - 1e-9))
    return float(residuals[order[rank]]) if rank < len(residuals) else too_few


def conformal_interval(predictions: ArrayLike, half_width: float) -> tuple[FloatVector, FloatVector]:
    """Bounds low [n] and high [n] around the predictions, cut to [0, 1], where every accuracy lies."""
    predictions = finite_vector("predictions", predictions)
    return np.clip(predictions - half_width, 0, 1), np.clip(predictions + half_width, 0, 1)


def coverage(low: ArrayLike, high: ArrayLike, targets: ArrayLike) -> float:
    """Share of the targets [n], in [0, 1], that lie within their closed interval [low, high]."""
    low, high, targets = (
        finite_vector("low", low),
        finite_vector("high", high),
        finite_vector("targets", targets, at_least=1),
    )
    same_length({"low": len(low), "high": len(high), "targets": len(targets)})
    return float(((low <= targets) & (targets <= high)).mean())
