"""Search spaces: plain YAML in which some values are distributions, drawn with a seed.

A value is a constant, a nested mapping or list of values, or a mapping with one of these keys:

``choice: [a, b]``            one of them, all as likely; an option may be a distribution itself
``uniform: [low, high]``      a real number
``log_uniform: [low, high]``  a real number whose logarithm is uniform
``integers: [low, high]``     a whole number, both ends included
``repeat: {times: n, of: v}`` a list of ``n`` values, each drawn anew; ``n`` may be a distribution
``grid: [a, b]``              every one of them in turn, crossed with every other grid
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from random import Random
from typing import Any

from hf_sne.errors import UserError

GRID = "grid"


class SpaceError(UserError):
    """A search space breaks a rule; the message names the field."""


def draw(space: Any, rng: Random, field: str = "space") -> Any:
    """One value of a space without grids: plain JSON.

    Raises:
        SpaceError: a distribution is malformed.
    """
    if isinstance(space, Mapping):
        kind = next(iter(space), None)
        if kind in _DRAWS:
            _check_alone(space, field)
            return _DRAWS[kind](space[kind], rng, field)
        return {name: draw(value, rng, f"{field}.{name}") for name, value in space.items()}
    if isinstance(space, list):
        return [draw(value, rng, f"{field}[{index}]") for index, value in enumerate(space)]
    return space


def expand_grids(space: Any, field: str = "space") -> list[Any]:
    """The spaces that the grids in ``space`` span, in the order of a nested loop, the last grid fastest."""
    if isinstance(space, Mapping):
        if GRID in space:
            _check_alone(space, field)
            return [point for option in _options(space[GRID], field) for point in expand_grids(option, field)]
        axes = [expand_grids(value, f"{field}.{name}") for name, value in space.items()]
        return [dict(zip(space, point, strict=True)) for point in product(*axes)]
    if isinstance(space, list):
        axes = [expand_grids(value, f"{field}[{index}]") for index, value in enumerate(space)]
        return [list(point) for point in product(*axes)]
    return [space]


def merge(default: Mapping[str, Any], override: Mapping[str, Any], field: str) -> dict[str, Any]:
    """``default`` with some of its fields replaced whole.

    Raises:
        SpaceError: ``override`` has a field that ``default`` lacks.
    """
    unknown = sorted(set(override) - set(default))
    if unknown:
        raise SpaceError(f"{field} has no field {', '.join(unknown)}", fix=f"known fields: {', '.join(default)}")
    return {**default, **override}


def _check_alone(space: Mapping[str, Any], field: str) -> None:
    if len(space) > 1:
        raise SpaceError(f"{field} has the fields {', '.join(map(str, space))}", fix="a distribution is one field")


def _options(options: Any, field: str) -> Sequence[Any]:
    if not isinstance(options, list) or not options:
        raise SpaceError(f"{field} is {options!r}, not a list of one or more values", fix="list the values")
    return options


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _bounds(bounds: Any, field: str) -> tuple[float, float]:
    numbers = isinstance(bounds, list) and len(bounds) == 2 and all(map(_is_number, bounds))
    if not numbers or bounds[0] > bounds[1]:
        raise SpaceError(
            f"{field} is {bounds!r}, not [low, high]",
            fix="give two numbers, the smaller one first; YAML takes 1e-3 for a text and 1.0e-3 for a number",
        )
    return bounds[0], bounds[1]


def _choice(options: Any, rng: Random, field: str) -> Any:
    return draw(rng.choice(_options(options, field)), rng, field)


def _uniform(bounds: Any, rng: Random, field: str) -> float:
    return rng.uniform(*_bounds(bounds, field))


def _log_uniform(bounds: Any, rng: Random, field: str) -> float:
    low, high = _bounds(bounds, field)
    if low <= 0:
        raise SpaceError(f"{field} is log-uniform from {low}", fix="a logarithm needs bounds above 0")
    value = math.exp(rng.uniform(math.log(low), math.log(high)))
    return min(max(value, low), high)  # rounding may lead out of the range


def _integers(bounds: Any, rng: Random, field: str) -> int:
    low, high = _bounds(bounds, field)
    if not isinstance(low, int) or not isinstance(high, int):
        raise SpaceError(f"{field} is integers from {low} to {high}", fix="give two whole numbers")
    return rng.randint(low, high)


def _repeat(content: Any, rng: Random, field: str) -> list[Any]:
    if not isinstance(content, Mapping) or set(content) != {"times", "of"}:
        raise SpaceError(f"{field} is {content!r}", fix="repeat needs the two fields times and of")
    times = draw(content["times"], rng, f"{field}.times")
    if not isinstance(times, int) or times < 0:
        raise SpaceError(f"{field}.times is {times!r}", fix="give a whole number of 0 or more")
    return [draw(content["of"], rng, f"{field}.of") for _ in range(times)]


_DRAWS: dict[Any, Callable[[Any, Random, str], Any]] = {
    "choice": _choice,
    "uniform": _uniform,
    "log_uniform": _log_uniform,
    "integers": _integers,
    "repeat": _repeat,
}
DISTRIBUTIONS = (*_DRAWS, GRID)
