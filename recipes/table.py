"""Figures of results as a Markdown table: python recipes/table.py recipes/small-cnn-zoos/results/*.json."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

Row = tuple[str, str, dict[str, Any]]


def main(
    results: Annotated[list[Path], typer.Argument(help="results.json files that recipes/train.py wrote.")],
) -> None:
    """Kendall tau with its 95 % interval for SNE and the weight-statistics baseline, and the intervals' coverage.

    The last column: tau of both among the most accurate third of the undamaged networks.
    """
    headings = ["trained on", "tested on", "networks", "SNE tau", "weight statistics tau", "SNE MAE"]
    headings += ["coverage", "zoo interval", "best third"]
    print(f"| {' | '.join(headings)} |")
    print("|---" * len(headings) + "|")
    for path in results:
        for trained, tested, row in _rows(json.loads(path.read_text()), path.stem):
            sne, baseline = row["sne"], row["weight_statistics"]
            taus = (_interval(kind["kendall_tau"]) for kind in (sne, baseline))
            figures = [str(sne["networks"]), *taus, f"{sne['mae']['value']:.3f}", f"{sne['interval_coverage']:.2f}"]
            # Results of earlier versions do not tell the last two.
            figures.append(f"{sne['zoo_interval_coverage']:.2f}" if "zoo_interval_coverage" in sne else "")
            best = row.get("best_third")
            figures.append(
                " / ".join(f"{best[name]['value']:.2f}" for name in ("sne", "weight_statistics")) if best else ""
            )
            print(f"| {trained} | {tested} | {' | '.join(figures)} |")


def _rows(results: dict[str, Any], name: str) -> Iterator[Row]:
    for zoo, row in results["test"].items():
        yield name, zoo, row
    for group, rows in results["left_out"].items():
        for zoo, row in rows.items():
            yield f"{name} without {group}", zoo, row


def _interval(value: dict[str, float]) -> str:
    return f"{value['value']:.3f} ({value['low']:.2f} to {value['high']:.2f})"


if __name__ == "__main__":
    typer.run(main)
