"""Which neurons the tensors of a network have, and which tensors speak for the same ones.

A layer is any object with ``role``, ``weight``, ``bias`` and ``source``, such as a ``hf_sne.weights.Layer``; its
tensors are torch tensors or lazy ones with ``shape`` and ``elements(start, stop)``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from .chunking import Matrix, chunks_per_row

ROLES = ("linear", "conv", "embedding", "norm", "recurrent", "attention", "other")


class TensorLike(Protocol):
    """A tensor that is read when asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, outermost first."""

    def elements(self, start: int, stop: int) -> Tensor:
        """Elements ``start`` to ``stop`` in row-major order, float32."""


class LayerLike(Protocol):
    """What the processor needs of a layer; :class:`hf_sne.weights.Layer` is one."""

    @property
    def role(self) -> str:
        """One of ``ROLES``."""

    @property
    def weight(self) -> Tensor | TensorLike | None:
        """The weight, or None."""

    @property
    def bias(self) -> Tensor | TensorLike | None:
        """The bias, or None."""

    @property
    def source(self) -> int | None:
        """Position of the layer whose outputs this layer's inputs are, or None where that is not known."""


@dataclass(frozen=True)
class PlannedTensor:
    """Where one tensor's rows and columns go: the first neuron code of its own, and of the layer that feeds it.

    ``whole`` is the matrix of the larger tensor that this is a part of, or the tensor's own.
    """

    layer: int
    is_bias: bool
    matrix: Matrix
    whole: Matrix
    first_neuron: int
    neurons: int
    source_neuron: int | None = None
    source_neurons: int = 0
    columns_per_source: int = 1
    feeds: bool = False


@dataclass(frozen=True)
class Planner:
    """Numbers the neurons of networks; the fields are those of ``SneProcessor``."""

    chunk_size: int
    neuron_level: bool
    outgoing_view: bool
    max_neurons: int

    def plan(self, layers: Sequence[LayerLike]) -> list[PlannedTensor]:
        """Number the neurons of every tensor, and connect each layer to the earlier one whose outputs it reads."""
        tensors = [
            (number, is_bias, tensor)
            for number, layer in enumerate(layers)
            for is_bias, tensor in ((False, layer.weight), (True, layer.bias))
            if tensor is not None and math.prod(tuple(tensor.shape)) > 0
        ]
        most = max(1, self.max_neurons // max(1, len(tensors)))
        planned: list[PlannedTensor] = []
        weights: dict[int, int] = {}
        first = 0
        for number, is_bias, tensor in tensors:
            matrix = Matrix.of(tuple(tensor.shape), self.neuron_level and not is_bias)
            whole = Matrix.of(whole_shape(tensor), self.neuron_level and not is_bias)
            plan = PlannedTensor(number, is_bias, matrix, whole, first, min(most, self.members(matrix)))
            source = layers[number].source
            if not is_bias:
                weights[number] = len(planned)
                if self.outgoing_view and source in weights:
                    plan = _connect(plan, planned, weights[source])
            planned.append(plan)
            first += plan.neurons
        return planned

    def members(self, matrix: Matrix) -> int:
        """Members of a tensor's set: its neurons, or its chunks where there is no neuron level."""
        return matrix.out if self.neuron_level else chunks_per_row(matrix.inputs, matrix.kernel, self.chunk_size)


def whole_shape(tensor: Tensor | TensorLike) -> tuple[int, ...]:
    """The shape of a tensor, or of the larger one that it is a part of."""
    return tuple(getattr(tensor, "whole_shape", tensor.shape))


def _connect(plan: PlannedTensor, planned: list[PlannedTensor], number: int) -> PlannedTensor:
    """Let a tensor's columns speak for the neurons it reads; several columns each after a flatten."""
    source = planned[number]
    planned[number] = replace(source, feeds=True)
    return replace(
        plan,
        source_neuron=source.first_neuron,
        source_neurons=source.neurons,
        columns_per_source=plan.matrix.inputs // source.matrix.out,
    )
