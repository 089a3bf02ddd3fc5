"""Intervals and neighbours: as wide as the nearest training networks' errors tell, and kept as often as promised."""

import numpy as np
import pytest
import torch

from hf_sne.models.sne import SneConfig, SneForPerformancePrediction
from hf_sne.models.sne.calibration_sne import EVERYTHING
from hf_sne.training.calibrate import Predicted, calibrate, equal_weights, set_radius_elsewhere

CONFIG = SneConfig(hidden_size=8, element_size=8, statistics=["shape"])


def _drawn(count: int, seed: int, spread: float = 1.0) -> Predicted:
    """Two clouds of networks, errors of the second five times those of the first."""
    rng = np.random.default_rng(seed)
    hard = rng.random(count) < 0.5
    embeddings = (rng.normal(size=(count, CONFIG.embedding_size)) + 6.0 * hard[:, None]).astype(np.float32)
    scores = rng.uniform(0.4, 0.6, count)
    targets = scores + spread * rng.normal(size=count) * np.where(hard, 0.1, 0.02)
    zoos = ["hard" if each else "easy" for each in hard]
    return Predicted(scores, embeddings, targets, zoos, [f"run-{number}" for number in range(count)])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return calibrate(SneForPerformancePrediction(CONFIG), _drawn(400, 0), _drawn(600, 1), seed=0)


def _assess(model, networks):
    return model.calibration(torch.tensor(networks.scores).float(), torch.tensor(networks.embeddings))


def test_intervals_keep_their_level_and_are_narrow_where_errors_are_small(model):
    networks = _drawn(4000, 2)
    found = _assess(model, networks)
    low, high = found.zoo_interval.T.numpy()
    inside = (low <= networks.targets) & (networks.targets <= high)
    hard = np.array(networks.zoos) == "hard"
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    for chosen in (hard, ~hard):  # the floor of the expected error makes the narrow ones a little wide
        assert inside[chosen].mean() == pytest.approx(0.9, abs=0.11)
    assert (high - low)[hard].mean() > 2 * (high - low)[~hard].mean()
    assert float(found.in_distribution.float().mean()) == pytest.approx(0.95, abs=0.04)


def test_without_a_group_left_out_nothing_is_promised_elsewhere(model):
    assert _assess(model, _drawn(50, 3)).interval.tolist() == [[0.0, 1.0]] * 50


def test_the_worst_group_left_out_decides_elsewhere(model):
    level = model.config.interval_level
    groups = {"alike": _drawn(300, 4), "worse": _drawn(300, 5, spread=2.0)}
    radii = {name: found.radius(model, level) for name, found in groups.items()}
    assert radii["worse"] == pytest.approx(2 * radii["alike"], rel=0.3)
    set_radius_elsewhere(model, radii)
    assert float(model.calibration.radius[1]) == pytest.approx(radii["worse"])
    networks = _drawn(2000, 6, spread=2.0)
    low, high = _assess(model, networks).interval.T.numpy()
    assert ((low <= networks.targets) & (networks.targets <= high)).mean() == pytest.approx(0.9, abs=0.05)
    set_radius_elsewhere(model, {"alike": 0.1})
    assert float(model.calibration.radius[1]) == float(model.calibration.radius[0]), "never below that of the zoos"


def test_far_from_every_training_network_the_wide_interval_counts(model):
    set_radius_elsewhere(model, {"group": 10.0})
    networks = _drawn(20, 7)
    far = Predicted(networks.scores, networks.embeddings + 100, networks.targets, networks.zoos, networks.ids)
    found = _assess(model, far)
    assert not bool(found.in_distribution.any())
    assert torch.equal(found.zoo_interval, found.interval)
    assert found.percentile.tolist() == [100.0] * 20


def test_the_nearest_training_networks_are_named(model):
    trained_on = _drawn(400, 0)
    place = 17
    found = _assess(model, Predicted(*(part[place : place + 1] for part in vars(trained_on).values())))
    nearest = int(found.neighbours[0, 0])
    assert model.calibration.name(nearest) == f"{trained_on.zoos[place]}/run-{place}"
    assert float(model.calibration.accuracies[nearest]) == pytest.approx(trained_on.targets[place])
    distances, _ = model.calibration.nearest(torch.tensor(trained_on.embeddings[:3]), 5)
    assert (distances.diff(dim=1) >= 0).all()


def test_names_of_any_length_and_script_are_kept(model):
    names = ["naïve-zoo/ﬁrst", "z" * 100 + "/end", ""] + ["x"] * (len(model.calibration.names) - 3)
    kept = model.calibration.names.clone()
    model.calibration.name_references(names)
    assert model.calibration.name(0) == names[0]
    assert model.calibration.name(1) == ("z" * 100 + "/end")[-64:]
    assert model.calibration.name(2) == ""
    model.calibration.names.copy_(kept)


def test_too_few_networks_for_the_level_promise_nothing(model):
    assert _drawn(5, 8).radius(model, 0.9) == EVERYTHING


def test_every_zoo_weighs_the_same():
    weights = equal_weights(["a"] * 3 + ["b"])
    assert weights.mean() == pytest.approx(1.0)
    assert weights[:3].sum() == pytest.approx(weights[3:].sum())
