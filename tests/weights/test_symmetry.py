"""Legal changes of hidden units leave the network's own logits as they are; one-sided ones do not."""

import pytest
import torch
from networks import cnn, layers_of, mlp
from torch import nn

from hf_sne.weights import open_checkpoint
from hf_sne.weights.symmetry import draw_permutations, hidden_units, permute, permute_one_side, rescale


def units_of(network):
    checkpoint = open_checkpoint(network)
    return hidden_units(checkpoint.layers, [skipped.name for skipped in checkpoint.skipped])


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
    inputs, groups = _inputs(network), units_of(network)
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
    groups = units_of(network)
    orders = draw_permutations(groups, torch.Generator().manual_seed(0))
    state = network.state_dict()
    back = permute(permute(state, groups, orders), groups, [order.argsort() for order in orders])
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())


def test_a_flatten_moves_all_columns_of_a_channel_together():
    groups = units_of(cnn())
    (reader,) = [axis for axis in groups[1].axes if axis.reads]
    assert (groups[1].units, reader.tensor, reader.repeat) == (8, "7.weight", 16)


def test_positive_scales_between_relu_layers_keep_the_logits():
    network = mlp()
    inputs, groups = _inputs(network), units_of(network)
    scales = [torch.rand(group.units) * 4 + 0.2 for group in groups]
    moved = rescale(network.state_dict(), groups, scales)
    torch.testing.assert_close(_logits_after(network, moved, inputs), network(inputs), atol=1e-4, rtol=1e-4)


def test_signs_between_tanh_layers_keep_the_logits_and_norms_are_left_alone():
    network = cnn(activation=nn.Tanh)
    inputs, groups = _inputs(network), units_of(network)
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


@torch.no_grad()
def test_a_batch_norm_after_the_flatten_goes_with_the_columns():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Flatten(), nn.BatchNorm1d(400), nn.ReLU(), nn.Linear(400, 5), nn.ReLU(), nn.Linear(5, 2)
    ).eval()
    for tensor in (network[2].weight, network[2].running_mean, network[2].running_var):
        tensor.uniform_(0.5, 1.5)
    inputs, groups = _inputs(network), units_of(network)
    assert len(groups) == 2
    moved = permute(network.state_dict(), groups, draw_permutations(groups, torch.Generator().manual_seed(0)))
    torch.testing.assert_close(_logits_after(network, moved, inputs), network(inputs), atol=1e-5, rtol=1e-5)


def test_units_beside_a_group_norm_are_left_out():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    assert [group.axes[0].tensor for group in units_of(network)] == ["2.weight"]
