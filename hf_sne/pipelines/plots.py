"""Figures of predictions, drawn without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_sne.escape import visible
from hf_sne.evaluation.board import Margin, Margins, in_order
from hf_sne.optional import require
from hf_sne.pipelines.bars import LEAST_FULL_BAR, strongest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_PANELS = 20
MAX_ROWS = 60
_MAX_NAME = 60
# Of a panel of margins.
_MAX_TITLE = 42
# For the numbers beside bars of attributions.
_ROOM = 0.08
# Okabe and Ito's colours, told apart by colour-blind readers too; the markers tell families apart in print.
_STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"))
_GREY = "#7A8B99"


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


def scatter_panels(panels: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Predicted against measured accuracy of many networks, as a PNG: a panel a title, a colour a ``data`` set.

    A point has ``data`` and the accuracies ``measured`` and ``predicted``, in [0, 1].
    """
    require("matplotlib", "drawing", "plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(panels), 5.8), layout="constrained")
    names = sorted({point["data"] for points in panels.values() for point in points})
    for axes, (title, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        axes.plot((0, 1), (0, 1), color="0.6", linewidth=1, linestyle="--")
        for place, name in enumerate(names):
            chosen = [point for point in points if point["data"] == name]
            colour, marker = _STYLES[place % len(_STYLES)]
            measured, predicted = ([point[axis] for point in chosen] for axis in ("measured", "predicted"))
            axes.scatter(
                measured, predicted, s=10, color=colour, marker=marker, alpha=0.5, linewidths=0, label=_shown(name)
            )
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", title=title)
        axes.set(xlabel="measured test accuracy", ylabel="accuracy predicted from the weights alone")
        axes.grid(alpha=0.25)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(names), markerscale=2)
    figure.savefig(path, dpi=130)


def reliability_diagram(levels: Sequence[float], coverages: Mapping[str, Sequence[float]], path: Path) -> None:
    """How often intervals cover the truth against how often they should, as a PNG: a line a group of networks.

    In a share all zoos weigh the same, and in a zoo all runs.
    """
    require("matplotlib", "drawing", "plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 6.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color="0.6", linewidth=1, linestyle="--", label="as promised")
    for place, (name, shares) in enumerate(coverages.items()):
        colour, marker = _STYLES[place % len(_STYLES)]
        line = "-" if place < len(_STYLES) else ":"
        axes.plot(levels, shares, color=colour, marker=marker, markersize=5, linestyle=line, label=_shown(name))
    axes.set(xlim=(min(levels) - 0.02, 1.0), ylim=(min(0.5, *map(min, coverages.values())) - 0.02, 1.02))
    axes.set(
        xlabel="nominal level of the interval", ylabel="share inside (zoos and runs alike)", title="Intervals kept"
    )
    axes.grid(alpha=0.25)
    title = "zoo_interval of test runs; interval of groups that were left out"
    figure.legend(loc="outside lower center", ncols=3, title=title)
    figure.savefig(path, dpi=130)


def margin_bars(panels: Sequence[Margins], path: Path) -> None:
    """By how much SNE's tau is above others', as a PNG: a panel a comparison, a row a predictor, a bar its interval.

    Of the first ``MAX_PANELS`` comparisons and ``MAX_ROWS`` predictors.
    """
    require("matplotlib", "drawing", "plot")
    from matplotlib.figure import Figure

    panels = panels[:MAX_PANELS]
    names = in_order(row.name for margins in panels for row in margins.rows)[:MAX_ROWS]
    figure = Figure(figsize=(3.2 + 2.6 * len(panels), 1.8 + 0.26 * len(names)), layout="constrained")
    columns = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, margins in zip(columns, panels, strict=True):
        for row in margins.rows:
            if row.name in names:
                _draw_margin(axes, row, names.index(row.name), hollow=row.cells < margins.cells)
        axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
        axes.set_yticks(range(len(names)), [_shown(name) for name in names], fontsize=8)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis="x", labelsize=8)
        axes.locator_params(axis="x", nbins=5)
        told = f"{margins.group}, {margins.cells} cells: SNE {margins.tau:.2f}"
        axes.set_title(f"{_shown(margins.task, _MAX_TITLE)}\n{_shown(told, _MAX_TITLE)}", fontsize=8)
        axes.grid(axis="x", alpha=0.25)
    label = "Kendall tau, SNE above the row, with 95 % interval (grey: holds zero; hollow: the row has fewer cells)"
    figure.supxlabel(label, fontsize=8)
    figure.savefig(path, dpi=130, format="png")


def _draw_margin(axes: "Axes", row: Margin, place: int, *, hollow: bool) -> None:
    (blue, dot), (red, square) = _STYLES[:2]
    colour, marker = (blue, dot) if row.low > 0 else (red, square) if row.high < 0 else (_GREY, "D")
    axes.hlines(place, row.low, row.high, color=colour, linewidth=2)
    axes.plot(row.value, place, color=colour, marker=marker, markersize=5, mfc="white" if hollow else colour)


def attribution_bars(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """What training each layer adds to the score of explained checkpoints, as a PNG: a panel a checkpoint.

    Of the first ``MAX_PANELS`` checkpoints, and of each the strongest layers, in their order.
    """
    require("matplotlib", "drawing", "plot")
    from matplotlib.figure import Figure

    results = results[:MAX_PANELS]
    shown = [strongest(result["layers"]) for result in results]
    rows = [max(1, len(layers)) for layers in shown]
    # One scale for all.
    found = [layer["attribution"] for layers in shown for layer in layers]
    low, high = min(found, default=0.0), max(found, default=0.0)
    figure = Figure(figsize=(7.0, sum(0.24 * count + 1.25 for count in rows)), layout="constrained")
    panels = figure.subplots(len(results), 1, squeeze=False, height_ratios=rows)[:, 0]
    for axes, result, layers in zip(panels, results, shown, strict=True):
        values = [layer["attribution"] for layer in layers]
        colours = [_STYLES[0][0] if value > 0 else _STYLES[1][0] for value in values]
        bars = axes.barh(range(len(layers)), values, color=colours)
        axes.bar_label(bars, fmt="%+.3f", fontsize=7, padding=2)
        axes.set_xlim(min(0.0, low) - _ROOM, max(LEAST_FULL_BAR, high) + _ROOM)
        axes.tick_params(axis="x", labelsize=8)
        names = [f"{_shown(layer['name'])} ({layer['role']})" for layer in layers]
        axes.set_yticks(range(len(layers)), names, fontsize=8)
        axes.invert_yaxis()
        axes.axvline(0, color="0.4", linewidth=0.8)
        # Long names of layers push the axes to the right; from there a title has the whole width.
        axes.set_title(_headline(result), fontsize=9, loc="right")
        axes.set_xlabel("what training the layer adds to the score", fontsize=8)
    figure.savefig(path, dpi=130, format="png")


def _headline(result: Mapping[str, Any]) -> str:
    interval = result["interval"]
    unlike = ", unlike the training networks" if result["in_distribution"]["verdict"] is False else ""
    predicted = f"predicted {result['score']:.3f} ({interval['low']:.2f} to {interval['high']:.2f})"
    return f"{_shown(result['checkpoint']['source'])}\n{predicted}{unlike}"


def _shown(name: object, most: int = _MAX_NAME) -> str:
    """A name that anybody may have given, short enough for a label; a dollar or an underscore would be syntax."""
    text = visible(str(name))
    text = text if len(text) <= most else f"...{text[3 - most :]}"
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")


def _draw_family(axes: "Axes", members: Sequence[Mapping[str, Any]], family: str, colour: str, marker: str) -> None:
    measured = [point["measured"] for point in members]
    lows, highs = ([point[end] for point in members] for end in ("low", "high"))
    axes.vlines(measured, lows, highs, color=colour, alpha=0.12, linewidth=1)
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
