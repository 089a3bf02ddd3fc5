"""Multi-layer perceptrons of varied depth and width."""

from torch import nn

from hf_sne.zoo.families.parts import ACTIVATION, activation_module
from hf_sne.zoo.families.registry import Architecture, Family, Shape, register_family

SPACE = {
    "pool": {"choice": [1, 2, 2]},
    "widths": {
        "repeat": {"times": {"choice": [1, 2, 2, 3, 3, 4]}, "of": {"choice": [12, 16, 24, 32, 48, 64, 96, 128]}}
    },
    "activation": ACTIVATION,
}
_SMALLEST = 7  # pixels along a side that pooling leaves
_MOST_INPUTS = 1024


def build(architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    """Average-pool the image (large ones more than the architecture says), then hidden layers with dropout."""
    channels, size, _ = shape
    pool = architecture["pool"] if size // architecture["pool"] >= _SMALLEST else 1
    while channels * (size // pool) ** 2 > _MOST_INPUTS:
        pool += 1
    layers: list[nn.Module] = [nn.AvgPool2d(pool) if pool > 1 else nn.Identity(), nn.Flatten()]
    inputs = channels * (size // pool) ** 2
    for units in architecture["widths"]:
        layers += [nn.Linear(inputs, units), activation_module(architecture["activation"]), nn.Dropout(0.0)]
        inputs = units
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


MLP = register_family(Family("mlp", SPACE, build))
