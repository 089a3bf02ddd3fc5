"""Score labelled checkpoints: python recipes/evaluate.py --zoo FOLDER --labels labels.csv --output results.json."""

import json
from collections import Counter
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.progress import track

from hf_sne.errors import UserError
from hf_sne.escape import visible
from hf_sne.evaluation import coverage, evaluate_predictions
from hf_sne.evaluation.board import spread
from hf_sne.evaluation.resampling import Resampled, Resamples
from hf_sne.models.baselines.norms import mean_log_norms
from hf_sne.models.baselines.power_laws import power_laws
from hf_sne.models.baselines.weight_statistics import size_only_features
from hf_sne.pipelines import load_pipeline
from hf_sne.pipelines.plots import scatter_panels
from hf_sne.training.system_info import system_info
from hf_sne.weights import Layer, open_checkpoint
from hf_sne.zoo.entries import read_layers

RANKINGS = ("mean_log_norm", "log_parameters", "weightwatcher_alpha", "weightwatcher_weighted_alpha")
# Of every network the one that it is, where nothing tells which are not independent.
EACH = "id"


def main(
    zoo: Annotated[Path, typer.Option(help="Folder of safetensors files, one a network.")],
    labels: Annotated[Path, typer.Option(help="CSV: id (file name without ending), test_accuracy, ...")],
    output: Annotated[Path, typer.Option(help="Results JSON.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Predictor, default: the built-in one; again for its other seeds, told beside it."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Column of data sets, each ranked by itself; default: data, if any."),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Column of networks that are not independent (owner); default: run, if any.")
    ] = None,
    commonest: Annotated[
        str | None, typer.Option(help="Column; networks with its commonest value, and the others, are also told apart.")
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="PNG of predicted against measured accuracies.")] = None,
) -> None:
    """Score every network, and compare with parameter count, mean log norm and WeightWatcher where it is installed."""
    try:
        table = _read_labels(labels)
        by, group = _column(table, by, "data"), _column(table, group, "run") or EACH
        _column(table, commonest, "")
        pipe, *others = [load_pipeline(name) for name in model or [None]]
    except UserError as error:
        typer.echo(f"error: {visible(str(error))}", err=True)
        raise typer.Exit(2) from error
    records = [{**record, "data set": record[by] if by else zoo.name} for record in table.to_dict("records")]
    rows = [_score(record, zoo, pipe, others) for record in track(records, description="scoring")]
    scored = [row for row in rows if "score" in row["result"]]
    report: dict[str, Any] = {
        "config": {"zoo": zoo.name, "by": by, "group": group, "commonest": commonest},
        "system": system_info(),
        "predictor": pipe.predictor,
        "refused": [row["result"] for row in rows if "score" not in row["result"]],
        "data": {name: _evaluate(chosen, group) for name, chosen in _parts(scored, commonest).items()},
    }
    output.write_text(json.dumps(report, indent=1))
    _tell(report, group, output)
    if figure is not None:
        points = [
            {
                "data": row["record"]["data set"],
                "measured": row["record"]["test_accuracy"],
                "predicted": row["result"]["score"],
            }
            for row in scored
        ]
        scatter_panels({f"{len(points)} networks of {zoo.name}": points}, figure)
        print(f"figure: {figure}")


def _read_labels(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype={"id": str, "run": str})
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {error}", fix="name a CSV with the columns id and test_accuracy") from error
    for column in ("id", "test_accuracy"):
        _column(table, column, "")
    return table


def _column(table: pd.DataFrame, wanted: str | None, default: str) -> str | None:
    """A column of the labels; the default one where none is asked for, and none where that is not there."""
    if wanted is not None and wanted not in table:
        raise UserError(f"the labels have no column {wanted!r}", fix=f"name one of {', '.join(table.columns)}")
    return wanted or (default if default in table else None)


def _score(record: dict[str, Any], zoo: Path, pipe: Any, others: list[Any]) -> dict[str, Any]:
    """What is known of a network, what the predictor says of it, and what else ranks it without data."""
    path = zoo / f"{record['id']}.safetensors"
    (result,) = pipe.iterate([path])
    row = {"record": record, "result": result}
    if "score" in result:
        row["scores"] = [result["score"], *(other(path)["score"] for other in others)]
        with open_checkpoint(path) as checkpoint:
            row |= _rankings(checkpoint.layers)
    return row


