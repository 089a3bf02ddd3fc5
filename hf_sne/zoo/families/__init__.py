"""The architecture families a zoo can hold; a family is a function that draws one network."""

from hf_sne.zoo.families import convolutional, fully_connected, residual
from hf_sne.zoo.families.registry import FAMILIES, Family, build_network, get_family, register_family

__all__ = [
    "FAMILIES",
    "Family",
    "build_network",
    "convolutional",
    "fully_connected",
    "get_family",
    "register_family",
    "residual",
]
