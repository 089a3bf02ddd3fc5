"""How much the mean log norm counts beside an encoder: as much as helps on networks of other kinds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import layers_of, mlp

from hf_sne.training.stacking import WEIGHTS, Outside, log_norms, norm_range, norm_weight, norm_weights
from hf_sne.zoo.entries import ZooEntry

COUNT = 60
EVERY = [-9.0, 0.0, 9.0]


def _entries(zoo: str, truth: str) -> list[ZooEntry]:
    """Networks whose accuracy goes with their norms, or with nothing."""
    rng, entries = np.random.default_rng(0), []
    for number in range(COUNT):
        network, factor = mlp(), rng.uniform(0.5, 2.0)
        with torch.no_grad():
            for weight in network.parameters():
                weight *= factor
        accuracy = factor / 4 if truth == "norms" else rng.random()
        entries.append(ZooEntry(f"{number}", f"{number}", zoo, layers_of(network), accuracy, labels={"family": "mlp"}))
    return entries


def _outside(truth: str, right: float) -> Outside:
    """Scores that are right in part, the rest is noise."""
    entries, rng = _entries("zoo", truth), np.random.default_rng(1)
    accuracies = np.array([entry.target for entry in entries])
    return Outside(right * accuracies + (1 - right) * rng.random(COUNT), entries)


def test_norms_count_where_they_tell_what_the_encoder_does_not():
    assert norm_weight({"group": _outside("norms", right=0.3)}, EVERY) > 1.0
    assert norm_weight({"group": _outside("chance", right=1.0)}, EVERY) == 0.0


def test_norms_beyond_the_range_tell_nothing():
    """As in the model, which does not tell them apart."""
    outside = _outside("norms", right=0.3)
    norms = log_norms(outside.entries)
    beyond = [float(norms.max()), float(norms.max()) + 1, float(norms.max()) + 2]
    assert norm_weight({"group": outside}, beyond) == 0.0
    assert np.ptp(outside.taus(beyond)) == pytest.approx(0.0, abs=1e-9)


def test_groups_count_alike_and_those_too_small_to_rank_do_not():
    helped, hurt = _outside("norms", right=0.9), _outside("chance", right=1.0)
    alone, both = norm_weight({"a": helped}, EVERY), norm_weight({"a": helped, "b": hurt}, EVERY)
    assert alone > both
    assert norm_weight({"a": helped, "b": hurt, "c": helped, "d": hurt}, EVERY) == both
    assert alone >= norm_weight({"a": helped, "b": hurt, "c": helped}, EVERY) >= both
    few = hurt.keep(range(9))
    assert norm_weight({"a": helped, "b": few}, EVERY) == alone
    assert norm_weight({"b": few}, EVERY) == norm_weight({}, EVERY) == 0.0


def test_a_group_has_no_say_in_the_weight_of_its_own_model():
    """Neither by what was measured on it, nor by its networks that other groups hold too."""
    outside = {"one": _outside("norms", right=0.3), "other": _outside("norms", right=0.9)}
    shared = {entry.id for entry in outside["one"].entries[:20]}

    def is_in(group, entry):
        return group == "one" and entry.id in shared

    spans = dict.fromkeys(["", "one", "other"], EVERY)
    weights = norm_weights(outside, spans, is_in)
    shuffled = [replace(entry, target=1 - entry.target) for entry in outside["one"].entries]
    relabelled = outside | {"one": Outside(outside["one"].scores, shuffled)}
    changed = [
        entry if entry.id not in shared else replace(entry, target=1 - entry.target)
        for entry in outside["other"].entries
    ]
    both = relabelled | {"other": Outside(outside["other"].scores, changed)}
    assert norm_weights(both, spans, is_in)["one"] == weights["one"]
    after = norm_weights(relabelled, spans, is_in)
    assert after["one"] == weights["one"]
    assert after["other"] < weights["other"]
    assert after[""] < weights[""]


def test_scores_of_none_and_all_are_ranked_too():
    outside = _outside("norms", right=1.0)
    certain = Outside(outside.scores.round(), outside.entries)
    assert norm_weight({"group": certain}, EVERY) in WEIGHTS
    assert np.isfinite(certain.taus(EVERY)).all()


def test_the_range_leaves_the_outermost_norms_out():
    entries = _entries("zoo", "norms")
    norms = log_norms(entries)
    low, middle, high = norm_range(entries)
    assert middle == pytest.approx(np.median(norms))
    assert norms.min() < low < high < norms.max()
    assert np.mean((low <= norms) & (norms <= high)) == pytest.approx(0.98, abs=0.02)
