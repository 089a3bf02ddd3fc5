"""The activation functions that families draw from."""

from random import Random

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}


def draw_activation(rng: Random) -> str:
    """ReLU half of the time, as in the checkpoints people publish; otherwise any of the others."""
    return "relu" if rng.random() < 0.5 else rng.choice(list(ACTIVATIONS))


def activation_module(name: str) -> nn.Module:
    """A new module of the activation of that name."""
    return ACTIVATIONS[name]()
