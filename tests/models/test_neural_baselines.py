"""DeepSets and NFN: which changes of a network they cannot see, and what they refuse."""

import pytest
import torch
from drawn_networks import Layer, draw_network
from torch import nn

from hf_sne.errors import UserError
from hf_sne.models.baselines.deep_sets import DeepSets
from hf_sne.models.baselines.flat_mlp import FlatMlp, flat_weights
from hf_sne.models.baselines.neural_functional import NeuralFunctional
from hf_sne.models.baselines.power_laws import power_laws
from hf_sne.models.baselines.tensor_statistics import OtherArchitectureError
from hf_sne.models.sne import SneProcessor
from hf_sne.weights import open_checkpoint


def mlp(seed=0, hidden=6):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"0.weight": (hidden, 5), "0.bias": (hidden,), "2.weight": (3, hidden), "2.bias": (3,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def moved(state, *, legally):
    """Hidden units in another order; illegally: the first layer's alone."""
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    changed = {"0.weight": state["0.weight"][order], "0.bias": state["0.bias"][order]}
    if legally:
        changed["2.weight"] = state["2.weight"][:, order]
    return {**state, **changed}


def layers(state):
    return [Layer("linear", state[f"{name}.weight"], state[f"{name}.bias"]) for name in ("0", "2")]


def deep_sets(states, **settings):
    torch.manual_seed(0)
    processor = SneProcessor(neuron_level=False, outgoing_view=False)
    batch = processor([open_checkpoint(state).layers for state in states])
    return DeepSets(**settings).eval()(**batch).detach()


def test_deep_sets_read_networks_of_any_architecture_in_one_batch():
    states = [mlp(0), mlp(1, hidden=40), mlp(2)]
    alone = torch.cat([deep_sets([state]) for state in states])
    assert torch.allclose(deep_sets(states), alone, atol=1e-5)
    assert len(alone.unique()) == 3


def test_deep_sets_without_positions_see_no_order_of_layers():
    first, second, last = torch.randn(3, 6, 6, generator=torch.Generator().manual_seed(0))
    states = [{"0.weight": a, "1.weight": b, "2.weight": last} for a, b in ((first, second), (second, first))]
    told, untold = deep_sets(states), deep_sets(states, level_positions=False)
    assert abs(told[0] - told[1]) > 1e-4
    assert abs(untold[0] - untold[1]) < 1e-6


def nfn(kind, states):
    pytest.importorskip("nfn")
    torch.manual_seed(0)
    module = NeuralFunctional([layers(state) for state in states], kind).eval()
    return module(flat_weights([layers(state) for state in states])).detach()


@pytest.mark.parametrize("kind", ["NP", "HNP"])
def test_nfn_sees_no_legal_permutation(kind):
    state = mlp()
    plain, permuted, broken = nfn(kind, [state, moved(state, legally=True), moved(state, legally=False)])
    assert torch.allclose(plain, permuted, atol=1e-5)
    assert not torch.allclose(plain, broken, atol=1e-5)


@pytest.mark.parametrize("kind", ["NP", "HNP"])
def test_nfn_sees_no_legal_permutation_through_a_flatten(kind):
    """Of four channels of nine places each the channels change places, and their groups of inputs with them."""
    pytest.importorskip("nfn")
    generator = torch.Generator().manual_seed(0)
    conv, bias = (torch.randn(shape, generator=generator) for shape in ((4, 2, 3, 3), (4,)))
    dense, last = (torch.randn(shape, generator=generator) for shape in ((5, 36), (5,)))
    order = torch.tensor([2, 0, 3, 1])
    groups, inputs = dense.view(5, 4, 9)[:, order].reshape(5, 36), torch.arange(36).view(9, 4).T.reshape(36)
    networks = [
        [Layer("conv", first, first_bias), Layer("linear", second, last)]
        for first, first_bias, second in (
            (conv, bias, dense),
            (conv[order], bias[order], groups),
            (conv[order], bias[order], dense[:, inputs]),
        )
    ]
    torch.manual_seed(0)
    module = NeuralFunctional(networks, kind).eval()
    plain, permuted, broken = module(flat_weights(networks)).detach()
    assert torch.allclose(plain, permuted, atol=1e-5)
    assert not torch.allclose(plain, broken, atol=1e-5)


def test_nfn_refuses_what_it_cannot_read():
    pytest.importorskip("nfn")
    with pytest.raises(UserError, match=r"layer 1 is of the role 'norm'"):
        NeuralFunctional([[*draw_network(0)[:1], Layer("norm", torch.ones(8), torch.ones(8))]], "NP")
    with pytest.raises(UserError, match=r"layer 0 is of the role 'linear' without bias"):
        NeuralFunctional([[Layer("linear", torch.ones(3, 4))]], "HNP")
    with pytest.raises(OtherArchitectureError, match="network 1 has the layout"):
        flat_weights([layers(mlp()), layers(mlp(hidden=40))])
    module = NeuralFunctional([layers(mlp(seed)) for seed in range(2)], "NP")
    with pytest.raises(UserError, match=r"networks of 363 parameters, it was built for 57"):
        module(flat_weights([layers(mlp(hidden=40))]))


def test_power_laws_are_those_that_weightwatcher_fits():
    weightwatcher = pytest.importorskip("weightwatcher")
    network = nn.Sequential(nn.Linear(60, 40), nn.ReLU(), nn.Linear(40, 30))
    layers = [Layer("linear", layer.weight, layer.bias) for layer in network[::2]]
    details = weightwatcher.WeightWatcher(model=network).analyze()
    expected = [details["alpha"].mean(), details["alpha_weighted"].mean()]
    assert power_laws([layers])[0].tolist() == pytest.approx(expected, rel=1e-4)


def test_a_network_that_weightwatcher_cannot_fit_has_no_alpha():
    pytest.importorskip("weightwatcher")
    layers = [Layer("linear", torch.randn(3, 5), None), Layer("norm", torch.ones(3), torch.zeros(3))]
    assert power_laws([layers]).tolist() == [[0.0, 0.0]]


def test_a_flat_perceptron_sees_every_permutation_and_one_architecture_alone():
    torch.manual_seed(0)
    state = mlp()
    known = [layers(state), layers(mlp(1)), layers(mlp(2))]
    module = FlatMlp(known, hidden_size=8).eval()
    plain, permuted = module(flat_weights([layers(state), layers(moved(state, legally=True))])).tolist()
    assert abs(plain - permuted) > 1e-4
    standardised = (flat_weights(known) - module.mean) / module.deviation
    assert torch.allclose(standardised.square().mean(0), torch.ones(len(module.mean)), atol=1e-4)
    with pytest.raises(OtherArchitectureError, match="it was built for"):
        module(flat_weights([layers(mlp(hidden=40))]))
