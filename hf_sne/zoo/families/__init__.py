"""The architecture families a zoo can hold; importing this package registers them."""

from hf_sne.zoo.families import cnn, mlp, model_zoos, resnet, small_cnn, vit
from hf_sne.zoo.families.registry import (
    FAMILIES,
    Architecture,
    Family,
    Shape,
    build_network,
    empty_network,
    get_family,
    register_family,
)

__all__ = [
    "FAMILIES",
    "Architecture",
    "Family",
    "Shape",
    "build_network",
    "cnn",
    "empty_network",
    "get_family",
    "mlp",
    "model_zoos",
    "register_family",
    "resnet",
    "small_cnn",
    "vit",
]
