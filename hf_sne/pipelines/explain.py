"""Which layers a score rests on: what it loses when a layer is as it was before training."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor

from hf_sne.weights import Layer

# Untrained versions of a layer, whose scores are averaged.
DRAWS = 4
_BLOCK = 2**16


class LayerAttribution(TypedDict):
    """One layer, JSON-able.

    ``attribution`` is the score minus its mean with this layer alone re-initialised: above 0 what training made of the
    layer raises the score, below 0 it lowers it.
    """

    name: str
    role: str
    parameters: int
    attribution: float


@dataclass(frozen=True)
class UntrainedTensor:
    """A tensor as torch initialises it, drawn block by block when it is read, the same at every reading.

    Uniform between ``low`` and ``high``; ``seed`` decides the draw. ``whole_shape`` is that of the tensor of which this
    stands for a part.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    seed: int
    whole_shape: tuple[int, ...]

    def elements(self, start: int, stop: int) -> Tensor:
        """Elements ``start`` to ``stop`` in row-major order, float32."""
        first = start // _BLOCK
        drawn = torch.cat([self._block(number) for number in range(first, max(first + 1, math.ceil(stop / _BLOCK)))])
        return drawn[start - first * _BLOCK : stop - first * _BLOCK]

    def _block(self, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * number)
        return torch.rand(_BLOCK, generator=generator) * (self.high - self.low) + self.low


@dataclass(frozen=True)
class UntrainedLayer:
    """A layer with other tensors."""

    role: str
    weight: UntrainedTensor | None
    bias: UntrainedTensor | None
    source: int | None


def untrained(layer: Layer, seed: int) -> UntrainedLayer:
    """The layer as torch's linear and convolution layers start, or, of a norm, ones and zeros."""
    weight, bias = layer.weight, layer.bias
    if layer.role == "norm":
        low, high, shift = 1.0, 1.0, 0.0
    else:
        shape = weight.whole_shape if weight is not None else (1, 1)
        # Kaiming's uniform initialisation with a = sqrt(5), torch's default, of weights and biases alike.
        high = shift = max(1, math.prod(shape[1:])) ** -0.5
        low = -high
    return UntrainedLayer(
        layer.role,
        None if weight is None else UntrainedTensor(weight.shape, low, high, seed, weight.whole_shape),
        None if bias is None else UntrainedTensor(bias.shape, -shift, shift, seed + 1, bias.whole_shape),
        layer.source,
    )


def untrained_versions(layers: Sequence[Layer], number: int) -> list[UntrainedLayer]:
    """The ``DRAWS`` untrained versions of one layer, the same at every call."""
    return [untrained(layers[number], 1000 * number + 2 * draw) for draw in range(DRAWS)]


def layer_attributions(
    layers: Sequence[Layer], whole: float, score: Callable[[Sequence[Layer | UntrainedLayer]], float]
) -> Iterator[LayerAttribution]:
    """How much each layer adds to ``whole``, the score of a network; ``DRAWS`` scores a layer."""
    for number, layer in enumerate(layers):
        without = [
            score([*layers[:number], fresh, *layers[number + 1 :]]) for fresh in untrained_versions(layers, number)
        ]
        yield {
            "name": layer.name,
            "role": layer.role,
            "parameters": sum(tensor.numel for tensor in layer.tensors),
            "attribution": whole - sum(without) / len(without),
        }
