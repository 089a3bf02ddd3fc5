"""One labelled network of a zoo, as training and evaluation read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hf_sne.errors import UserError
from hf_sne.weights import Layer, LazyTensor


@dataclass(frozen=True)
class ReadLayer:
    """A layer whose tensors are in memory; ``source`` is that of :class:`hf_sne.weights.Layer`."""

    role: str
    weight: Tensor | None
    bias: Tensor | None
    source: int | None = None


def read_layers(layers: Sequence[Layer], tensors: Mapping[str, Tensor] | None = None) -> list[ReadLayer]:
    """Layers with their tensors, read, or by name from ``tensors``."""

    def read(tensor: LazyTensor | None) -> Tensor | None:
        if tensor is None:
            return None
        return tensor.read() if tensors is None else tensors[tensor.name]

    return [ReadLayer(layer.role, read(layer.weight), read(layer.bias), layer.source) for layer in layers]


@dataclass(frozen=True)
class Target:
    """What is predicted of networks: a column of their zoo, and the values that count as 0 and as 1.

    Raises:
        UserError: the bounds are no numbers, or not in order.
    """

    column: str = "test_accuracy"
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        """Refuse bounds between which there is nothing."""
        bounds = (self.low, self.high)
        if not all(isinstance(bound, Real) for bound in bounds) or self.low >= self.high:
            raise UserError(
                f"the target {self.column!r} counts as 0 at {self.low!r} and as 1 at {self.high!r}",
                fix="give two numbers, the lower one first",
            )

    def of(self, labels: Mapping[str, Any]) -> float:
        """The scaled value in a row's labels; NaN where there is no number."""
        value = labels.get(self.column)
        if not isinstance(value, Real):
            return float("nan")
        return (float(value) - self.low) / (self.high - self.low)


ACCURACY = Target()


@dataclass(frozen=True, eq=False)
class ZooEntry:
    """A checkpoint with what is measured of it; each is equal to itself alone, and hashable.

    Args:
        id: Name of the checkpoint, unique in its zoo.
        run: The training run it is a snapshot of; splits never divide a run.
        zoo: Name of the zoo.
        layers: Its layers in order.
        target: What is to be predicted of it, in [0, 1]: its measured test accuracy unless :func:`read_zoo` was told
            otherwise.
        buffers: Names of the checkpoint's buffers, such as running means.
        labels: The remaining columns of its row.
    """

    id: str
    run: str
    zoo: str
    layers: tuple[Layer, ...]
    target: float
    buffers: tuple[str, ...] = ()
    labels: dict[str, Any] = field(default_factory=dict)

    def read(self) -> list[ReadLayer]:
        """Its layers with their tensors."""
        return read_layers(self.layers)

    def state(self) -> dict[str, Tensor]:
        """Its learned tensors by name, read."""
        return {tensor.name: tensor.read() for layer in self.layers for tensor in layer.tensors}


def targets(entries: Sequence[ZooEntry]) -> NDArray[np.float64]:
    """What is to be predicted of each, [n]."""
    return np.array([entry.target for entry in entries], dtype=np.float64)
