"""Figures of predictions, drawn without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_sne.optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart by colour-blind readers too; the markers tell families apart in print.
_STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"))


def scatter_predictions(points: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Predicted against measured accuracy, as a PNG: a colour a family, interval bars, hollow where damaged.

    A point has ``family``, ``damage`` ("none" or its kind), and the accuracies ``measured``, ``predicted``, ``low``
    and ``high`` in [0, 1].
    """
    require("matplotlib", "drawing", "plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 7.0), layout="constrained")
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color="0.6", linewidth=1, linestyle="--", label="predicted = measured")
    for place, family in enumerate(sorted({point["family"] for point in points})):
        colour, marker = _STYLES[place % len(_STYLES)]
        members = [point for point in points if point["family"] == family]
        _draw_family(axes, members, family, colour, marker)
    margins = (-0.02, 1.02)
    axes.set(xlim=margins, ylim=margins, aspect="equal", title=title)
    axes.set(xlabel="measured test accuracy", ylabel="accuracy predicted from the weights alone")
    axes.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=4, title="hollow: damaged after training; bars: interval")
    figure.savefig(path, dpi=150)


def _draw_family(axes: "Axes", members: Sequence[Mapping[str, Any]], family: str, colour: str, marker: str) -> None:
    measured = [point["measured"] for point in members]
    lows, highs = ([point[end] for point in members] for end in ("low", "high"))
    axes.vlines(measured, lows, highs, color=colour, alpha=0.25, linewidth=1)
    for damaged, label in ((False, family), (True, None)):
        chosen = [point for point in members if (point["damage"] != "none") is damaged]
        axes.scatter(
            [point["measured"] for point in chosen],
            [point["predicted"] for point in chosen],
            s=28,
            marker=marker,
            edgecolors=colour,
            facecolors="white" if damaged else colour,
            label=label,
            zorder=3,
        )
