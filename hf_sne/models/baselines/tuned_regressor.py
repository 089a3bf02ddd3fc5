"""Regressors from feature vectors to accuracy, each tuned on the training runs alone by grouped cross-validation."""

import warnings
from contextlib import AbstractContextManager
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from hf_sne.errors import UserError
from hf_sne.models.baselines.tensor_statistics import Features

FOLDS = 5
BOOSTING_GRID: dict[str, list[Any]] = {
    "max_leaf_nodes": [8, 16],
    "max_features": [0.2, 1.0],
    "loss": ["squared_error", "absolute_error"],
}
MLP_GRID: dict[str, list[Any]] = {
    "mlp__hidden_layer_sizes": [(64,), (256, 256)],
    "mlp__alpha": [1e-3, 1.0, 30.0],
    "mlp__learning_rate_init": [1e-3, 1e-2],
}


def _boosting(seed: int) -> tuple[BaseEstimator, dict[str, list[Any]]]:
    trees = HistGradientBoostingRegressor(
        learning_rate=0.05, max_iter=300, min_samples_leaf=5, early_stopping=False, random_state=seed
    )
    return trees, BOOSTING_GRID


def _mlp(seed: int) -> tuple[BaseEstimator, dict[str, list[Any]]]:
    mlp = MLPRegressor(batch_size=32, max_iter=60, n_iter_no_change=60, random_state=seed)
    return Pipeline([("scale", StandardScaler()), ("mlp", mlp)]), MLP_GRID


def _linear(_: int) -> tuple[BaseEstimator, dict[str, list[Any]]]:
    return LinearRegression(), {}


REGRESSORS = {"boosting": _boosting, "mlp": _mlp, "linear": _linear}


class TunedRegressor:
    """Gradient-boosted trees (``boosting``), a perceptron on standardised features (``mlp``) or a line (``linear``).

    The grid is chosen by Kendall's tau, as the encoders are. After ``fit``, ``search.best_params_`` tells the choice.
    """

    def __init__(self, kind: str = "boosting", seed: int = 0) -> None:
        estimator, grid = REGRESSORS[kind](seed)
        self.search = GridSearchCV(estimator, grid, scoring=make_scorer(_kendall_tau), n_jobs=-1)

    def fit(self, features: Features, targets: ArrayLike, runs: ArrayLike) -> Self:
        """Tune and fit on features [n, f], accuracies [n] and run ids [n]; no run is in two folds.

        Raises ``UserError`` on fewer than two runs.
        """
        runs = np.asarray(runs)
        count = len(np.unique(runs))
        if count < 2:
            raise UserError(f"tuning needs at least 2 runs, found {count}", fix="train on networks of more runs")
        self.search.cv = GroupKFold(min(FOLDS, count))
        with _one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of passes is a choice
            self.search.fit(features, np.asarray(targets), groups=runs)
        return self

    def predict(self, features: Features) -> NDArray[np.float64]:
        """Predict accuracies [n], in [0, 1], of features [n, f]."""
        return self.rank(features).clip(0.0, 1.0)

    def rank(self, features: Features) -> NDArray[np.float64]:
        """What :meth:`predict` clips, [n]: networks beyond the ends of the scale are still told apart."""
        with _one_thread():
            predictions: NDArray[np.float64] = self.search.predict(features)
        return predictions


def _one_thread() -> AbstractContextManager[object]:
    """Keep the trees on one thread: on a busy machine, threads that wait for each other made them 20 times slower."""
    return cast("AbstractContextManager[object]", threadpool_limits(1, user_api="openmp"))


def _kendall_tau(targets: NDArray[np.float64], predictions: NDArray[np.float64]) -> float:
    """Tau-b; 0.0 for constant predictions, as size alone gives on a zoo of one architecture."""
    return float(np.nan_to_num(kendalltau(targets, predictions).statistic))
