"""Results files of trainings and of comparisons as one table each: what ``hf-sne results`` and the Space show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_sne.escape import markdown
from hf_sne.evaluation.results_file import read_results, told_fields


@dataclass(frozen=True)
class Board:
    """A table of text; all columns but the first ``names`` hold figures."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int

    def markdown(self) -> str:
        """As Markdown, its cells escaped."""
        rule = ["---" if place < self.names else "--:" for place in range(len(self.headings))]
        rows = [[markdown(cell) for cell in row] for row in (self.headings, *self.rows)]
        return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))


def read_boards(paths: Sequence[Path]) -> list[Board]:
    """The tables of the files: all trainings in one, all comparisons in one; kinds without a file are left out.

    Raises:
        UserError: a file is missing or holds results of neither.
    """
    trainings, comparisons = [], []
    for path in paths:
        results = read_results(path)
        with told_fields(str(path)):
            if "averages" in results:
                _comparison_board([(_task(path), results)])
                comparisons.append((_task(path), results))
            else:
                training_board([(_task(path), results)])
                trainings.append((_task(path), results))
    boards = []
    if trainings:
        boards.append(training_board(trainings))
    if comparisons:
        boards.append(_comparison_board(comparisons))
    return boards


def training_board(trainings: Sequence[tuple[str, Mapping[str, Any]]]) -> Board:
    """A row a zoo: tau with its 95 % interval for SNE and the weight-statistics baseline, and the intervals' coverage.

    The last column: tau of both among the most accurate third of the undamaged networks.
    """
    headings = ["trained on", "tested on", "networks", "SNE tau", "weight statistics tau", "SNE MAE"]
    headings += ["coverage", "zoo interval", "best third"]
    rows = [_training_row(*found) for name, results in trainings for found in _tested(results, name)]
    return Board("Trainings, on test runs and on groups that were left out", headings, rows, names=2)


def _comparison_board(comparisons: Sequence[tuple[str, Mapping[str, Any]]]) -> Board:
    """A row a predictor, a column a task: mean tau over the cells, and by how much SNE is above it there."""
    columns = {f"{task}, {group}": row for task, found in comparisons for group, row in found["averages"].items()}
    names = list(dict.fromkeys(name for averages in columns.values() for name in averages))
    rows = [["cells", *(str(averages["sne"]["cells"]) for averages in columns.values())]]
    rows += [[name, *(_average(averages, name) for averages in columns.values())] for name in names]
    return Board("Comparisons: mean tau over the cells, and SNE above it", ["", *columns], rows, names=1)


def _task(path: Path) -> str:
    """``recipes/TASK/results/results.json`` is the task's; other files are called after themselves or their folder."""
    if path.stem != "results":
        return path.stem
    folder = path.resolve().parent
    return folder.parent.name if folder.name in ("results", "predictor") else folder.name


def _tested(results: Mapping[str, Any], name: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for zoo, row in results["test"].items():
        yield name, zoo, row
    for group, rows in results["left_out"].items():
        for zoo, row in rows.items():
            yield f"{name} without {group}", zoo, row


def _training_row(trained: str, tested: str, row: Mapping[str, Any]) -> list[str]:
    sne, baseline, best = row["sne"], row["weight_statistics"], row.get("best_third")
    taus = (_interval(kind["kendall_tau"], ".3f") for kind in (sne, baseline))
    figures = [str(sne["networks"]), *taus, f"{sne['mae']['value']:.3f}", f"{sne['interval_coverage']:.2f}"]
    # Results of earlier versions do not tell the last two.
    figures.append(f"{sne['zoo_interval_coverage']:.2f}" if "zoo_interval_coverage" in sne else "")
    figures.append(" / ".join(f"{best[name]['value']:.2f}" for name in ("sne", "weight_statistics")) if best else "")
    return [trained, tested, *figures]


def _average(averages: Mapping[str, Any], name: str) -> str:
    row, cells = averages.get(name), averages["sne"]["cells"]
    if not row or not row["cells"]:
        return "-"
    some = f", {row['cells']} cells" if row["cells"] < cells else ""
    above = "" if name == "sne" else f"; SNE {_interval(row['sne_above'], '+.2f')}"
    return f"{_interval(row['kendall_tau'], '.2f')}{some}{above}"


def _interval(value: Mapping[str, float], form: str) -> str:
    return f"{value['value']:{form}} ({value['low']:{form}} to {value['high']:{form}})"
