"""Each scheme gives the weights the spread of its definition, zero biases, and draws from torch's generator alone."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from hf_sne.zoo.initialization import INITIALIZATIONS, initialize

INPUTS, OUTPUTS = 300, 200
# Of a normal distribution cut at two standard deviations.
CUT = 0.8796
SPREAD: dict[str, Callable[[int, int], float]] = {
    "uniform": lambda _, __: 1 / math.sqrt(3),
    "normal": lambda _, __: 1.0,
    "truncated_normal": lambda _, __: CUT,
    "kaiming_uniform": lambda inputs, _: math.sqrt(2 / inputs),
    "kaiming_normal": lambda inputs, _: math.sqrt(2 / inputs),
    "xavier_uniform": lambda inputs, outputs: math.sqrt(2 / (inputs + outputs)),
    "xavier_normal": lambda inputs, outputs: math.sqrt(2 / (inputs + outputs)),
    "orthogonal": lambda inputs, outputs: 1 / math.sqrt(max(inputs, outputs)),
}
LARGEST = {
    "uniform": 1.0,
    "truncated_normal": 2.0,
    "kaiming_uniform": math.sqrt(6 / INPUTS),
    "xavier_uniform": math.sqrt(6 / (INPUTS + OUTPUTS)),
}
every_scheme = pytest.mark.parametrize("scheme", SPREAD)


def initialized(module: nn.Module, scheme: str, scale: float, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    initialize(module, scheme, scale)
    return module


def test_all_schemes_are_tested():
    assert {*SPREAD, "default"} == {*INITIALIZATIONS}


@every_scheme
@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_spread_of_the_weights_is_that_of_the_scheme(scheme, scale):
    weight = initialized(nn.Linear(INPUTS, OUTPUTS), scheme, scale).weight
    assert weight.std().item() == pytest.approx(scale * SPREAD[scheme](INPUTS, OUTPUTS), rel=0.02)
    assert abs(weight.mean().item()) < 0.02 * weight.std().item()
    if scheme in LARGEST:
        assert 0.98 * scale * LARGEST[scheme] < weight.abs().max().item() <= scale * LARGEST[scheme] * (1 + 1e-6)


@pytest.mark.parametrize("scheme", ["kaiming_normal", "kaiming_uniform", "xavier_normal"])
def test_the_fan_of_a_convolution_counts_its_kernel(scheme):
    weight = initialized(nn.Conv2d(32, 48, 3), scheme, 1.0).weight
    assert weight.std().item() == pytest.approx(SPREAD[scheme](32 * 9, 48 * 9), rel=0.03)


def test_orthogonal_rows_are_orthogonal_and_as_long_as_the_scale():
    weight = initialized(nn.Linear(INPUTS, OUTPUTS), "orthogonal", 0.5).weight
    torch.testing.assert_close(weight @ weight.T, 0.25 * torch.eye(OUTPUTS), atol=1e-5, rtol=0)


@every_scheme
def test_biases_are_zero_and_norms_are_left_alone(scheme):
    torch.manual_seed(1)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, bias=False), nn.Linear(4, 2))
    norm = {name: value.clone() for name, value in module[1].state_dict().items()}
    initialized(module, scheme, 1.0)
    assert not module[0].bias.any()
    assert not module[3].bias.any()
    assert all(value.equal(norm[name]) for name, value in module[1].state_dict().items())


def test_the_default_is_that_of_torch_but_for_its_scale():
    torch.manual_seed(3)
    alone = nn.Linear(20, 10)
    for scale in (1.0, 2.0):
        torch.manual_seed(3)
        module = nn.Linear(20, 10)
        initialize(module, "default", scale)
        assert module.weight.equal(scale * alone.weight)
        assert module.bias.equal(alone.bias)


@every_scheme
def test_one_seed_gives_one_network_that_can_be_trained(scheme):
    networks = [initialized(nn.Linear(20, 10), scheme, 1.0, seed) for seed in (5, 5, 6)]
    assert networks[0].weight.equal(networks[1].weight)
    assert not networks[0].weight.equal(networks[2].weight)
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in networks[0].parameters())
