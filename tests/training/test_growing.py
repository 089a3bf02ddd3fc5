"""Boosted trees: grown by scikit-learn, read by the model."""

import numpy as np
import pytest
import torch
from drawn_networks import shifted_network

from hf_sne.models.sne import SneConfig, SneForPerformancePrediction, SneProcessor
from hf_sne.models.sne.boosted_trees import BoostedTrees, pool_statistics
from hf_sne.models.sne.set_layers import Sets
from hf_sne.training import growing
from hf_sne.training.examples import ExampleMaker
from hf_sne.zoo.entries import targets

CONFIG = SneConfig(num_trees=20, tree_leaves=5)


@pytest.fixture(scope="module")
def examples():
    return ExampleMaker(SneProcessor.from_config(CONFIG)).make([shifted_network(number) for number in range(80)])


def _grown(examples, seed=0):
    trees = BoostedTrees(CONFIG)
    growing.grow(trees, examples, seed)
    return trees


@torch.no_grad()
def test_the_model_reads_of_trees_what_scikit_learn_predicts(examples, monkeypatch):
    made = []

    def keep(**settings):
        made.append(regressor(**settings))
        return made[0]

    regressor = growing.GradientBoostingRegressor
    monkeypatch.setattr(growing, "GradientBoostingRegressor", keep)
    trees = _grown(examples)
    statistics = growing.pooled_statistics(examples)
    assert made[0].estimators_[0, 0].tree_.max_depth > 1
    np.testing.assert_allclose(trees(statistics), made[0].predict(statistics.numpy()), atol=1e-5)


@torch.no_grad()
def test_trees_come_near_the_accuracies_and_a_seed_decides_them(examples):
    statistics, truth = growing.pooled_statistics(examples), targets([example.entry for example in examples])
    trees = _grown(examples)
    found = trees(statistics)
    assert np.corrcoef(found.sigmoid(), truth)[0, 1] > 0.9
    assert torch.equal(found, _grown(examples)(statistics))
    assert not torch.equal(found, _grown(examples, seed=1)(statistics))


@torch.no_grad()
def test_a_predictor_is_the_mean_of_head_and_trees_and_until_they_are_grown_the_head(examples, tmp_path):
    torch.manual_seed(0)
    model = SneForPerformancePrediction(CONFIG).eval()
    batch = SneProcessor.from_config(CONFIG)([example.entry.layers for example in examples[:5]])
    head = model(**batch)
    torch.testing.assert_close(head.logits, head.member_logits.sigmoid().mean(1).logit())
    model.trees.load_state_dict(_grown(examples).state_dict())
    model.save_pretrained(tmp_path)
    both = SneForPerformancePrediction.from_pretrained(tmp_path)(**batch)
    trees = model.trees(growing.pooled_statistics(examples[:5]))
    torch.testing.assert_close(both.logits, (head.logits + trees) / 2)
    torch.testing.assert_close(both.scores, both.logits.sigmoid())
    assert not torch.allclose(head.logits, trees, atol=0.1)


def test_statistics_are_pooled_network_by_network():
    rows = torch.randn(6, 3)
    pooled = pool_statistics(rows, Sets(torch.tensor([0, 0, 0, 1, 2, 2]), 3))
    for network, part in enumerate((rows[:3], rows[3:4], rows[4:])):
        torch.testing.assert_close(pooled[network], torch.cat([part.mean(0), part.amin(0), part.amax(0), part[-1]]))


@pytest.mark.parametrize("changes", [{"num_trees": 0}, {"statistics": []}])
def test_without_trees_or_statistics_a_model_has_none(changes):
    assert SneForPerformancePrediction(SneConfig(**changes)).trees is None
