"""Names of architecture families -> how to draw and build one of their networks."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from torch import nn

from hf_sne.errors import UserError

Shape = tuple[int, int, int]
Architecture = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """One architecture family: ``draw`` picks an architecture (plain JSON), ``build`` makes the module of it."""

    name: str
    draw: Callable[[Random], Architecture]
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


def build_network(family: str, architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    """A freshly initialised module of ``architecture`` for images of ``shape`` (channels, height, width)."""
    return get_family(family).build(architecture, shape, classes)
