"""Intervals and neighbours: as wide as the nearest training networks' errors tell, and kept as often as promised."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from hf_sne.models.sne import SneConfig, SneForPerformancePrediction
from hf_sne.models.sne.calibration_sne import EVERYTHING
from hf_sne.training.calibrate import Predicted, calibrate, radius_elsewhere, radius_for, run_weights
from hf_sne.zoo.entries import ZooEntry

CONFIG = SneConfig(hidden_size=8, element_size=8, statistics=["shape"])


def _drawn(count: int, seed: int, spread: float = 1.0) -> Predicted:
    """Two clouds of networks, errors of the second five times those of the first."""
    rng = np.random.default_rng(seed)
    hard = rng.random(count) < 0.5
    embeddings = (rng.normal(size=(count, CONFIG.embedding_size)) + 6.0 * hard[:, None]).astype(np.float32)
    scores = rng.uniform(0.4, 0.6, count)
    targets = scores + spread * rng.normal(size=count) * np.where(hard, 0.1, 0.02)
    entries = [
        _entry("hard" if each else "easy", f"run-{number}", target)
        for number, (each, target) in enumerate(zip(hard, targets.tolist(), strict=True))
    ]
    return Predicted(scores, embeddings, entries)


def _entry(zoo: str, run: str, target: float = 0.5) -> ZooEntry:
    return ZooEntry(f"{run}-last", run, zoo, (), target)


@pytest.fixture(scope="module")
def calibrated():
    torch.manual_seed(0)
    return calibrate(SneForPerformancePrediction(CONFIG), _drawn(400, 0), _drawn(600, 1), seed=0)


@pytest.fixture
def model(calibrated):
    return deepcopy(calibrated)


def _assess(model, networks):
    return model.calibration(torch.tensor(networks.scores).float(), torch.tensor(networks.embeddings))


def test_intervals_keep_their_level_and_are_narrow_where_errors_are_small(model):
    networks = _drawn(4000, 2)
    found = _assess(model, networks)
    low, high = found.zoo_interval.T.numpy()
    inside = (low <= networks.targets) & (networks.targets <= high)
    hard = np.array([entry.zoo for entry in networks.entries]) == "hard"
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
    radii = {name: radius_for(found.ratios(model), found.entries, level) for name, found in groups.items()}
    assert radii["worse"] == pytest.approx(2 * radii["alike"], rel=0.3)
    own = float(model.calibration.radius[0])
    assert radius_elsewhere(own, radii.values()) == radii["worse"]
    assert radius_elsewhere(own, [0.1]) == own, "never below that of the zoos"
    assert radius_elsewhere(own, []) == EVERYTHING
    model.calibration.radius[1] = radii["worse"]
    networks = _drawn(2000, 6, spread=2.0)
    low, high = _assess(model, networks).interval.T.numpy()
    assert ((low <= networks.targets) & (networks.targets <= high)).mean() == pytest.approx(0.9, abs=0.05)


def test_far_from_every_training_network_the_wide_interval_counts(model):
    model.calibration.radius[1] = 10.0
    networks = _drawn(20, 7)
    far = Predicted(networks.scores, networks.embeddings + 100, networks.entries)
    found = _assess(model, far)
    assert not bool(found.in_distribution.any())
    assert torch.equal(found.zoo_interval, found.interval)
    assert found.percentile.tolist() == [100.0] * 20


def test_the_nearest_training_networks_are_named(model):
    trained_on = _drawn(400, 0)
    place = 17
    found = _assess(model, Predicted(*(part[place : place + 1] for part in vars(trained_on).values())))
    nearest = int(found.neighbours[0, 0])
    assert model.calibration.name(nearest) == f"{trained_on.entries[place].zoo}/run-{place}-last"
    assert float(model.calibration.accuracies[nearest]) == pytest.approx(trained_on.targets[place])
    distances, _ = model.calibration.nearest(torch.tensor(trained_on.embeddings[:3]), 5)
    assert (distances.diff(dim=1) >= 0).all()


def test_names_of_any_length_and_script_are_kept(model):
    names = ["naïve-zoo/ﬁrst", "zoo/" + "z" * 59 + "é", ""] + ["x"] * (len(model.calibration.names) - 3)
    model.calibration.name_references(names)
    assert model.calibration.name(0) == names[0]
    assert model.calibration.name(1) == "zoo/" + "z" * 59, "cut between characters"
    assert model.calibration.name(2) == ""


def test_too_few_runs_for_the_level_promise_nothing(model):
    few = _drawn(8, 8)
    assert radius_for(few.ratios(model), few.entries, 0.9) == EVERYTHING
    nobody = Predicted(np.zeros(0), np.zeros((0, CONFIG.embedding_size), dtype=np.float32), [])
    assert radius_for(nobody.ratios(model), nobody.entries, 0.9) == EVERYTHING


def test_every_zoo_weighs_the_same_and_in_it_every_run():
    """Three checkpoints of one run, two other runs, and a zoo of one run that is a twin."""
    entries = [_entry("a", "1")] * 3 + [_entry("a", "2"), _entry("a", "3"), _entry("b", "1")]
    weights = run_weights(entries)
    assert weights.sum() == pytest.approx(3), "runs, not checkpoints"
    assert weights[:5].sum() == pytest.approx(weights[5])
    assert weights[:3].sum() == pytest.approx(weights[3]) == pytest.approx(weights[4])


def test_a_copy_that_was_never_calibrated_promises_nothing():
    model = SneForPerformancePrediction(CONFIG)
    found = _assess(model, _drawn(3, 9))
    assert found.interval.tolist() == found.zoo_interval.tolist() == [[0.0, 1.0]] * 3
    assert found.neighbours.shape == (3, 0)
    assert float(model.calibration.scale.min()) == 1.0
    assert float(model.calibration.radius[0]) == EVERYTHING
