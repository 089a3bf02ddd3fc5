"""StatNN: seven statistics of each tensor -> gradient boosting, the baseline that an encoder of weights must beat.

Unterthiner et al., "Predicting Neural Network Accuracy from Weights" (2020), which knows one architecture only; the
pooled features here take networks of any architecture.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Self, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from hf_sne.errors import UserError
from hf_sne.models.baselines.tensor_statistics import STATISTICS, Features, Network, all_parts, tensor_statistics

Layout: TypeAlias = list[tuple[str, tuple[int, ...] | None, tuple[int, ...] | None]]

FOLDS = 5
GRID = {
    "max_leaf_nodes": [8, 16],
    "max_features": [0.2, 1.0],
    "loss": ["squared_error", "absolute_error"],
}


def fixed_layout_features(networks: Sequence[Network]) -> Features:
    """Statistics of every tensor in order, [n, 7 * tensors]: mean, variance, percentiles 0, 25, 50, 75, 100.

    Raises ``UserError`` when two networks differ in the roles or shapes of their layers, and on an empty tensor, a
    NaN or an infinity.
    """
    parts = all_parts(networks)
    expected = _layout(networks[0])
    for index, network in enumerate(networks):
        if _layout(network) != expected:
            raise UserError(
                f"network {index} has the layout {_layout(network)}, network 0 has {expected}",
                fix="use pooled_features for networks of different architectures",
            )
    return tensor_statistics(parts).reshape(len(networks), -1)


def pooled_features(networks: Sequence[Network]) -> Features:
    """Features [n, 142] of networks of any architecture.

    The seven statistics of each tensor are pooled over the layers to their mean, minimum, maximum, first and last;
    apart for weights, biases, normalisation scales and normalisation shifts, 0 where a network has none. The last two
    are those of ``size_only_features``. Raises ``UserError`` on an empty tensor, a NaN or an infinity.
    """
    parts = all_parts(networks)
    statistics = tensor_statistics(parts)
    owners = np.array([part.network for part in parts])
    pooled = []
    for is_norm in (False, True):
        for name in ("weight", "bias"):
            chosen = np.array([(part.role == "norm") == is_norm and part.name == name for part in parts])
            pooled.append(_pool(statistics[chosen], owners[chosen], len(networks)))
    return np.concatenate([*pooled, size_only_features(networks)], axis=1)


def size_only_features(networks: Sequence[Network]) -> Features:
    """Log of the number of parameters, and depth (normalisation layers left out), [n, 2]: what size alone tells."""
    parts = all_parts(networks)
    sizes = np.bincount([part.network for part in parts], weights=[part.tensor.numel() for part in parts])
    layers = [part.network for part in parts if part.role != "norm" and part.name == "weight"]
    return np.stack([np.log(sizes), np.bincount(np.array(layers, dtype=int), minlength=len(networks))], axis=1)


class WeightStatisticsRegressor:
    """Gradient-boosted trees from features to accuracy, tuned on the training runs alone by grouped cross-validation.

    The grid is chosen by Kendall's tau, as the encoders are. After ``fit``, ``search.best_params_`` tells the choice.
    """

    def __init__(self, seed: int = 0) -> None:
        trees = HistGradientBoostingRegressor(
            learning_rate=0.05, max_iter=300, min_samples_leaf=5, early_stopping=False, random_state=seed
        )
        self.search = GridSearchCV(trees, GRID, scoring=make_scorer(_kendall_tau), n_jobs=-1)

    def fit(self, features: Features, targets: ArrayLike, runs: ArrayLike) -> Self:
        """Tune and fit on features [n, f], accuracies [n] and run ids [n]; no run is in two folds.

        Raises ``UserError`` on fewer than two runs.
        """
        runs = np.asarray(runs)
        count = len(np.unique(runs))
        if count < 2:
            raise UserError(f"tuning needs at least 2 runs, found {count}", fix="train on networks of more runs")
        self.search.cv = GroupKFold(min(FOLDS, count))
        with _one_thread():
            self.search.fit(features, np.asarray(targets), groups=runs)
        return self

    def predict(self, features: Features) -> NDArray[np.float64]:
        """Predict accuracies [n], in [0, 1], of features [n, f]."""
        with _one_thread():
            predictions: NDArray[np.float64] = self.search.predict(features)
        return predictions.clip(0.0, 1.0)


def _one_thread() -> AbstractContextManager[object]:
    """Keep the trees on one thread: on a busy machine, threads that wait for each other made them 20 times slower."""
    return cast("AbstractContextManager[object]", threadpool_limits(1, user_api="openmp"))


def _pool(statistics: Features, owners: NDArray[np.int64], networks: int) -> Features:
    """[tensors, 7], sorted by owner -> [networks, 35]; 0 for the networks that own none of the tensors."""
    pooled = np.zeros((networks, 5, STATISTICS))
    present, starts, counts = np.unique(owners, return_index=True, return_counts=True)
    if len(present):
        mean = np.add.reduceat(statistics, starts) / counts[:, None]
        low, high = np.minimum.reduceat(statistics, starts), np.maximum.reduceat(statistics, starts)
        first, last = statistics[starts], statistics[starts + counts - 1]
        pooled[present] = np.stack([mean, low, high, first, last], axis=1)
    return pooled.reshape(networks, -1)


def _layout(network: Network) -> Layout:
    return [(layer.role, _shape(layer.weight), _shape(layer.bias)) for layer in network]


def _shape(tensor: Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)


def _kendall_tau(targets: NDArray[np.float64], predictions: NDArray[np.float64]) -> float:
    """Tau-b; 0.0 for constant predictions, as size alone gives on a zoo of one architecture."""
    return float(np.nan_to_num(kendalltau(targets, predictions).statistic))
