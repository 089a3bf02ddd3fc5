"""Compare predictors: python recipes/compare.py --config recipes/NAME/NAME.yaml --zoos FOLDER --output FOLDER."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from transformers.utils.logging import disable_progress_bar

from hf_sne.errors import UserError
from hf_sne.escape import markdown, visible
from hf_sne.training.comparison import ComparisonConfig, run_comparison
from hf_sne.zoo.atomic import write_bytes


def main(
    config: Annotated[Path, typer.Option(help="YAML with the fields of ComparisonConfig.")],
    zoos: Annotated[Path, typer.Option(help="Folder that holds the zoos which the configuration names.")],
    output: Annotated[Path, typer.Option(help="Where results.json goes; run again to resume.")],
) -> None:
    """Train every predictor with every seed and measure all on the same networks."""
    console = Console(stderr=True)
    disable_progress_bar()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("starting", total=None)

            def report(stage: str, done: int, total: int) -> None:
                # Names of data sets and families come from the zoos, which may be anybody's.
                bar.update(task, description=escape(visible(stage)), completed=done, total=total)
                if not console.is_terminal:
                    console.print(visible(f"{done}/{total} {stage}"), highlight=False, markup=False)

            results = run_comparison(ComparisonConfig.from_yaml(config), zoos, output, report)
    except UserError as error:
        console.print(visible(str(error)), style="red", markup=False)
        raise typer.Exit(2) from error
    write_bytes(output / "results.json", json.dumps(results, indent=1).encode() + b"\n")
    for line in table(results):
        print(line)


def table(results: dict[str, Any]) -> list[str]:
    """Kendall tau of every predictor in every cell, and the averages, in Markdown."""
    names = results["config"]["predictors"]
    lines = [f"| trained on -> tested on | ceiling | {' | '.join(names)} |", f"|---|--:|{'--:|' * len(names)}"]
    for cell, row in results["cells"].items():
        lines.append(f"| {markdown(cell)} | {row['ceiling']:.3f} | {' | '.join(_tau(row[name]) for name in names)} |")
    for group, row in results["averages"].items():
        lines.append(f"| mean, {group} | | {' | '.join(_tau(row[name]) for name in names)} |")
        above = [_interval(row[name], f"{names[0]}_above") for name in names]
        lines.append(f"| {names[0]} above it | | {' | '.join(above)} |")
    return lines


def _tau(row: dict[str, Any]) -> str:
    return _interval(row, "kendall_tau")


def _interval(row: dict[str, Any], name: str) -> str:
    if name not in row:
        return "-"
    value = row[name]
    told = f"{value['value']:.3f} ({value['low']:.2f} to {value['high']:.2f})"
    return f"{told}, {row['cells']} cells" if "cells" in row else told


if __name__ == "__main__":
    typer.run(main)
