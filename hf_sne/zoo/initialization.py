"""Ways to initialise a network before training; each run draws its own from its seed."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

Fill = Callable[[Tensor], Tensor]


def _as_built(weight: Tensor) -> Tensor:
    """The initialisation of torch, left as it is but for the scale."""
    return weight


@torch.no_grad()
def _scaled(fill: Fill, scale: float, weight: Tensor) -> Tensor:
    return fill(weight).mul_(scale)


_SCHEMES: dict[str, Callable[[float], Fill]] = {
    "default": lambda scale: partial(_scaled, _as_built, scale),
    "uniform": lambda scale: partial(nn.init.uniform_, a=-scale, b=scale),
    "normal": lambda scale: partial(nn.init.normal_, std=scale),
    "truncated_normal": lambda scale: partial(nn.init.trunc_normal_, std=scale, a=-2 * scale, b=2 * scale),
    "kaiming_uniform": lambda scale: partial(_scaled, partial(nn.init.kaiming_uniform_, nonlinearity="relu"), scale),
    "kaiming_normal": lambda scale: partial(_scaled, partial(nn.init.kaiming_normal_, nonlinearity="relu"), scale),
    "xavier_uniform": lambda scale: partial(_scaled, nn.init.xavier_uniform_, scale),
    "xavier_normal": lambda scale: partial(_scaled, nn.init.xavier_normal_, scale),
    "orthogonal": lambda scale: partial(_scaled, nn.init.orthogonal_, scale),
}
INITIALIZATIONS = tuple(_SCHEMES)


def initialize(module: nn.Module, scheme: str, scale: float) -> None:
    """Fill the weights of linear and convolution layers, and their biases with zeros; ``default`` keeps torch's biases.

    Draws from torch's global generator.
    """
    fill = _SCHEMES[scheme](scale)
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            fill(part.weight)
            if part.bias is not None and scheme != "default":
                nn.init.zeros_(part.bias)
