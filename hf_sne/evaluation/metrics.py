"""How good predicted accuracies are: rank correlation, its tie ceiling, and the size of the errors.

Every metric takes predictions [n] and targets [n] (test accuracies in [0, 1]), is free of the order of the rows, and
raises ``UserError`` on n < 2, unequal lengths, a NaN or an infinity.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.metrics import ndcg_score, r2_score

from hf_sne.errors import UserError
from hf_sne.evaluation.arrays import FloatVector, finite_pair, finite_vector

Metric: TypeAlias = Callable[[ArrayLike, ArrayLike], float]


def kendall_tau(predictions: ArrayLike, targets: ArrayLike) -> float:
    """Kendall's tau-b in [-1, 1]; 0.0 when all predictions or all targets are equal: nothing was ranked."""
    predictions, targets = finite_pair(predictions, targets)
    if _is_constant(predictions) or _is_constant(targets):
        return 0.0
    return float(stats.kendalltau(predictions, targets).statistic)


def tau_ceiling(targets: ArrayLike) -> float:
    """Compute the tau-b of a perfect ranker that predicts no ties, in [0, 1]; 0.0 when all targets are equal.

    Of ``n0 = n (n - 1) / 2`` pairs ``n1 = sum t (t - 1) / 2`` are tied in the targets. The other ``n0 - n1`` are all
    concordant, and tau-b divides them by ``sqrt(n0 (n0 - n1))``, which leaves ``sqrt((n0 - n1) / n0)``. Raises
    ``UserError`` as the metrics do.
    """
    targets = finite_vector("targets", targets, at_least=2)
    ties = np.unique(targets, return_counts=True)[1].astype(np.float64)
    pairs = len(targets) * (len(targets) - 1) / 2
    return float(np.sqrt(1 - (ties * (ties - 1) / 2).sum() / pairs))


def spearman(predictions: ArrayLike, targets: ArrayLike) -> float:
    """Spearman's rank correlation in [-1, 1]; 0.0 when all predictions or all targets are equal."""
    predictions, targets = finite_pair(predictions, targets)
    if _is_constant(predictions) or _is_constant(targets):
        return 0.0
    return float(stats.spearmanr(predictions, targets).statistic)


def r2(predictions: ArrayLike, targets: ArrayLike) -> float:
    """Share of the targets' variance explained, in (-inf, 1]; of equal targets 1.0 if all are hit, else 0.0."""
    predictions, targets = finite_pair(predictions, targets)
    return float(r2_score(targets, predictions))


def mae(predictions: ArrayLike, targets: ArrayLike) -> float:
    """Mean absolute error, in units of accuracy (0.01 is one percentage point)."""
    predictions, targets = finite_pair(predictions, targets)
    return float(np.abs(predictions - targets).mean())


def ndcg_at_10(predictions: ArrayLike, targets: ArrayLike) -> float:
    """NDCG of the ten best predicted networks in [0, 1], the gain being the accuracy itself.

    Networks with equal predictions share their places; 0.0 when all targets are 0. Raises ``UserError`` on a negative
    target, whose gain has no meaning.
    """
    predictions, targets = finite_pair(predictions, targets)
    if targets.min() < 0:
        raise UserError(
            f"a gain must be at least 0, found the target {targets.min()}", fix="pass accuracies between 0 and 1"
        )
    return float(ndcg_score(targets[None], predictions[None], k=10))


METRICS: dict[str, Metric] = {metric.__name__: metric for metric in (kendall_tau, spearman, r2, mae, ndcg_at_10)}


def _is_constant(values: FloatVector) -> bool:
    return bool((values == values[0]).all())
