"""The averages of comparisons as one Markdown table: python recipes/summary.py recipes/*/results/results.json."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def main(
    results: Annotated[
        list[Path], typer.Argument(help="results.json files; those not of recipes/compare.py are left out.")
    ],
) -> None:
    """A row a task: mean Kendall tau of every predictor, and by how much SNE is above it on the same cells."""
    tasks = [(path.parent.parent.name, json.loads(path.read_text())) for path in results]
    rows = [
        (f"{task}, {group}", averages)
        for task, content in tasks
        for group, averages in content.get("averages", {}).items()
    ]
    names = list(dict.fromkeys(name for _, averages in rows for name in averages))
    print(f"| task | cells | {' | '.join(names)} |")
    print(f"|---|--:|{'--:|' * len(names)}")
    for task, averages in rows:
        print(
            f"| {task} | {averages['sne']['cells']} | {' | '.join(_cell(averages.get(name), name) for name in names)} |"
        )


def _cell(row: dict[str, Any] | None, name: str, cells: int) -> str:
    if not row or not row["cells"]:
        return "-"
    told = _interval(row["kendall_tau"])
    if row["cells"] < cells:
        told += f", {row['cells']} cells"
    return told if name == "sne" else f"{told}; SNE {_interval(row['sne_above'], '+.2f')}"


def _interval(value: dict[str, float], form: str = ".2f") -> str:
    return f"{value['value']:{form}} ({value['low']:{form}} to {value['high']:{form}})"


if __name__ == "__main__":
    typer.run(main)
