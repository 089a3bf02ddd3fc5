"""The network of the Small CNN Zoo (Unterthiner et al. 2020, arXiv 2002.11448): 4,970 parameters on 28x28x1."""

from torch import nn

from hf_sne.zoo.families.parts import activation_module
from hf_sne.zoo.families.registry import Architecture, Family, Shape, register_family

SPACE = {"activation": {"choice": ["relu", "tanh"]}}
_WIDTH = 16
_DEPTH = 3
_UNPADDED_FROM = 15  # pixels that three unpadded convolutions of stride 2 bring down to one


def build(architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    """Three convolutions of stride 2, each with activation and dropout; global average pool, one dense layer."""
    channels, size, _ = shape
    padding = 0 if size >= _UNPADDED_FROM else 1
    layers: list[nn.Module] = []
    for inputs in (channels, *[_WIDTH] * (_DEPTH - 1)):
        convolution = nn.Conv2d(inputs, _WIDTH, 3, stride=2, padding=padding)
        layers += [convolution, activation_module(architecture["activation"]), nn.Dropout(0.0)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(_WIDTH, classes))


SMALL_CNN = register_family(Family("small_cnn", SPACE, build))
