"""Names of architecture families -> their search space and how to build one of their networks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hf_sne.errors import UserError

Shape = tuple[int, int, int]
Architecture = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """One architecture family.

    Args:
        name: As plans name it.
        space: Search space (:mod:`hf_sne.zoo.space`) of an architecture, which plans may narrow field by field.
        build: Makes the module of an architecture drawn from the space, for images of a shape (channels, height,
            width) and a number of classes. Modules that the population trainer knows:
            :mod:`hf_sne.zoo.population.layers`; where the family has dropout, ``nn.Dropout`` of any rate, for the
            rate is a setting of the run.
    """

    name: str
    space: Mapping[str, Any]
    build: Callable[[Architecture, Shape, int], nn.Module]


FAMILIES: dict[str, Family] = {}


def register_family(family: Family) -> Family:
    """Make a family known by its name; a name that is taken is refused."""
    if family.name in FAMILIES:
        raise UserError(f"the zoo family {family.name!r} is registered already", fix="give the new family another name")
    FAMILIES[family.name] = family
    return family


def get_family(name: str) -> Family:
    """The family of that name, or an error that lists the names there are."""
    if name not in FAMILIES:
        raise UserError(f"there is no zoo family {name!r}", fix=f"use one of {', '.join(sorted(FAMILIES))}")
    return FAMILIES[name]


def build_network(
    family: str, architecture: Architecture, shape: Shape, classes: int, *, dropout: float = 0.0
) -> nn.Module:
    """A module of ``architecture`` for images of ``shape`` (channels, height, width); torch's own initialisation.

    Raises:
        UserError: there is no such family, or the architecture is none of its.
    """
    try:
        module = get_family(family).build(architecture, shape, classes)
    except UserError as error:
        raise UserError(f"families.{family}.architecture: {error.message}", fix=error.fix) from error
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = dropout
    return module


def empty_network(family: str, architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    """The same module without memory behind its tensors, for their names and shapes."""
    with torch.device("meta"):
        return build_network(family, architecture, shape, classes)
