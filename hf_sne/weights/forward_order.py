"""The order in which a network runs its layers, where only their names and shapes are known."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, permutations
from typing import Protocol, TypeVar

from hf_sne.weights.connections import ConnectableLayer, fits, is_dense

_STEPS = re.compile(r"[0-9]+|[^0-9.]+")
# Beyond these the names' order is kept: the orders of modules side by side grow with the factorial, and names in files
# that nobody vouches for can be nested without end.
_MOST_MODULES = 5
_DEEPEST = 32


class NamedLayer(ConnectableLayer, Protocol):
    """A layer with a module's path as its name."""

    @property
    def name(self) -> str:
        """Such as ``"features.0"``."""


_Layer = TypeVar("_Layer", bound=NamedLayer)


def forward_order(layers: Sequence[_Layer]) -> list[_Layer]:
    """``layers`` in the order of their names -> in the order in which the network runs them, as far as can be told.

    Numbers say it themselves (``layer1``, ``layer2``). Modules that only words tell apart (``features`` and
    ``classifier``) come in the order in which most of them can read the one before; of equals in that of the names.
    """
    return _ordered([(layer, _STEPS.findall(layer.name)[:_DEEPEST]) for layer in layers], 0)


def _ordered(layers: list[tuple[_Layer, list[str]]], depth: int) -> list[_Layer]:
    modules: dict[str, list[tuple[_Layer, list[str]]]] = {}
    while len(modules) < 2 and any(len(steps) > depth for _, steps in layers):
        modules = {}
        for layer, steps in layers:
            modules.setdefault(steps[depth] if depth < len(steps) else "", []).append((layer, steps))
        depth += 1
    if len(modules) < 2:
        return [layer for layer, _ in layers]
    runs = [_ordered(members, depth) for members in modules.values()]
    if not any(step.isdecimal() for step in modules):
        runs = list(_by_shape(runs))
    return [layer for run in runs for layer in run]


def _by_shape(runs: list[list[_Layer]]) -> Iterator[list[_Layer]]:
    """Runs of layers with the dense ones among them in the order that most can be read in; the others in place."""
    ends = [[layer for layer in run if is_dense(layer)] for run in runs]
    dense = [number for number, end in enumerate(ends) if end]
    order = tuple(dense)
    if 1 < len(dense) <= _MOST_MODULES:
        read = {(a, b): fits(ends[a][-1], ends[b][0]) for a in dense for b in dense if a != b}
        # The names' order is the first permutation, and the first of equals is taken.
        order = max(permutations(dense), key=lambda order: sum(read[pair] for pair in pairwise(order)))
    place = iter(order)
    for number, run in enumerate(runs):
        yield runs[next(place)] if ends[number] else run
