"""Several seeds of one training as one table: python recipes/seeds.py runs/seed-0 runs/seed-1 --output results.json."""

import json
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from hf_sne.errors import UserError
from hf_sne.escape import visible
from hf_sne.evaluation.results_file import read_results
from hf_sne.training.card import RESULTS
from hf_sne.training.cells import Predictions, measure_cells
from hf_sne.training.experiment import PREDICTOR
from hf_sne.training.folds import Cell
from hf_sne.zoo.atomic import write_bytes
from hf_sne.zoo.entries import ACCURACY, ZooEntry

NETWORK = ["left_out", "zoo", "id"]
# Names that `hf-sne results` knows -> columns of predictions.csv.
COLUMNS = {"sne": "score", "statistics_boosting": "weight_statistics"}


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders that recipes/train.py --output made, one for each seed.")],
    output: Annotated[Path, typer.Option(help="Results JSON, of the shape that comparisons have.")],
) -> None:
    """Mean tau over the seeds of every zoo's test networks, and of every group's where that was left out."""
    try:
        trained = [read_results(run / PREDICTOR / RESULTS) for run in runs]
        first = trained[0]
        results = {"config": first["config"], "system": first["system"], "trainings": list(map(_told, trained))}
        results |= measure(_read(runs), first["config"]["leave_out"])
    except UserError as error:
        typer.echo(visible(str(error)), err=True)
        raise typer.Exit(2) from error
    write_bytes(output, json.dumps(results, indent=1).encode() + b"\n")
    for group, row in results["averages"].items():
        taus = ", ".join(f"{name} {row[name]['kendall_tau']['value']:.3f}" for name in COLUMNS)
        print(f"{group}, {row['sne']['cells']} cells: tau {taus}")


def measure(tables: list[pd.DataFrame], leave_out: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Cells and averages of ``tables``, the predictions of each seed for the same networks in the same order."""
    groups: dict[str, list[Cell]] = {}
    tests: dict[str, list[ZooEntry]] = {}
    predictions: dict[str, dict[str, list[Predictions]]] = {}
    for (group, zoo), rows in tables[0].groupby(["left_out", "zoo"], sort=False):
        trained, tested = (f"without {group}", f"{group} of {zoo}") if group else ("all zoos", zoo)
        groups.setdefault(_kind(leave_out.get(group)), []).append(Cell(trained, tested))
        tests[tested] = [ZooEntry(row.id, row.run, zoo, (), row.accuracy) for row in rows.itertuples()]
        for name, column in COLUMNS.items():
            seeds = predictions.setdefault(trained, {}).setdefault(name, [{} for _ in tables])
            for seed, table in zip(seeds, tables, strict=True):
                seed[tested] = table.loc[rows.index, column].tolist()
    return measure_cells(list(COLUMNS), ACCURACY, tests, groups, predictions)


def _told(training: dict[str, Any]) -> dict[str, Any]:
    """What is told of each seed by itself: how much the norms count in each model, and what the intervals cover."""
    return {"seed": training["config"]["seed"], **{name: training[name] for name in ("norm_weight", "coverage")}}


def _kind(columns: dict[str, Any] | None) -> str:
    if columns is None:
        return "test runs"
    return "data sets left out" if "data" in columns else "families left out"


def _read(runs: list[Path]) -> list[pd.DataFrame]:
    """The predictions of every run, its networks in one order."""
    tables = []
    for run in runs:
        try:
            table = pd.read_csv(run / "predictions.csv", dtype={"id": str, "run": str}, keep_default_na=False)
        except OSError as error:
            raise UserError(f"{run}: {error}", fix="name folders that recipes/train.py --output made") from error
        tables.append(table.sort_values(NETWORK, kind="stable", ignore_index=True))
        if not tables[0][[*NETWORK, "accuracy"]].equals(tables[-1][[*NETWORK, "accuracy"]]):
            raise UserError(
                f"{run}: {len(tables[-1])} predictions, of other networks than the {len(tables[0])} of {runs[0]}",
                fix="name runs of one configuration, on zoos that keep a test split of their own",
            )
    return tables


if __name__ == "__main__":
    typer.run(main)
