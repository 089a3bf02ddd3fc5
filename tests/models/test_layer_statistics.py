"""Statistics of layers: what they are, what leaves them as they are, and what a wide layer is thinned to."""

import numpy as np
import pytest
import torch
from networks import cnn, layers_of, mlp
from torch import nn

from hf_sne.models.sne import SneConfig, SneProcessor
from hf_sne.models.sne.configuration_sne import STATISTICS
from hf_sne.models.sne.heads import EnsembleHead
from hf_sne.models.sne.layer_statistics import GROUPS, DenseLayer, count_statistics, layer_statistics
from hf_sne.models.sne.set_layers import Sets
from hf_sne.models.sne.statistics_encoder import StatisticsEncoder
from hf_sne.models.sne.thinning import MAX_ROW, MAX_UNITS, dense_layers
from hf_sne.weights.symmetry import draw_permutations, hidden_units, permute, permute_one_side, rescale


def _statistics(network, groups=STATISTICS):
    return SneProcessor(statistics=groups).layer_statistics([layers_of(network)])[0]


def _changed(network, change, arguments):
    state = network.state_dict()
    layers = layers_of(network)
    groups = hidden_units(layers, set(state))
    other = {**state, **change(state, groups, arguments(groups))}
    return layer_statistics(dense_layers([layers_of(other)]), STATISTICS)[0]


def _orders(groups):
    return draw_permutations(groups, torch.Generator().manual_seed(1))


def _columns(name):
    start = count_statistics(STATISTICS[: STATISTICS.index(name)])
    return slice(start, start + count_statistics([name]))


def test_the_groups_are_those_of_the_configuration():
    assert tuple(GROUPS) == STATISTICS
    assert count_statistics([]) == 0
    assert count_statistics(STATISTICS) == sum(count_statistics([name]) for name in STATISTICS) == 92
    assert _statistics(cnn(), []).shape == (5, 0)


