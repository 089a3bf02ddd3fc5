"""Multi-layer perceptrons of varied depth and width."""

from random import Random

from torch import nn

from hf_sne.zoo.families.activations import activation_module, draw_activation
from hf_sne.zoo.families.registry import Architecture, Family, Shape, register_family


def draw(rng: Random) -> Architecture:
    """Average-pool the image by 1 or 2, then one to three hidden layers of 12 to 128 units."""
    return {
        "pool": rng.choice([1, 2, 2]),
        "widths": [rng.choice([12, 16, 24, 32, 48, 64, 96, 128]) for _ in range(rng.randint(1, 3))],
        "activation": draw_activation(rng),
        "dropout": rng.choice([0.0, 0.0, 0.2]),
    }


def build(architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    """The module of an architecture that :func:`draw` made."""
    channels, height, width = shape
    pool = architecture["pool"]
    layers: list[nn.Module] = [nn.AvgPool2d(pool), nn.Flatten()]
    size = channels * (height // pool) * (width // pool)
    for units in architecture["widths"]:
        layers += [nn.Linear(size, units), activation_module(architecture["activation"])]
        if architecture["dropout"]:
            layers.append(nn.Dropout(architecture["dropout"]))
        size = units
    return nn.Sequential(*layers, nn.Linear(size, classes))


MLP = register_family(Family("mlp", draw, build))
