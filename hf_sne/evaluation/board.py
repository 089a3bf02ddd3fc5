"""Results files of trainings and of comparisons as tables and margins: what ``hf-sne results`` and the Space show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_sne.escape import markdown
from hf_sne.evaluation.results_file import read_results, refused_results, told_fields

# The predictors of hf_sne.training.predictors as people call them.
_NAMES = {
    "sne": "SNE",
    "sne_paper": "SNE as in the paper",
    "fixed_statistics_boosting": "boosting, statistics of each tensor",
    "fixed_statistics_mlp": "perceptron, statistics of each tensor",
    "layer_statistics_boosting": "SNE's boosted trees alone",
    "statistics_boosting": "boosting, pooled statistics",
    "statistics_mlp": "perceptron, pooled statistics",
    "nfn_hnp": "NFN_HNP",
    "nfn_np": "NFN_NP",
    "deep_sets": "DeepSets",
    "deep_sets_without_positions": "DeepSets without positions",
    "flat_mlp": "perceptron, all weights",
    "log_norm": "mean log norm",
    "alpha": "WeightWatcher's alpha",
    "weighted_alpha": "WeightWatcher's weighted alpha",
    "size_only": "size alone",
    "hyperparameters_only": "hyper-parameters alone",
    # As recipes/evaluate.py calls what ranks checkpoints without any fit.
    "mean_log_norm": "mean log norm",
    "weightwatcher_alpha": "WeightWatcher's alpha",
    "weightwatcher_weighted_alpha": "WeightWatcher's weighted alpha",
    "log_parameters": "size alone",
}
# The row that counts them.
_CELLS = "cells"


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


@dataclass(frozen=True)
class Margin:
    """By how much SNE's mean tau is above another predictor's, on the ``cells`` that both have, with its interval."""

    name: str
    value: float
    low: float
    high: float
    cells: int


@dataclass(frozen=True)
class Margins:
    """One group of cells of a comparison: SNE's mean tau over its ``cells``, and the other predictors."""

    task: str
    group: str
    tau: float
    cells: int
    rows: Sequence[Margin]


def read_boards(paths: Sequence[Path]) -> list[Board]:
    """The tables of the files: all trainings in one, all comparisons in one, and the cells where SNE is not first.

    What recipes/evaluate.py measured on labelled checkpoints is a comparison with a cell a data set.

    Kinds without a row are left out.

    Raises:
        UserError: a file is missing or holds results of neither.
    """
    rows: list[list[str]] = []
    columns: dict[str, Mapping[str, str]] = {}
    behind: list[list[str]] = []
    for path in paths:
        results = _as_comparison(read_results(path), path)
        with told_fields(str(path)):
            if "averages" in results:
                columns |= _comparison_columns(_task(path), results)
                behind += _behind_rows(_task(path), results.get("cells", {}))
            else:
                rows += _training_rows(_task(path), results)
    boards = []
    if rows:
        boards.append(_training_board(rows))
    if columns:
        boards.append(_comparison_board(columns))
    if behind:
        headings = ["comparison", "trained on", "tested on", "best predictor", "its tau", "SNE tau", "SNE above it"]
        boards.append(Board("Cells where SNE is not first", headings, behind, names=4))
    return boards


def read_margins(paths: Sequence[Path]) -> list[Margins]:
    """The margins of each group of cells of each comparison among the files; trainings have none.

    Raises:
        UserError: a file is missing or holds results of another shape.
    """
    found = []
    for path in paths:
        results = _as_comparison(read_results(path), path)
        with told_fields(str(path)):
            for group, averages in results.get("averages", {}).items():
                rows = [_margin(name, row) for name, row in averages.items() if name != "sne" and row["cells"]]
                if rows:
                    sne = averages["sne"]
                    tau = float(sne["kendall_tau"]["value"])
                    found.append(Margins(_task(path), group, tau, int(sne["cells"]), rows))
    return found


def _as_comparison(results: dict[str, Any], path: Path) -> dict[str, Any]:
    """What recipes/evaluate.py wrote, in the shape of comparisons; trainings and comparisons as they are.

    Raises:
        UserError: the results are of another kind, as the demo's are and those of scripts that measure other things.
    """
    if not any(isinstance(results.get(name), dict) for name in ("averages", "data", "test")):
        raise refused_results(str(path), "results of no training, comparison or evaluation")
    if "data" not in results:
        return results
    with told_fields(str(path)):
        ranked = {
            name: {kind: {"cells": 1, **row} for kind, row in part.items() if kind in _NAMES}
            for name, part in results["data"].items()
            if "sne" in part
        }
        trained = f"{results['predictor']['name']} {results['predictor']['version']}"
    return {"averages": ranked, "cells": {f"{trained} -> {name}": row for name, row in ranked.items()}}


def _margin(name: str, row: Mapping[str, Any]) -> Margin:
    low, value, high = (float(row["sne_above"][end]) for end in ("low", "value", "high"))
    if not -2 <= low <= value <= high <= 2:
        raise ValueError(f"{name}: SNE above it {value} ({low} to {high})")
    return Margin(_NAMES.get(name, name), value, low, high, int(row["cells"]))


