"""Score a folder of labelled checkpoints: python recipes/evaluate.py --zoo FOLDER --labels FOLDER/labels.csv."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.progress import track

from hf_sne.evaluation import coverage, evaluate_predictions
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


def rankings(layers: tuple[Layer, ...]) -> dict[str, float]:
    """What else ranks a network without data, by name as in ``RANKINGS``."""
    networks = [read_layers(layers)]
    alpha, weighted_alpha = power_laws(networks)[0]
    values = (mean_log_norms(networks)[0, 0], size_only_features(networks)[0, 0], alpha, weighted_alpha)
    return dict(zip(RANKINGS, map(float, values), strict=True))


KINDS = ("sne", *RANKINGS)


def main(
    zoo: Annotated[Path, typer.Option(help="Folder of safetensors files, one a network.")],
    labels: Annotated[Path, typer.Option(help="CSV: id (file name without ending), test_accuracy, ...")],
    output: Annotated[Path, typer.Option(help="Results JSON.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Predictor, default: the built-in one; again for its other seeds, told beside it."),
    ] = None,
    by: Annotated[str, typer.Option(help="Column that tells data sets apart; each is ranked by itself.")] = "data",
    group: Annotated[str, typer.Option(help="Column of networks that are not independent (run, owner).")] = "run",
    commonest: Annotated[
        str | None, typer.Option(help="Column; networks with its commonest value, and the others, are also told apart.")
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="PNG of predicted against measured accuracies.")] = None,
) -> None:
    """Score every network, and compare with parameter count, mean log norm and WeightWatcher."""
    table = pd.read_csv(labels, dtype={"id": str, "run": str})
    pipe, *others = [load_pipeline(name) for name in model or [None]]
    rows: list[dict[str, Any]] = []
    for record in track(table.to_dict("records"), description="scoring"):
        path = zoo / f"{record['id']}.safetensors"
        (result,) = pipe.iterate([path])
        rows.append({"record": record, "result": result})
        if "score" in result:
            rows[-1]["scores"] = [result["score"], *(other(path)["score"] for other in others)]
            with open_checkpoint(path) as checkpoint:
                rows[-1] |= rankings(checkpoint.layers)
    scored = [row for row in rows if "score" in row["result"]]
    report: dict[str, Any] = {
        "config": {"zoo": zoo.name, "by": by, "group": group, "commonest": commonest},
        "system": system_info(),
        "predictor": pipe.predictor,
        "refused": [row["result"] for row in rows if "score" not in row["result"]],
        "data": {},
    }
    for name, chosen in _parts(scored, by, commonest).items():
        report["data"][name] = _evaluate(chosen, group)
        measured = report["data"][name]
        taus = [f"{kind} {measured[kind]['kendall_tau']['value']:.3f}" for kind in KINDS if kind in measured]
        told = f"tau {', '.join(taus)}" if taus else f"of one {group} alone, not ranked"
        print(f"{name}: {len(chosen)} networks, {told}")
    output.write_text(json.dumps(report, indent=1))
    if figure is not None:
        points = [
            {
                "data": row["record"][by],
                "measured": row["record"]["test_accuracy"],
                "predicted": row["result"]["score"],
            }
            for row in scored
        ]
        scatter_panels({f"{len(points)} networks of {zoo.name}": points}, figure)


def _parts(rows: list[dict[str, Any]], by: str, commonest: str | None) -> dict[str, list[dict[str, Any]]]:
    """The networks of each data set; after them those with the commonest value of a column, and the others."""
    parts = {}
    for name in sorted({row["record"][by] for row in rows}):
        whole = parts[name] = [row for row in rows if row["record"][by] == name]
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
        for name in RANKINGS:
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
