"""The tensors of a published checkpoint: their order, their layout, and the family whose networks they fit."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from hf_sne.weights import LazyTensor
from hf_sne.weights.errors import NotWeightsError
from hf_sne.weights.naming import numeric_order, without_wrappers
from hf_sne.weights.tensors import READABLE_DTYPES
from hf_sne.zoo.families import empty_network
from hf_sne.zoo.families.parts import ACTIVATIONS
from hf_sne.zoo.schema import Layout

Shapes = Mapping[str, Sequence[int]]

# As the modules of torch register them.
_LEAVES = ("weight", "bias", "running_mean", "running_var")
_SIDE = 32  # pixels; the shapes of the families looked for here do not depend on it


def read_state(tensors: Mapping[str, LazyTensor], file: str) -> dict[str, Tensor]:
    """The floating-point tensors of a file in float32, in the order of a state dict as far as their names tell it.

    Raises:
        NotWeightsError: there is none.
    """
    plain = without_wrappers(tensors)
    readable = [name for name, tensor in plain.items() if tensor.dtype in READABLE_DTYPES]
    if not readable:
        raise NotWeightsError(file, found="no tensor of floating-point numbers", allowed="one or more")
    return {name: plain[name].read() for name in sorted(readable, key=_order)}


def _order(name: str) -> tuple[object, ...]:
    path, _, leaf = name.rpartition(".")
    return numeric_order(path), _LEAVES.index(leaf) if leaf in _LEAVES else len(_LEAVES), leaf


def layout_of(shapes: Shapes) -> Layout:
    """The layout of tensors with these names and shapes, in this order."""
    return _layout_of(tuple((name, tuple(shape)) for name, shape in shapes.items()))


@lru_cache
def _layout_of(shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> Layout:
    return Layout.of({name: torch.empty(shape, device="meta") for name, shape in shapes})


def fitting_family(shapes: Shapes, families: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """The family whose networks have tensors of these shapes in this order, and its own names of them; None if none.

    ``families`` are those of convolutional networks whose architecture is an activation alone.
    """
    sizes = [tuple(shape) for shape in shapes.values()]
    if not sizes or len(sizes[0]) != 4 or not sizes[-1]:
        return None
    image, classes = (sizes[0][1], _SIDE, _SIDE), sizes[-1][0]
    for family in families:
        state = empty_network(family, {"activation": "relu"}, image, classes).state_dict()
        if [tuple(tensor.shape) for tensor in state.values()] == sizes:
            return family, tuple(state)
    return None


def architecture_of(activation: str | None) -> str | None:
    """The architecture of a network of such a family as the zoo's column holds it; None if it cannot be built."""
    return json.dumps({"activation": activation}) if activation in ACTIVATIONS else None
