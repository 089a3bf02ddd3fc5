"""Legal changes of hidden units leave the network's own logits as they are; one-sided ones do not."""

import pytest
import torch
from networks import cnn, layers_of, mlp
from torch import nn

from hf_sne.weights.symmetry import draw_permutations, hidden_units, permute, permute_one_side, rescale


def _inputs(network):
    return torch.randn(16, 1, 12, 12) if isinstance(network[0], nn.Conv2d) else torch.randn(16, 20)


@torch.no_grad()
def _logits_after(network, state, inputs):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(state)
    logits = network(inputs)
    network.load_state_dict(before)
    return logits


@pytest.mark.parametrize("make", [mlp, cnn])
@pytest.mark.parametrize("seed", range(3))
def test_a_permutation_of_hidden_units_keeps_the_logits(make, seed):
    network = make()
    inputs, groups = _inputs(network), hidden_units(layers_of(network))
    orders = draw_permutations(groups, torch.Generator().manual_seed(seed))
    assert len(groups) == len([m for m in network if isinstance(m, nn.Linear | nn.Conv2d)]) - 1
    expected = network(inputs)
    moved = permute(network.state_dict(), groups, orders)
    assert any(not torch.equal(moved[name], tensor) for name, tensor in network.state_dict().items())
    torch.testing.assert_close(_logits_after(network, moved, inputs), expected, atol=1e-5, rtol=1e-5)
    broken = permute_one_side(network.state_dict(), groups, orders)
    assert (_logits_after(network, broken, inputs) - expected).abs().max() > 1e-2


def test_a_permutation_goes_with_its_inverse():
    network = cnn()
    groups = hidden_units(layers_of(network))
    orders = draw_permutations(groups, torch.Generator().manual_seed(0))
    state = network.state_dict()
    back = permute(permute(state, groups, orders), groups, [order.argsort() for order in orders])
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())


def test_a_flatten_moves_all_columns_of_a_channel_together():
    groups = hidden_units(layers_of(cnn()))
    (reader,) = [axis for axis in groups[1].axes if axis.reads]
    assert (groups[1].units, reader.tensor, reader.repeat) == (8, "7.weight", 16)


def test_positive_scales_between_relu_layers_keep_the_logits():
    network = mlp()
    inputs, groups = _inputs(network), hidden_units(layers_of(network))
    scales = [torch.rand(group.units) * 4 + 0.2 for group in groups]
    moved = rescale(network.state_dict(), groups, scales)
    torch.testing.assert_close(_logits_after(network, moved, inputs), network(inputs), atol=1e-4, rtol=1e-4)


def test_signs_between_tanh_layers_keep_the_logits_and_norms_are_left_alone():
    network = cnn(activation=nn.Tanh)
    inputs, groups = _inputs(network), hidden_units(layers_of(network))
    signs = [torch.randint(0, 2, (group.units,)) * 2.0 - 1 for group in groups]
    moved = rescale(network.state_dict(), groups, signs)
    assert torch.equal(moved["0.weight"], network.state_dict()["0.weight"])
    torch.testing.assert_close(_logits_after(network, moved, inputs), network(inputs), atol=1e-4, rtol=1e-4)


def test_no_symmetry_is_claimed_where_the_layers_may_branch():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2, self.fc3 = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    assert hidden_units(layers_of(Residual())) == ()
