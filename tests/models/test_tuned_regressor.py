"""Tuned regressors: what they learn, and that no run is in two folds."""

import numpy as np
import pytest
from drawn_networks import draw_network
from scipy.stats import kendalltau
from sklearn.exceptions import NotFittedError

from hf_sne.errors import UserError
from hf_sne.models.baselines.tuned_regressor import TunedRegressor
from hf_sne.models.baselines.weight_statistics import fixed_layout_features


@pytest.fixture(scope="module")
def zoo():
    """Networks whose accuracy falls with the scale of their weights, two copies a run, 40 runs in the first 80 rows."""
    rng = np.random.default_rng(0)
    scales = rng.uniform(0.1, 2.0, size=60)
    networks = [draw_network(seed, scale) for seed, scale in enumerate(scales)]
    runs = np.concatenate([rng.permutation(np.repeat(range(40), 2)), np.repeat(range(40, 60), 2)])
    return fixed_layout_features(networks)[runs], (1.2 - scales / 2)[runs], runs


@pytest.fixture(scope="module")
def fitted(zoo):
    features, targets, runs = zoo
    return TunedRegressor().fit(features[:80], targets[:80], runs[:80])


def test_regressor_ranks_unseen_networks_within_accuracies(zoo, fitted):
    features, targets, _ = zoo
    predictions = fitted.predict(features[80:])
    assert kendalltau(predictions, targets[80:]).statistic > 0.7
    assert predictions.min() >= 0.0
    assert predictions.max() == 1.0, "targets above 1 make the trees predict more than any accuracy"


def test_a_perceptron_ranks_unseen_networks_too(zoo):
    features, targets, runs = zoo
    fitted = TunedRegressor("mlp").fit(features[:80], targets[:80], runs[:80])
    predictions = fitted.predict(features[80:])
    assert kendalltau(predictions, targets[80:]).statistic > 0.7
    assert 0.0 <= predictions.min() < predictions.max() <= 1.0


def test_regressor_is_tuned_on_whole_runs(zoo, fitted):
    features, targets, runs = (column[:80] for column in zoo)
    folds = list(fitted.search.cv.split(features, targets, groups=runs))
    assert len(folds) == 5
    for train, validation in folds:
        assert not set(runs[train]) & set(runs[validation])


def test_regressor_is_repeatable_and_refitted_on_all_runs_with_the_best_choice(zoo, fitted):
    features, targets, runs = zoo
    again = TunedRegressor()
    again.search.param_grid = {name: [choice] for name, choice in fitted.search.best_params_.items()}
    again.fit(features[:80], targets[:80], runs[:80])
    assert np.array_equal(again.predict(features), fitted.predict(features))


def test_regressor_needs_two_runs_and_a_fit(zoo):
    features, targets, _ = zoo
    with pytest.raises(UserError, match="at least 2 runs, found 1"):
        TunedRegressor().fit(features, targets, np.zeros(len(targets)))
    with pytest.raises(NotFittedError):
        TunedRegressor().predict(features)
