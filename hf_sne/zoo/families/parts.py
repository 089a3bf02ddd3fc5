"""Modules and choices that several families are built from."""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from hf_sne.errors import UserError

_Option = TypeVar("_Option")

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
}
# ReLU half of the time, as in the checkpoints people publish. Deep sigmoid networks hardly train: no family draws them
# unless its paper did.
ACTIVATION: dict[str, Any] = {"choice": ["relu", {"choice": ["tanh", "gelu", "silu", "leaky_relu", "elu"]}]}


def option(options: Mapping[str, _Option], name: str, field: str) -> _Option:
    """The option of that name.

    Raises:
        UserError: there is none; the message names ``field``.
    """
    if name not in options:
        raise UserError(f"architecture: {field} is {name!r}", fix=f"use one of {', '.join(options)}")
    return options[name]


def activation_module(name: str) -> nn.Module:
    """A new module of the activation of that name."""
    return option(ACTIVATIONS, name, "activation")()


class Resize(nn.Module):
    """Bilinear resizing of images to ``size`` by ``size`` pixels, without aliasing."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Maps [n, channels, height, width] to [n, channels, size, size]."""
        return functional.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)


class ToTokens(nn.Module):
    """Every pixel of a feature map as a token."""

    def forward(self, maps: Tensor) -> Tensor:
        """Maps [n, width, height, length] to [n, height * length, width]."""
        return maps.flatten(2).transpose(1, 2)


class AddPosition(nn.Module):
    """Adds a learned vector to each of ``tokens`` places."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(tokens, width))

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, tokens, width] to the same."""
        return x + self.weight


class SelfAttention(nn.Module):
    """Multi-head attention of every token to every token (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise UserError(f"architecture: width {width} in {heads} heads", fix="let the heads divide the width")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, tokens, width] to the same."""
        parts = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*parts)
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class MeanOverTokens(nn.Module):
    """The mean of all tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, tokens, width] to [n, width]."""
        return x.mean(1)
