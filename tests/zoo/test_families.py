from random import Random

import pytest
import torch
from torch import nn

from hf_sne.errors import UserError
from hf_sne.zoo.families import FAMILIES, Family, build_network, empty_network, get_family, parts, register_family
from hf_sne.zoo.space import draw

SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32))
CLASSES = 10
DRAWS = 30
MOST_PARAMETERS = 200_000
on_every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
of_every_family = pytest.mark.parametrize("family", sorted(FAMILIES))


class PartsAsLeaves(torch.fx.Tracer):
    def is_leaf_module(self, m, module_qualified_name):
        return type(m).__module__ == parts.__name__ or super().is_leaf_module(m, module_qualified_name)


def architectures(family):
    return [draw(get_family(family).space, Random(seed)) for seed in range(DRAWS)]


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def images(shape, seed=0):
    return torch.randn(8, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("family", "shape", "parameters"),
    [
        ("small_cnn", (1, 28, 28), 4970),
        ("cnn_s", (1, 28, 28), 2464),
        ("cnn_s", (3, 28, 28), 2864),
        ("cnn_s", (3, 32, 32), 2864),
        ("cnn_l", (3, 32, 32), 10853),
        ("cnn_l", (3, 28, 28), 10853),
    ],
)
def test_published_networks_have_the_published_size(family, shape, parameters):
    for architecture in architectures(family):
        assert count(build_network(family, architecture, shape, CLASSES)) == parameters


@on_every_shape
@of_every_family
def test_every_draw_gives_logits_and_gradients_and_is_small(family, shape):
    for architecture in architectures(family):
        torch.manual_seed(0)
        network = build_network(family, architecture, shape, CLASSES)
        logits = network(images(shape))
        assert logits.shape == (8, CLASSES)
        assert logits.isfinite().all()
        nn.functional.cross_entropy(logits, torch.arange(8)).backward()
        assert all(parameter.grad is not None for parameter in network.parameters()), architecture
        assert count(network) < MOST_PARAMETERS, architecture


@on_every_shape
@of_every_family
def test_every_draw_can_be_traced(family, shape):
    for architecture in architectures(family):
        network = build_network(family, architecture, shape, CLASSES).eval()
        traced = torch.fx.GraphModule(network, PartsAsLeaves().trace(network))
        with torch.no_grad():
            torch.testing.assert_close(traced(images(shape)), network(images(shape)))


@on_every_shape
@of_every_family
def test_an_empty_network_has_the_names_and_shapes_of_a_built_one(family, shape):
    for architecture in architectures(family):
        built = build_network(family, architecture, shape, CLASSES).state_dict()
        empty = empty_network(family, architecture, shape, CLASSES).state_dict()
        assert {name: tensor.shape for name, tensor in empty.items()} == {
            name: tensor.shape for name, tensor in built.items()
        }
        assert all(tensor.is_meta for tensor in empty.values())


@of_every_family
def test_one_seed_gives_one_network(family):
    assert architectures(family) == architectures(family)
    architecture = architectures(family)[0]
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_network(family, architecture, (1, 28, 28), CLASSES).state_dict())
    assert all(states[0][name].equal(states[1][name]) for name in states[0])


@pytest.mark.parametrize("family", ["cnn", "mlp", "resnet", "vit"])
def test_a_varied_family_draws_many_architectures(family):
    assert len({str(architecture) for architecture in architectures(family)}) > DRAWS // 2


@pytest.mark.parametrize("family", ["cnn", "cnn_l", "cnn_s", "mlp", "small_cnn", "vit"])
def test_the_dropout_rate_is_set_from_outside(family):
    network = build_network(family, architectures(family)[0], (1, 28, 28), CLASSES, dropout=0.3)
    assert {part.p for part in network.modules() if isinstance(part, nn.Dropout)} == {0.3}


@pytest.mark.parametrize("seed", range(5))
def test_attention_is_that_of_torch(seed):
    torch.manual_seed(seed)
    attention, reference = parts.SelfAttention(16, 4), nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(attention.qkv.weight)
        reference.in_proj_bias.copy_(attention.qkv.bias)
        reference.out_proj.load_state_dict(attention.out.state_dict())
        tokens = torch.randn(3, 9, 16)
        torch.testing.assert_close(attention(tokens), reference(tokens, tokens, tokens)[0])


def test_a_flattened_map_is_pooled_when_it_is_large():
    block = {"width": 24, "kernel": 3, "downsample": "none", "norm": "none", "skip": False}
    architecture = {"blocks": [block], "padding": True, "activation": "relu", "head": "flatten", "dense": [120]}
    assert count(build_network("cnn", architecture, (3, 96, 96), CLASSES)) < 70_000


@pytest.mark.parametrize(
    ("family", "change", "message"),
    [
        ("small_cnn", {"activation": "softsign"}, "activation is 'softsign'.*use one of relu, tanh"),
        ("cnn", {"head": "mean"}, "head is 'mean'.*flatten, global_pool"),
        ("vit", {"heads": 5}, "in 5 heads"),
    ],
)
def test_an_architecture_that_cannot_be_built_is_refused(family, change, message):
    with pytest.raises(UserError, match=message):
        build_network(family, {**architectures(family)[0], **change}, (1, 28, 28), CLASSES)


def test_a_taken_name_is_refused():
    taken = get_family("mlp")
    with pytest.raises(UserError, match="'mlp' is registered already"):
        register_family(Family("mlp", {}, get_family("cnn").build))
    assert get_family("mlp") is taken


def test_an_unknown_family_lists_the_known_ones():
    with pytest.raises(UserError, match=r"no zoo family 'rnn'.*cnn, cnn_l, cnn_s, mlp, resnet, small_cnn, vit"):
        get_family("rnn")
