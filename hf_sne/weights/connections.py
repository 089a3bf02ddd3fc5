"""Which layer reads which: the earlier layer whose output units are a layer's inputs."""

import math
from collections.abc import Sequence
from typing import Protocol


class ShapedTensor(Protocol):
    """Anything with a shape."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, outermost first."""


class ConnectableLayer(Protocol):
    """A layer with a role and a weight."""

    @property
    def role(self) -> str:
        """One of ``hf_sne.weights.ROLES``."""

    @property
    def weight(self) -> ShapedTensor | None:
        """The weight, or None."""


def connect(layers: Sequence[ConnectableLayer]) -> tuple[int | None, ...]:
    """For each layer the position of its source: the dense layer before it, where the shapes agree.

    Linear to linear and convolution to convolution need as many inputs as the source has outputs; a linear layer after
    a convolution may have a multiple (flatten). Norm layers are looked through; any other role ends the chain. Layers
    in a row are a guess where the network branches: it describes neurons, and is no proof of a symmetry.
    """
    sources: list[int | None] = []
    before: int | None = None
    for number, layer in enumerate(layers):
        source = None
        if is_dense(layer):
            if before is not None and fits(layers[before], layer):
                source = before
            before = number
        elif layer.role != "norm":
            before = None
        sources.append(source)
    return tuple(sources)


def is_dense(layer: ConnectableLayer) -> bool:
    """Whether a layer maps all units before it to new ones."""
    return layer.role in ("linear", "conv") and layer.weight is not None and len(layer.weight.shape) > 1


def fits(source: ConnectableLayer, layer: ConnectableLayer) -> bool:
    """Whether a dense layer may read the outputs of the dense layer ``source``, by their shapes."""
    assert source.weight is not None
    assert layer.weight is not None
    outputs, inputs = source.weight.shape[0], layer.weight.shape[1]
    if not math.prod(source.weight.shape) or not math.prod(layer.weight.shape):
        return False
    flatten = source.role == "conv" and layer.role == "linear"
    return inputs % outputs == 0 if flatten else inputs == outputs
