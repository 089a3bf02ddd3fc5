"""One labelled network of a zoo, as training and evaluation read it."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from hf_sne.weights import Layer


@dataclass(frozen=True)
class ReadLayer:
    """A layer whose tensors are in memory."""

    role: str
    weight: Tensor | None
    bias: Tensor | None


@dataclass(frozen=True)
class ZooEntry:
    """A checkpoint with its measured accuracy.

    Args:
        id: Name of the checkpoint, unique in its zoo.
        run: The training run it is a snapshot of; splits never divide a run.
        zoo: Name of the zoo.
        layers: Its layers in order.
        test_accuracy: Measured, in [0, 1].
        buffers: Names of the checkpoint's buffers, such as running means.
        labels: The remaining columns of its row.
    """

    id: str
    run: str
    zoo: str
    layers: tuple[Layer, ...]
    test_accuracy: float
    buffers: tuple[str, ...] = ()
    labels: dict[str, Any] = field(default_factory=dict)

    def read(self) -> list[ReadLayer]:
        """Its layers with their tensors."""
        return [
            ReadLayer(
                layer.role,
                None if layer.weight is None else layer.weight.read(),
                None if layer.bias is None else layer.bias.read(),
            )
            for layer in self.layers
        ]