def in_order(names: Iterable[str]) -> list[str]:
    """Names of rows, each once: SNE, its variants as they come, and the other predictors in an order of their own."""
    places = {name: place for place, name in enumerate(dict.fromkeys(_NAMES.values()))}
    return sorted(dict.fromkeys(names), key=lambda name: places.get(name, 0.5))


def training_board(name: str, results: Mapping[str, Any]) -> Board:
    """A row a zoo: tau with its 95 % interval for SNE and the weight-statistics baseline, and the intervals' coverage.

    The last column: tau of both among the most accurate third of the undamaged networks.
    """
    return _training_board(_training_rows(name, results))


def spread(value: Mapping[str, float], form: str) -> str:
    """A figure with the interval it has in results, every number in the format ``form``."""
    return f"{value['value']:{form}} ({value['low']:{form}} to {value['high']:{form}})"


def best_third(row: Mapping[str, Any]) -> str:
    """Tau of both predictors among a zoo's best networks; nothing where there are too few, or results are older."""
    best = row.get("best_third")
    return " / ".join(f"{best[name]['value']:.2f}" for name in ("sne", "weight_statistics")) if best else ""


def _training_board(rows: Sequence[Sequence[str]]) -> Board:
    headings = ["predictor", "tested on", "networks", "SNE tau", "weight statistics tau", "SNE MAE"]
    headings += ["weight statistics MAE", "interval covers", "zoo interval covers", "best third"]
    return Board("Trainings, on test runs and on groups that were left out", headings, rows, names=2)


def _comparison_board(columns: Mapping[str, Mapping[str, str]]) -> Board:
    """A row a predictor, a column a task: mean tau over the cells, and by how much SNE is above it there."""
    names = [_CELLS, *in_order(name for column in columns.values() for name in column if name != _CELLS)]
    rows = [[name, *(column.get(name, "-") for column in columns.values())] for name in names]
    return Board("Comparisons: mean tau over the cells, and SNE above it", ["", *columns], rows, names=1)


def _comparison_columns(task: str, results: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The cells of each group of folds, by the name of their row."""
    return {
        f"{task}, {group}": {_CELLS: str(averages["sne"]["cells"])}
        | {_NAMES.get(name, name): _average(name, row, averages["sne"]["cells"]) for name, row in averages.items()}
        for group, averages in results["averages"].items()
    }


def _behind_rows(task: str, cells: Mapping[str, Any]) -> list[list[str]]:
    """The predictor with the highest tau in each cell where that is not SNE."""
    rows = []
    for cell, row in cells.items():
        found = {name: each for name, each in row.items() if isinstance(each, Mapping) and "kendall_tau" in each}
        best = max(found, key=lambda name: found[name]["kendall_tau"]["value"], default="sne")
        if best != "sne" and "sne" in found:
            trained, tested = cell.split(" -> ")
            # Results of earlier versions do not tell the margin.
            above = spread(found[best]["sne_above"], "+.2f") if "sne_above" in found[best] else ""
            taus = (spread(found[name]["kendall_tau"], ".2f") for name in (best, "sne"))
            rows.append([task, trained, tested, _NAMES.get(best, best), *taus, above])
    return rows


def _task(path: Path) -> str:
    """``recipes/TASK/results/results.json`` is the task's; other files are called after themselves or their folder."""
    if path.stem != "results":
        return path.stem
    folder = path.resolve().parent
    return folder.parent.name if folder.name in ("results", "predictor") else folder.name


def _training_rows(name: str, results: Mapping[str, Any]) -> list[list[str]]:
    rows = [_training_row(name, zoo, row) for zoo, row in results["test"].items()]
    for group, left_out in results["left_out"].items():
        rows += [_training_row(f"{name} without {group}", zoo, row) for zoo, row in left_out.items()]
    return rows


def _training_row(trained: str, tested: str, row: Mapping[str, Any]) -> list[str]:
    sne, baseline = row["sne"], row["weight_statistics"]
    taus = (spread(kind["kendall_tau"], ".3f") for kind in (sne, baseline))
    errors = (f"{kind['mae']['value']:.3f}" for kind in (sne, baseline))
    figures = [str(sne["networks"]), *taus, *errors, f"{sne['interval_coverage']:.2f}"]
    # Results of earlier versions do not tell it.
    figures.append(f"{sne['zoo_interval_coverage']:.2f}" if "zoo_interval_coverage" in sne else "")
    return [trained, tested, *figures, best_third(row)]


def _average(name: str, row: Mapping[str, Any], cells: int) -> str:
    if not row["cells"]:
        return "-"
    some = f", {row['cells']} cells" if row["cells"] < cells else ""
    above = "" if name == "sne" else f"; SNE {spread(row['sne_above'], '+.2f')}"
    return f"{spread(row['kendall_tau'], '.2f')}{some}{above}"
