from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn_networks import Layer, draw_network

from hf_sne.errors import UserError
from hf_sne.models.baselines import tensor_statistics
from hf_sne.models.baselines.norms import mean_log_norms
from hf_sne.models.baselines.weight_statistics import (
    fixed_layout_features,
    pooled_features,
    size_only_features,
)


def statistics_of(tensor):
    numbers = tensor.double().flatten().numpy()
    return [numbers.mean(), numbers.var(), *np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1])]


def test_seven_statistics_by_hand():
    features = fixed_layout_features([[Layer("linear", torch.tensor([[4.0, 1.0], [3.0, 2.0]]))]])
    assert features.tolist() == [[2.5, 1.25, 1.0, 1.75, 2.5, 3.25, 4.0]]


def test_fixed_layout_has_every_tensor_in_order():
    networks = [draw_network(0), draw_network(1)]
    expected = [
        [number for layer in network for tensor in (layer.weight, layer.bias) for number in statistics_of(tensor)]
        for network in networks
    ]
    assert fixed_layout_features(networks) == pytest.approx(np.array(expected), rel=1e-5, abs=1e-6)


def test_batches_do_not_change_the_statistics(monkeypatch):
    networks = [draw_network(seed) for seed in range(5)]
    at_once = fixed_layout_features(networks)
    monkeypatch.setattr(tensor_statistics, "NUMBERS_AT_ONCE", 70)
    assert np.array_equal(fixed_layout_features(networks), at_once)


def test_half_precision_trainable_weights_are_read():
    weight = torch.nn.Parameter(torch.tensor([0.5, 1.5], dtype=torch.bfloat16))
    assert fixed_layout_features([[Layer("linear", weight)]])[0, 0] == 1.0


@pytest.mark.parametrize(
    "other",
    [
        draw_network(1, depth=2),
        [replace(layer, role="conv") for layer in draw_network(1)],
        [replace(layer, bias=None) for layer in draw_network(1)],
        [replace(layer, weight=layer.weight.T) for layer in draw_network(1)],
    ],
    ids=["depth", "role", "bias", "shape"],
)
def test_fixed_layout_refuses_another_architecture(other):
    with pytest.raises(UserError, match=r"network 1 has the layout .*pooled_features"):
        fixed_layout_features([draw_network(0), other])


def test_pooled_features_by_hand():
    """Constant tensors, of which five statistics are the constant itself, and the order of the layers matters."""
    deep = [Layer("conv", torch.full((2, 2), value), torch.full((2,), 10 * value)) for value in (2.0, 1.0, 6.0)]
    deep.insert(1, Layer("norm", torch.full((2,), 7.0), torch.full((2,), 8.0)))
    shallow = [Layer("linear", torch.full((3, 4), 5.0))]
    features = pooled_features([deep, shallow])
    assert features.shape == (2, 142)
    groups = features[:, :140].reshape(2, 4, 5, 7)
    pooled_means = groups[..., 0]
    assert pooled_means[0].tolist() == [[3, 1, 6, 2, 6], [30, 10, 60, 20, 60], [7] * 5, [8] * 5]
    assert pooled_means[1].tolist() == [[5] * 5, [0] * 5, [0] * 5, [0] * 5]
    assert np.array_equal(groups[..., 2:], np.repeat(pooled_means[..., None], 5, axis=-1))
    assert not groups[..., 1].any()
    assert np.array_equal(features[:, 140:], size_only_features([deep, shallow]))


def test_size_only_by_hand():
    network = [Layer("conv", torch.zeros(3, 2), torch.zeros(3)), Layer("norm", torch.zeros(3)), Layer("other", None)]
    assert size_only_features([network]) == pytest.approx(np.array([[np.log(12), 1]]))


@pytest.mark.parametrize("features_of", [fixed_layout_features, pooled_features])
def test_hidden_unit_permutations_leave_the_features_unchanged(features_of):
    first, second, last = draw_network(0)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    permuted = [Layer("linear", first.weight[order], first.bias[order]), second, last]
    assert features_of([permuted]) == pytest.approx(features_of([[first, second, last]]))


@pytest.mark.parametrize("features_of", [fixed_layout_features, pooled_features])
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Layer("linear", torch.tensor([1.0, float("nan")])), "the weight of layer 1 of network 1 holds a NaN"),
        (Layer("linear", torch.ones(2), torch.tensor([float("inf")])), "the bias of layer 1 of network 1 holds"),
        (Layer("linear", torch.ones(2), torch.empty(0)), "the bias of layer 1 of network 1 has 0 elements"),
    ],
    ids=["nan", "infinity", "empty"],
)
def test_unusable_tensors_are_refused_and_placed(features_of, layer, message):
    good = Layer("linear", torch.ones(2), layer.bias if layer.bias is None else torch.ones(1))
    networks = [[good, good], [good, layer]]
    if layer.bias is not None and not layer.bias.numel():
        networks = [[good, layer]] * 2
        message = message.replace("network 1", "network 0")
    with pytest.raises(UserError, match=message):
        features_of(networks)


@pytest.mark.parametrize("features_of", [fixed_layout_features, pooled_features, size_only_features])
def test_networks_without_weights_are_refused(features_of):
    with pytest.raises(UserError, match="network 1 has 0 tensors"):
        features_of([draw_network(0), [Layer("other", None)]])
    with pytest.raises(UserError, match="there are 0 networks"):
        features_of([])


def test_mean_log_norm_by_hand():
    network = [Layer("linear", torch.full((4, 25), 1.0), torch.ones(4)), Layer("linear", torch.full((1, 1), 0.1))]
    vectors = [Layer("norm", torch.ones(3), torch.ones(3))]
    assert mean_log_norms([network, vectors]).tolist() == [[pytest.approx(0.0, abs=1e-6)], [0.0]]
    assert mean_log_norms([network[:1]])[0, 0] == pytest.approx(1.0)
