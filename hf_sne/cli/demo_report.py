"""What ``hf-sne demo`` found: predicted beside measured accuracy, how well they agree, and tables of both."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from hf_sne.escape import visible

_SHOWN = 20


def summarise(labels: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Plain JSON: agreement over all networks and by family, one point a scored network, what was refused.

    ``labels[i]`` is the label row (``id``, ``run``, ``family``, ``damage``, ``test_accuracy``) of ``results[i]``.
    """
    from hf_sne.evaluation import coverage, evaluate_predictions

    pairs = list(zip(labels, results, strict=True))
    points = [_point(label, result) for label, result in pairs if "refused" not in result]
    refused = [{"id": label["id"], **result["refused"]} for label, result in pairs if "refused" in result]
    predicted, measured, lows, highs, runs = (
        [point[key] for point in points] for key in ("predicted", "measured", "low", "high", "run")
    )
    metrics = evaluate_predictions(predicted, measured, groups=runs)
    scored = next(result for result in results if "refused" not in result)
    return {
        "predictor": scored["predictor"],
        "metrics": metrics,
        "by_family": _by_family(points),
        "interval": {"level": scored["interval"]["level"], "coverage": coverage(lows, highs, measured)},
        "in_distribution": sum(point["in_distribution"] for point in points),
        "points": points,
        "refused": refused,
    }


def _point(label: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{key: label[key] for key in ("id", "run", "family", "damage", "parameters")},
        "measured": label["test_accuracy"],
        "predicted": result["score"],
        "low": result["interval"]["low"],
        "high": result["interval"]["high"],
        "in_distribution": result["in_distribution"]["verdict"],
    }


def _by_family(points: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Agreement within each family that has two networks or more: fewer cannot be ranked."""
    from hf_sne.evaluation import kendall_tau, mae

    families: dict[str, dict[str, float]] = {}
    for family in sorted({point["family"] for point in points}):
        members = [point for point in points if point["family"] == family]
        predicted, measured = ([point[key] for point in members] for key in ("predicted", "measured"))
        if len(members) > 1:
            families[family] = {
                "networks": len(members),
                "kendall_tau": kendall_tau(predicted, measured),
                "mae": mae(predicted, measured),
            }
    return families


def print_report(summary: Mapping[str, Any], console: Console) -> None:
    """Print the tables of a :func:`summarise` result."""
    console.print(_point_table(summary["points"]))
    console.print(_agreement_table(summary))
    for item in summary["refused"]:
        console.print(f"refused: {visible(item['id'])}: {visible(item['message'])}", markup=False, highlight=False)


def _point_table(points: Sequence[Mapping[str, Any]]) -> Table:
    """A sample of the networks, evenly spaced through the ranking by predicted accuracy."""
    from hf_sne.pipelines.report import DAMAGED

    ranking = sorted(points, key=lambda point: -point["predicted"])
    shown = range(0, len(ranking), math.ceil(len(ranking) / _SHOWN))
    table = Table(
        title=f"Predicted and measured test accuracy ({len(shown)} of {len(points)} checkpoints, evenly by rank)",
        caption=f"a name ends in the training step; {DAMAGED}",
    )
    table.add_column("#", justify="right")
    table.add_column("checkpoint", overflow="fold")
    for heading in ("predicted", "interval", "measured", "error"):
        table.add_column(heading, justify="right")
    for place in shown:
        point = ranking[place]
        table.add_row(
            str(place + 1),
            visible(point["id"]),
            f"{point['predicted']:.3f}",
            f"{point['low']:.3f}-{point['high']:.3f}",
            f"{point['measured']:.3f}",
            f"{point['predicted'] - point['measured']:+.3f}",
        )
    return table


def _agreement_table(summary: Mapping[str, Any]) -> Table:
    """The metrics over all networks with their bootstrap intervals, then rank correlation within each family."""
    metrics, interval = summary["metrics"], summary["interval"]
    points, refused = summary["points"], summary["refused"]
    table = Table(title="Agreement")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column(f"{metrics['kendall_tau']['level']:.0%} interval, by run", justify="right")
    for name, title in (("kendall_tau", "Kendall tau"), ("spearman", "Spearman"), ("mae", "mean absolute error")):
        metric = metrics[name]
        table.add_row(title, f"{metric['value']:.3f}", f"{metric['low']:.3f} to {metric['high']:.3f}")
    table.add_row("Kendall tau of a perfect ranking, given ties", f"{metrics['tau_ceiling']:.3f}", "")
    table.add_row(f"measured within the {interval['level']:.0%} interval", f"{interval['coverage']:.1%}", "")
    table.add_row("in distribution", f"{summary['in_distribution']} of {len(points)}", "")
    table.add_row("refused", f"{len(refused)} of {len(points) + len(refused)}", "")
    for family, found in summary["by_family"].items():
        table.add_row(f"Kendall tau, {family} ({found['networks']})", f"{found['kendall_tau']:.3f}", "")
    return table
