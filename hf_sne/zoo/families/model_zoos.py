"""The two networks of Model Zoos (Schuerholt et al. 2022): 2,464 parameters on 28x28x1, 10,853 on 32x32x3.

The paper gives the sizes of the layers; that pooling is before the activation and dropout after it is assumed here.
"""

from functools import partial
from itertools import pairwise

from torch import nn

from hf_sne.zoo.families.parts import Resize, activation_module
from hf_sne.zoo.families.registry import Architecture, Family, Shape, register_family

SPACE = {"activation": {"choice": ["tanh", "sigmoid", "relu", "gelu"]}}

# (channels, kernel, pooling) of every convolution.
_SMALL = ((8, 5, 2), (6, 5, 2), (4, 2, 1))
_LARGE = ((16, 3, 2), (32, 3, 2), (15, 3, 2))
_HIDDEN = 20


def _build(
    convolutions: tuple[tuple[int, int, int], ...],
    side: int,
    architecture: Architecture,
    shape: Shape,
    classes: int,
) -> nn.Module:
    """Three convolutions, a hidden dense layer; images of another size than ``side`` are resized to it."""
    channels, size, _ = shape
    layers: list[nn.Module] = [nn.Identity() if size == side else Resize(side)]
    for width, kernel, pool in convolutions:
        layers += [
            nn.Conv2d(channels, width, kernel),
            nn.MaxPool2d(pool) if pool > 1 else nn.Identity(),
            activation_module(architecture["activation"]),
            nn.Dropout(0.0),
        ]
        channels, side = width, (side - kernel + 1) // pool
    units = (channels * side * side, _HIDDEN, classes)
    layers.append(nn.Flatten())
    for inputs, outputs in pairwise(units):
        layers += [nn.Linear(inputs, outputs), activation_module(architecture["activation"]), nn.Dropout(0.0)]
    return nn.Sequential(*layers[:-2])


CNN_S = register_family(Family("cnn_s", SPACE, partial(_build, _SMALL, 28)))
CNN_L = register_family(Family("cnn_l", SPACE, partial(_build, _LARGE, 32)))
