"""The averages of comparisons as one Markdown table: python recipes/summary.py recipes/cross-*/results/results.json."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Row = dict[str, Any]


def main(
    results: Annotated[list[Path], typer.Argument(help="results.json files that recipes/compare.py wrote.")],
) -> None:
    """A row a predictor, a column a task: mean Kendall tau over the cells, and by how much SNE is above it there."""
    columns = {
        f"{path.parent.parent.name}, {group}": averages
        for path in results
        for group, averages in json.loads(path.read_text())["averages"].items()
    }
    names = list(dict.fromkeys(name for averages in columns.values() for name in averages))
    print(f"| | {' | '.join(columns)} |")
    print(f"|---|{'--:|' * len(columns)}")
    print(f"| cells | {' | '.join(str(averages['sne']['cells']) for averages in columns.values())} |")
    for name in names:
        cells = [_cell(averages.get(name), averages["sne"]["cells"], name) for averages in columns.values()]
        print(f"| {name} | {' | '.join(cells)} |")


def _cell(row: Row | None, cells: int, name: str) -> str:
    if not row or not row["cells"]:
        return "-"
    some = f", {row['cells']} cells" if row["cells"] < cells else ""
    above = "" if name == "sne" else f"; SNE {_interval(row['sne_above'], '+.2f')}"
    return f"{_interval(row['kendall_tau'], '.2f')}{some}{above}"


def _interval(value: dict[str, float], form: str) -> str:
    return f"{value['value']:{form}} ({value['low']:{form}} to {value['high']:{form}})"


if __name__ == "__main__":
    typer.run(main)
