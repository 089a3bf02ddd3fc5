import random
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from hf_sne.weights import Layer, LazyTensor, arrange_layers, open_checkpoint


def lazy(named: dict[str, Tensor]) -> dict[str, LazyTensor]:
    return {
        name: LazyTensor(name, tuple(tensor.shape), "F32", lambda a, b, t=tensor: t.flatten()[a:b])
        for name, tensor in named.items()
    }


def arranged(*names: str, module: nn.Module | None = None, shape: tuple[int, ...] = (2, 2)) -> list[Layer]:
    return list(arrange_layers(lazy({name: torch.ones(shape) for name in names}), module)[0])


def test_numbers_in_names_order_the_layers_whatever_the_order_of_the_tensors():
    names = [f"layer.{index}.weight" for index in (0, 1, 2, 9, 10, 11, 100)]
    shuffled = random.Random(0).sample(names, len(names))
    assert [layer.weight.name for layer in arranged(*shuffled)] == names


def test_names_equal_as_numbers_still_have_one_order():
    assert arranged("a.01.weight", "a.1.weight") == arranged("a.1.weight", "a.01.weight")


def test_digits_of_any_length_are_ordered():
    small, large = f"a.{'9' * 900}.weight", f"a.1{'0' * 900}.weight"
    assert [layer.weight.name for layer in arranged(large, small)] == [small, large]


def test_a_module_gives_its_own_order():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.z_first = nn.Linear(2, 2)
            self.a_second = nn.Linear(2, 2)

    assert [layer.name for layer in open_checkpoint(Net()).layers] == ["z_first", "a_second"]
    state = dict(reversed(Net().state_dict().items()))
    assert [layer.name for layer in arrange_layers(lazy(state), Net())[0]] == ["z_first", "a_second"]


CNN = {  # as people name the modules of one network, in the order in which it runs
    "words": ["features.0", "features.3", "classifier.0", "classifier.2"],
    "numbers in words": ["layer1.0", "layer2.0", "fc1", "fc2"],
    "a word after a number": ["conv1", "conv2", "dense", "classifier"],
    "nested": ["net.stem.conv", "net.body.conv", "net.fc", "head.fc"],
    "flat": ["0", "3", "7", "9"],
}


@pytest.mark.parametrize("names", CNN.values(), ids=CNN)
def test_shapes_tell_the_order_of_modules_that_words_tell_apart(names):
    shapes = [(6, 3, 5, 5), (16, 6, 5, 5), (120, 400), (10, 120)]
    named = {f"{name}.weight": torch.ones(shape) for name, shape in zip(names, shapes, strict=True)}
    layers = arrange_layers(lazy(named))[0]
    assert [layer.name for layer in layers] == names
    assert [layer.source for layer in layers] == [None, 0, 1, 2]


def test_where_shapes_tell_nothing_the_names_order_stays():
    assert [layer.name for layer in arranged("query_net.weight", "key_net.weight")] == ["key_net", "query_net"]


def test_names_nested_without_end_are_read():
    names = [".".join(["a"] * depth) for depth in range(1, 3000, 7)]
    assert len(arranged(*(f"{name}.weight" for name in names))) == len(names)


def test_names_that_the_module_lacks_come_last():
    layers = arranged("0.weight", "1.weight", "extra.weight", module=nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
    assert [layer.name for layer in layers] == ["0", "1", "extra"]


def test_weight_and_bias_are_one_layer():
    (layer,) = arrange_layers(lazy({"fc.bias": torch.ones(2), "fc.weight": torch.ones(2, 3)}))[0]
    assert (layer.name, layer.weight.name, layer.bias.name) == ("fc", "fc.weight", "fc.bias")


def test_a_layer_at_the_root_is_named_by_its_weight():
    (layer,) = open_checkpoint(nn.Linear(2, 3)).layers
    assert (layer.name, layer.role, layer.bias.name) == ("weight", "linear", "bias")


@pytest.mark.parametrize("name", ["head.bias", "cls_token", "pos_embed", "blocks.0.layer_scale.gamma", "in_proj_bias"])
def test_a_tensor_that_stands_alone_is_a_layer_of_role_other(name):
    (layer,) = arranged(name, shape=(4,))
    assert (layer.name, layer.role, layer.weight.name, layer.bias) == (name, "other", name, None)


def test_gamma_and_beta_are_a_norm():
    (layer,) = arranged("ln.gamma", "ln.beta", shape=(4,))
    assert (layer.name, layer.role, layer.weight.name, layer.bias.name) == ("ln", "norm", "ln.gamma", "ln.beta")


def test_two_readings_of_one_slot_lose_no_tensor():
    layers = arranged("fc.weight", "fc.weight_orig", "fc.bias")
    held = {tensor.name for layer in layers for tensor in layer.tensors}
    assert held == {"fc.weight", "fc.weight_orig", "fc.bias"}


def compiled(net: nn.Module) -> nn.Module:
    """A module that keeps ``net`` where torch.compile does, which takes seconds to import."""
    return nn.Sequential(OrderedDict(_orig_mod=net))


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda net: compiled(nn.DataParallel(net)), compiled])
def test_a_wrapper_of_the_whole_model_changes_nothing(wrap):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    plain = open_checkpoint(net)
    roles = [(layer.name, layer.role) for layer in plain.layers]
    for source in (wrap(net), wrap(net).state_dict()):
        wrapped = open_checkpoint(source)
        assert [(layer.name, layer.role) for layer in wrapped.layers] == roles
        assert set(wrapped.skipped) == set(plain.skipped)


def test_a_prefix_that_is_not_common_stays():
    assert [layer.name for layer in arranged("module.a.weight", "b.weight")] == ["b", "module.a"]


def test_the_source_of_a_layer_is_the_one_it_reads():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 8), nn.Linear(8, 2))
    assert [layer.source for layer in open_checkpoint(net).layers] == [None, None, 0, 2]


def test_no_tensors_are_no_layers():
    assert arrange_layers({}) == ((), ())
