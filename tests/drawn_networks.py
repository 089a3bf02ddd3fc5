"""Networks of random weights as lists of layers."""

from dataclasses import dataclass

import torch

from hf_sne.weights import open_checkpoint
from hf_sne.zoo.entries import ZooEntry


@dataclass(frozen=True)
class Layer:
    role: str
    weight: torch.Tensor | None
    bias: torch.Tensor | None = None


def draw_network(seed, scale=1.0, depth=3):
    generator = torch.Generator().manual_seed(seed)
    return [
        Layer("linear", torch.randn(8, 4, generator=generator) * scale, torch.randn(8, generator=generator) * scale)
        for _ in range(depth)
    ]


def shifted_network(number, runs=140):
    """An MLP whose weights' mean tells its accuracy, and so does how it was trained."""
    generator = torch.Generator().manual_seed(number)
    accuracy = (number * 37 % runs + 0.5) / runs
    shapes = {"0.weight": (6, 5), "0.bias": (6,), "2.weight": (3, 6), "2.bias": (3,)}
    state = {name: torch.randn(shape, generator=generator) + 4 * accuracy for name, shape in shapes.items()}
    labels = {"learning_rate": accuracy / 10}
    return ZooEntry(f"{number}", f"run-{number}", "shifted", open_checkpoint(state).layers, accuracy, labels=labels)