@pytest.mark.parametrize("network", [mlp(), cnn(), mlp((20, 3 * MAX_UNITS, 2 * MAX_UNITS, 10))])
def test_no_order_of_hidden_units_changes_them(network):
    before = _statistics(network)
    torch.testing.assert_close(_changed(network, permute, _orders), before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("network", [mlp(), cnn()])
def test_a_shuffle_on_one_side_changes_the_coupling_of_layers_alone(network):
    before, after = _statistics(network), _changed(network, permute_one_side, _orders)
    coupling = _columns("coupling")
    assert (before[:, coupling] - after[:, coupling]).abs().max() > 0.1
    kept = [column for column in range(before.shape[1]) if not coupling.start <= column < coupling.stop]
    torch.testing.assert_close(after[:, kept], before[:, kept], atol=1e-5, rtol=1e-5)


def test_no_rescaling_of_hidden_units_changes_the_paths_through_them():
    network = nn.Sequential(nn.Linear(20, 40, bias=False), nn.ReLU(), nn.Linear(40, 10, bias=False))
    scales = [torch.logspace(-1, 1, 40)]
    before, after = _statistics(network), _changed(network, rescale, lambda _: scales)
    # Length and spread of the paths, and the spectrum of the product; not how the norms of both sides go together.
    paths = slice(_columns("coupling").start + 2, _columns("coupling").start + 14)
    torch.testing.assert_close(after[0, paths], before[0, paths], atol=1e-4, rtol=1e-4)
    assert (after[0, _columns("units")] - before[0, _columns("units")]).abs().max() > 0.1


def test_values_are_the_seven_statistics_of_weights_and_biases():
    network = mlp()
    told = _statistics(network, ["values"])
    for row, layer in zip(told, network[::2], strict=True):
        expected = []
        for tensor in (layer.weight, layer.bias):
            values = tensor.detach().numpy()
            expected += [values.mean(), values.var(), *np.percentile(values, (0, 25, 50, 75, 100))]
        np.testing.assert_allclose(row.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_the_spectrum_is_that_of_the_matrix():
    network = mlp((30, 12, 5))
    told = _statistics(network, ["spectrum"])
    for row, layer in zip(told, network[::2], strict=True):
        singular = torch.linalg.svdvals(layer.weight.detach().double())
        share = singular / singular.norm()
        expected = [share[rank] if rank < len(share) else 0.0 for rank in (0, 1, 3, 7)]
        torch.testing.assert_close(row[:4], torch.tensor(expected, dtype=torch.float32), atol=1e-5, rtol=1e-5)
        assert row[6] == pytest.approx(float(singular[0].log10()), abs=1e-5)


def test_a_smooth_kernel_is_told_from_a_rough_one():
    smooth, rough = torch.ones(3, 3), torch.ones(3, 3)
    rough[::2, 1::2] = rough[1::2, ::2] = -1
    for kernel, dc, neighbours in ((smooth, 1.0, 6 / 9), (rough, 1 / 81, -6 / 9)):
        weight = kernel.double().expand(1, 4, 2, 3, 3)
        told = layer_statistics([DenseLayer(weight, None, (4, 2, 9), None)], ["kernel"])[0, 0]
        assert told[0] == pytest.approx(dc, abs=1e-6)
        assert told[3] == pytest.approx(neighbours, abs=1e-6)


def test_many_networks_at_once_have_the_statistics_of_each():
    networks = [mlp(seed=seed) for seed in range(3)]
    together = layer_statistics(dense_layers([layers_of(network) for network in networks]), STATISTICS)
    torch.testing.assert_close(together, torch.stack([_statistics(network) for network in networks]))


def test_zeros_constants_and_lone_vectors_have_finite_statistics():
    with torch.no_grad():
        dead, constant = mlp(), mlp()
        for parameter in dead.parameters():
            parameter.zero_()
        for parameter in constant.parameters():
            parameter.fill_(3.0)
    others = [nn.BatchNorm2d(7), nn.Embedding(1000, 5), nn.Conv1d(2, 3, 5), nn.Conv3d(2, 3, (1, 2, 3)), nn.LSTM(3, 4)]
    for network in (dead, constant, *others):
        assert _statistics(network).isfinite().all()


def test_wide_layers_are_thinned_to_the_same_units_on_both_sides():
    network = mlp((5000, 2 * MAX_UNITS, 3 * MAX_UNITS, 10))
    first, second, last = dense_layers([layers_of(network)])
    assert first.weight.shape == (1, MAX_UNITS, MAX_ROW, 1, 1)
    assert second.weight.shape[:3] == (1, MAX_UNITS, MAX_UNITS)
    assert last.weight.shape[:3] == (1, 10, MAX_UNITS)
    assert first.shape == (2 * MAX_UNITS, 5000, 1)
    assert first.reader.shape[:3] == (1, MAX_UNITS, MAX_UNITS)
    assert first.bias.shape == (1, MAX_UNITS)
    # A unit stands in the same place in its row, its bias and its reader's column.
    weight, bias, reader = (
        tensor.detach().double() for tensor in (network[0].weight, network[0].bias, network[2].weight)
    )
    for place in (0, 60, MAX_UNITS - 1):
        unit = int((bias == first.bias[0, place]).nonzero())
        assert torch.isin(first.weight[0, place].flatten(), weight[unit]).all()
        assert torch.isin(first.reader[0, :, place].flatten(), reader[:, unit]).all()


def test_what_lies_beyond_the_training_zoos_counts_as_their_end():
    encoder = StatisticsEncoder(SneConfig(statistics=["values"], statistics_bins=4))
    statistics = torch.rand(100, 14)
    statistics[:, 3] = 0.5
    encoder.fit(statistics)
    one = Sets(torch.zeros(1, dtype=torch.long), 1)
    far, end = encoder(torch.full((1, 14), 1e6), one), encoder(statistics.amax(0, keepdim=True), one)
    torch.testing.assert_close(far, end)
    assert encoder(torch.full((1, 14), -1e6), one).isfinite().all()


def test_pieces_between_quantiles_that_all_but_coincide_do_not_amplify_rounding():
    encoder = StatisticsEncoder(SneConfig(statistics=["values"], statistics_bins=4)).eval()
    statistics = 0.5 + 1e-7 * torch.rand(100, 14)
    encoder.fit(statistics)
    one = Sets(torch.zeros(1, dtype=torch.long), 1)
    low, high = (encoder(extreme[None], one) for extreme in (statistics.amin(0), statistics.amax(0)))
    torch.testing.assert_close(low, high, atol=0.01, rtol=0)


def test_training_hides_the_same_statistics_in_all_layers_of_a_network():
    encoder = StatisticsEncoder(SneConfig(statistics=["values"], statistics_bins=1, statistics_dropout=0.5))
    encoder.fit(torch.rand(100, 14))
    told, networks = torch.full((6, 14), 2.0), Sets(torch.tensor([0, 0, 0, 1, 1, 1]), 2)
    torch.manual_seed(0)
    code = encoder(told, networks)
    torch.testing.assert_close(code[:3], code[:1].expand(3, -1))
    assert (code[0] - code[3]).abs().max() > 0
    whole = encoder.eval()(told, networks)
    torch.testing.assert_close(whole, whole[:1].expand(6, -1))


def test_a_head_of_one_member_is_a_perceptron():
    config = SneConfig(head_members=1, head_layers=1, dropout=0.0, network_set_to_vector="mean")
    head = EnsembleHead(config)
    code = torch.randn(5, config.embedding_size)
    plain = nn.functional.gelu(head.hidden[0].linear(code)) @ head.last.weight.T + head.last.bias
    torch.testing.assert_close(head(code), plain)


def test_the_processor_tells_the_statistics_of_a_network_however_it_is_read():
    processor = SneProcessor()
    layers = layers_of(cnn())
    torch.testing.assert_close(processor([layers])["layer_statistics"], _statistics(cnn()))
    assert processor.gather_plan(layers).structure["layer_statistics"].shape == (5, 92)
