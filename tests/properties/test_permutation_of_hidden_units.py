"""The built-in encoder tells a legal permutation of hidden units from a shuffle that breaks the network."""

import pytest
import torch

from hf_sne.pipelines import load_pipeline
from hf_sne.weights.symmetry import draw_permutations, hidden_units, permute, permute_one_side
from hf_sne.zoo.read import read_zoo


@pytest.fixture(scope="module")
def moves(digit_zoos):
    """Mean move of the score under a legal permutation and under its illegal twin, over trained digit networks."""
    pipe = load_pipeline(device="cpu")
    entries = [entry for name in ("digits-mlp", "digits-cnn") for entry in read_zoo(digit_zoos / name)]
    legal, illegal = [], []
    for number, entry in enumerate(entries):
        groups = hidden_units(entry.layers)
        if not groups or entry.target < 0.5:
            continue
        tensors = {t.name: t.read() for layer in entry.layers for t in layer.tensors}
        orders = draw_permutations(groups, torch.Generator().manual_seed(number))
        score = pipe(tensors)["score"]
        legal.append(abs(pipe(permute(tensors, groups, orders))["score"] - score))
        illegal.append(abs(pipe(permute_one_side(tensors, groups, orders))["score"] - score))
    assert len(legal) > 20
    return torch.tensor(legal).mean(), torch.tensor(illegal).mean()


def test_a_legal_permutation_moves_the_score_less_than_a_tenth_of_an_illegal_one(moves):
    legal, illegal = moves
    assert legal < 0.1 * illegal


def test_the_encoder_sees_an_illegal_shuffle_at_all(moves):
    """Not only rounding: the score moves by more than a percent where the network is broken."""
    assert moves[1] > 0.01
