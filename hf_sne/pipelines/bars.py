"""What figures and pages share of the bars that show attributions."""

from collections.abc import Mapping, Sequence
from typing import Any

# Of one checkpoint.
MAX_BARS = 60
# Attribution from which on a bar may be as long as there is room, so that next to nothing does not look like much.
LEAST_FULL_BAR = 0.1


def strongest(layers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The ``MAX_BARS`` explained layers with the largest attributions, in their own order."""
    by_size = sorted(range(len(layers)), key=lambda place: -abs(layers[place]["attribution"]))
    return [layers[place] for place in sorted(by_size[:MAX_BARS])]
