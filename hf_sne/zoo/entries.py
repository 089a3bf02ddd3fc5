"""One labelled network of a zoo, as training and evaluation read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

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
    """What is predicted of networks: a column of their zoo, and the values that count as 0 and as 1."""

    column: str = "test_accuracy"
    low: float = 0.0
    high: float = 1.0

    def of(self, labels: Mapping[str, Any]) -> float:
        """The scaled value in a row's labels; NaN where there is none."""
        value = labels.get(self.column)
        return float("nan") if value is None else (float(value) - self.low) / (self.high - self.low)


ACCURACY = Target()


@dataclass(frozen=True)
class ZooEntry:
    """A checkpoint with its measured accuracy.

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
