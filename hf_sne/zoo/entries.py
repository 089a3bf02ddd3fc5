"""One labelled network of a zoo, as training and evaluation read it."""

from dataclasses import dataclass, field
from typing import Any

from hf_sne.weights import Layer


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
