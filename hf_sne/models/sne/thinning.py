"""Networks as dense layers for their statistics; of wide layers the units that stand for the rest.

Statistics such as a spectrum cost the cube of a layer's width. Of a layer with more than ``MAX_UNITS`` units, those at
even steps in the order of their norms are kept, here and in the layer that reads them: the same units whatever order
they come in, and few enough for any network.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .chunking import Matrix
from .layer_statistics import DenseLayer
from .planning import LayerLike, whole_shape
from .standards import read_elements

MAX_UNITS = 128
# Elements of a row; of units that are thinned, their places after a flatten.
MAX_ROW = 1024
# Beyond these a tensor is no layer that trains, and a bound on memory counts more than which units are kept.
_MAX_RANKED = 2**20
_MAX_READ = 2**22
_MAX_KERNEL = 64


def dense_layers(networks: Sequence[Sequence[LayerLike]]) -> Iterator[DenseLayer]:
    """The layers of networks of one layout, batched; layers without an element are left out."""
    thinned = [_Thinned(network) for network in networks]
    first = thinned[0]
    kept: dict[int, Tensor] = {}
    for number in first.matrices:
        reader = first.readers.get(number)
        # The reader's weight is most often the next one that is asked for.
        kept = {
            wanted: kept[wanted] if wanted in kept else torch.stack([network.weight(wanted) for network in thinned])
            for wanted in (number, reader)
            if wanted is not None
        }
        biases = [network.bias(number) for network in thinned]
        bias = torch.stack([bias for bias in biases if bias is not None]) if biases[0] is not None else None
        units = kept[number].shape[1]
        read = None if reader is None else kept[reader].unflatten(2, (units, -1)).flatten(3)
        yield DenseLayer(kept[number], bias, first.size(number), read)


class _Thinned:
    """Which units, columns and elements of one network are read."""

    def __init__(self, layers: Sequence[LayerLike]) -> None:
        self._tensors, self._biases = {}, {}
        for number, layer in enumerate(layers):
            there = [tensor for tensor in (layer.weight, layer.bias) if tensor is not None and _count(tensor)]
            if there:
                self._tensors[number] = there[0]
                self._biases[number] = there[1] if len(there) > 1 else None
        self.matrices = {number: _matrix(tuple(tensor.shape)) for number, tensor in self._tensors.items()}
        self.readers = {
            layer.source: number
            for number, layer in enumerate(layers)
            if layer.source in self.matrices and self._is_readable(number)
        }
        self._sources = {reader: source for source, reader in self.readers.items()}
        self._units = {number: self._choose_units(number) for number in self.matrices}

    def _is_readable(self, number: int) -> bool:
        """Whether a layer is of a size whose columns can be chosen unit by unit."""
        matrix = self.matrices.get(number)
        return matrix is not None and matrix.kernel <= _MAX_KERNEL and matrix.fan_in <= _MAX_READ

    def size(self, number: int) -> tuple[int, int, int]:
        """(out, in, kernel) of the whole layer."""
        matrix = _matrix(whole_shape(self._tensors[number]))
        return matrix.out, matrix.inputs, matrix.kernel

    def weight(self, number: int) -> Tensor:
        """[out, in, height, width] of what is kept, float64."""
        tensor, matrix = self._tensors[number], self.matrices[number]
        units, columns = self._units[number], self._choose_columns(number)
        if len(units) == matrix.out and len(columns) == matrix.inputs:
            kept = read_elements(tensor, 0, matrix.out * matrix.fan_in).view(matrix.out, matrix.inputs, -1)
        else:
            rows = (_row(tensor, matrix, unit)[columns] for unit in units.tolist())
            kept = torch.stack(list(rows))
        # Convolutions in space and time are read as images of many rows.
        width = tensor.shape[-1] if matrix.kernel > 1 else 1
        weight: Tensor = kept.double().unflatten(2, (-1, width))
        return weight

    def bias(self, number: int) -> Tensor | None:
        """[out] of what is kept, float64; None where there is none, or where it is none a unit."""
        tensor, matrix = self._biases[number], self.matrices[number]
        if tensor is None or _count(tensor) != matrix.out:
            return None
        return read_elements(tensor, 0, matrix.out)[self._units[number]].double()

    def _choose_units(self, number: int) -> Tensor:
        matrix = self.matrices[number]
        chosen = _even(matrix.out, MAX_UNITS)
        if MAX_UNITS < matrix.out <= _MAX_RANKED and matrix.fan_in <= _MAX_READ:
            chosen = self._path_norms(number).argsort(stable=True)[chosen]
        return chosen

    def _path_norms(self, number: int) -> Tensor:
        """Norm of what enters each unit times that of what leaves it, squared, [out]."""
        rows = _square_norms(self._tensors[number], self.matrices[number], of_rows=True)
        reader = self.readers.get(number)
        if reader is None:
            return rows
        columns = _square_norms(self._tensors[reader], self.matrices[reader], of_rows=False)
        return rows * columns.view(len(rows), -1).sum(1)

    def _choose_columns(self, number: int) -> Tensor:
        matrix, source = self.matrices[number], self._sources.get(number)
        if source is None:
            near = max(1, min(matrix.inputs, _MAX_READ // matrix.kernel))
            return _even(near, max(1, MAX_ROW // matrix.kernel))
        units, repeats = self._units[source], matrix.inputs // self.matrices[source].out
        places = _even(repeats, max(1, MAX_ROW // len(units)))
        return (units.unsqueeze(1) * repeats + places).flatten()


def _count(tensor: Any) -> int:
    return math.prod(tuple(tensor.shape))


def _matrix(shape: tuple[int, ...]) -> Matrix:
    """As the chunks have it, but a vector is a column, one unit an element."""
    return Matrix.of(shape, neuron_level=True) if len(shape) > 1 else Matrix(math.prod(shape), 1, 1)


def _even(count: int, most: int) -> Tensor:
    """At most so many of 0 ... count - 1, at even steps from the first to the last."""
    if count <= most:
        return torch.arange(count)
    return torch.linspace(0, count - 1, most, dtype=torch.float64).round().long()


def _row(tensor: Any, matrix: Matrix, row: int) -> Tensor:
    """[inputs, kernel] of one row, of a huge one its first inputs."""
    length = min(matrix.fan_in, max(1, _MAX_READ // matrix.kernel) * matrix.kernel)
    values = read_elements(tensor, row * matrix.fan_in, row * matrix.fan_in + length)
    return values.view(-1, matrix.kernel)


def _square_norms(tensor: Any, matrix: Matrix, *, of_rows: bool) -> Tensor:
    """Of rows [out] or of inputs [inputs], in one pass over whole rows."""
    rows, columns = [], torch.zeros(matrix.fan_in)
    step = max(1, _MAX_READ // matrix.fan_in)
    for start in range(0, matrix.out, step):
        stop = min(matrix.out, start + step)
        block = read_elements(tensor, start * matrix.fan_in, stop * matrix.fan_in).view(stop - start, -1).square()
        if of_rows:
            rows.append(block.mv(block.new_ones(matrix.fan_in)))
        else:
            columns += block.new_ones(stop - start) @ block
    return torch.cat(rows) if of_rows else columns.view(-1, matrix.kernel).sum(1)
