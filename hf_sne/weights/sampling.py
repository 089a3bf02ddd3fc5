"""A part of a network's units instead of all: a narrower network whose weights are those of the wide one.

Hidden units are exchangeable, so those of one place in each layer tell as much as any others; a block of them lies in
one piece of the file. Layers of the same width give the same units, so that norms, residual sums and the next layer's
inputs stay with the units they belong to.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256

from torch import Tensor

from hf_sne.weights.errors import SampleSizeError
from hf_sne.weights.layers import Layer
from hf_sne.weights.tensors import LazyTensor


def sample_units(layers: Sequence[Layer], most: int, source: str) -> tuple[Layer, ...]:
    """Layers of which at most ``most`` elements are read, each once, and those that are used kept in memory.

    The same number of units is kept of every layer that has more, and of their inputs those that are kept in the layer
    they come from. Which ones is random but always the same.

    Args:
        source: What the checkpoint is called in messages.

    Raises:
        SampleSizeError: ``most`` does not even allow one unit a layer.
    """
    units = _units_within(layers, most, source)
    return tuple(_sampled(layer, layers, units) for layer in layers)


def _elements_read(layers: Sequence[Layer], units: int) -> int:
    """Elements that are read when ``units`` of every layer are kept: whole rows."""
    return sum(_rows(tensor, units) * _row_size(tensor) for layer in layers for tensor in layer.tensors)


def _units_within(layers: Sequence[Layer], most: int, source: str) -> int:
    """The most units of a layer for which no more than ``most`` elements are read, by bisection."""
    least = _elements_read(layers, 1)
    if least > most:
        raise SampleSizeError(source, found=f"{least} elements in one unit of each layer", allowed=most)
    low, high = 1, 1 + max((_outputs(tensor) for layer in layers for tensor in layer.tensors), default=1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _elements_read(layers, middle) <= most else (low, middle)
    return low


def _sampled(layer: Layer, layers: Sequence[Layer], units: int) -> Layer:
    feeding = None if layer.source is None else layers[layer.source].weight
    weight = None if layer.weight is None else _block(layer.weight, units, feeding)
    bias = None if layer.bias is None else _block(layer.bias, units, None)
    return replace(layer, weight=weight, bias=bias)


def _block(tensor: LazyTensor, units: int, feeding: LazyTensor | None) -> LazyTensor:
    """The kept rows of a tensor, and of their inputs those of the units that are kept of ``feeding``."""
    if not tensor.numel:
        return tensor
    rows, first = _rows(tensor, units), _first(_outputs(tensor), units)
    size = _row_size(tensor)
    inputs, columns, column = 1, 1, 0
    shape = (rows, *tensor.shape[1:]) if tensor.shape else ()
    if feeding is not None and len(tensor.shape) > 1:
        # After a flatten a unit has several inputs in a row.
        inputs = _outputs(feeding)
        columns, column = _rows(feeding, units), _first(inputs, units)
        shape = (rows, tensor.shape[1] // inputs * columns, *tensor.shape[2:])

    @cache
    def values() -> Tensor:
        read = tensor.elements(first * size, (first + rows) * size)
        return read.view(rows, inputs, size // inputs)[:, column : column + columns].reshape(-1).clone()

    return LazyTensor(tensor.name, shape, tensor.dtype, lambda start, stop: values()[start:stop].clone(), tensor.shape)


def _outputs(tensor: LazyTensor) -> int:
    return tensor.shape[0] if tensor.shape else 1


def _rows(tensor: LazyTensor, units: int) -> int:
    return min(_outputs(tensor), units)


def _row_size(tensor: LazyTensor) -> int:
    return math.prod(tensor.shape[1:])


def _first(outputs: int, units: int) -> int:
    """Where the block of kept units begins: the same for all layers of this width."""
    spare = max(0, outputs - units)
    return int.from_bytes(sha256(str(outputs).encode()).digest()[:8], "big") % (spare + 1)
