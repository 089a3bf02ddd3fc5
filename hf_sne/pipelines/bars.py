"""What figures and pages share of the bars that show attributions."""

from collections.abc import Mapping, Sequence
from typing import Any

# Of one checkpoint.
MAX_BARS = 60
# Attribution from which on a bar may be as long as there is room, so that next to nothing does not look like much.
LEAST_FULL_BAR = 0.1


def most_of(results: Sequence[Mapping[str, Any]]) -> float:
    """The attribution of the longest bar: all explained checkpoints that are shown together have one scale."""
    found = (abs(layer["attribution"]) for result in results for layer in result.get("layers", ()))
    most: float = max([LEAST_FULL_BAR, *found])
    return most


def strongest(layers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The ``MAX_BARS`` explained layers with the largest attributions, in their own order."""
    by_size = sorted(range(len(layers)), key=lambda place: -abs(layers[place]["attribution"]))
    return [layers[place] for place in sorted(by_size[:MAX_BARS])]