def _rankings(layers: tuple[Layer, ...]) -> dict[str, float]:
    networks = [read_layers(layers)]
    values = [mean_log_norms(networks)[0, 0], size_only_features(networks)[0, 0]]
    if find_spec("weightwatcher"):
        values += list(power_laws(networks)[0])
    return dict(zip(RANKINGS, map(float, values), strict=False))


def _tell(report: dict[str, Any], group: str, output: Path) -> None:
    for name, part in report["data"].items():
        kinds = [kind for kind in ("sne", *RANKINGS) if kind in part]
        taus = ", ".join(f"{kind} {spread(part[kind]['kendall_tau'], '.2f')}" for kind in kinds)
        print(f"{name}: {part['networks']} networks, {f'tau {taus}' if taus else f'of one {group} alone, not ranked'}")
    for refused in report["refused"]:
        print(f"refused: {visible(refused['refused']['message'])}")
    if not find_spec("weightwatcher"):
        print("WeightWatcher's alphas are left out: pip install 'hf-sne[bench]'")
    print(f"results: {output}; as tables: hf-sne results {output}")


def _parts(rows: list[dict[str, Any]], commonest: str | None) -> dict[str, list[dict[str, Any]]]:
    """The networks of each data set; after them those with the commonest value of a column, and the others."""
    parts = {}
    for name in sorted({str(row["record"]["data set"]) for row in rows}):
        whole = parts[name] = [row for row in rows if str(row["record"]["data set"]) == name]
        if commonest:
            ((value, _),) = Counter(row["record"][commonest] for row in whole).most_common(1)
            same = parts[f"{name}, {value}"] = [row for row in whole if row["record"][commonest] == value]
            parts[f"{name}, other {commonest}"] = [row for row in whole if row not in same]
    return {name: part for name, part in parts.items() if part}


def _evaluate(rows: list[dict[str, Any]], group: str) -> dict[str, Any]:
    """Rank correlations where there are networks to rank, and how often the intervals cover the truth."""
    truth = np.array([row["record"]["test_accuracy"] for row in rows])
    groups = [str(row["record"][group]) for row in rows]
    scores = np.array([row["result"]["score"] for row in rows])
    result: dict[str, Any] = {
        "networks": len(rows),
        **_interval_report("interval", rows, truth),
        **_interval_report("zoo_interval", rows, truth),
        "in_distribution": float(np.mean([row["result"]["in_distribution"]["verdict"] for row in rows])),
        "bias": float((scores - truth).mean()),
    }
    if len(set(groups)) > 1:
        result["sne"] = evaluate_predictions(scores, truth, groups)
        resamples = Resamples.draw(groups)
        seeds = [resamples.tau(column, truth) for column in np.array([row["scores"] for row in rows]).T]
        mean = Resampled.mean(seeds)
        if len(seeds) > 1:
            taus = [float(seed.values[0]) for seed in seeds]
            result["sne_seeds"] = {"kendall_tau": asdict(mean.interval()), "seeds": taus}
        for name in (name for name in RANKINGS if name in rows[0]):
            values = np.array([row[name] for row in rows])
            ranking = evaluate_predictions(values, truth, groups)
            result[name] = {metric: ranking[metric] for metric in ("kendall_tau", "spearman")}
            tau = resamples.tau(values, truth)
            result[name]["sne_above"] = asdict((seeds[0] - tau).interval())
            if len(seeds) > 1:
                result[name]["sne_seeds_above"] = asdict((mean - tau).interval())
    return result


def _interval_report(kind: str, rows: list[dict[str, Any]], truth: np.ndarray) -> dict[str, float]:
    low, high = np.array([[row["result"][kind][end] for end in ("low", "high")] for row in rows]).T
    return {f"{kind}_coverage": coverage(low, high, truth), f"{kind}_width": float((high - low).mean())}


if __name__ == "__main__":
    typer.run(main)
