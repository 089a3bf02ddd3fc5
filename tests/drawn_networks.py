"""Networks of random weights as lists of layers."""

from dataclasses import dataclass

import torch


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
