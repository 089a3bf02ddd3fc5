"""The card of a trained predictor, every figure of it from the results."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hf_sne.cards import render_card
from hf_sne.escape import markdown
from hf_sne.evaluation.board import best_third, spread
from hf_sne.models.sne import SneConfig
from hf_sne.zoo.atomic import write_bytes

CARD = "README.md"
RESULTS = "results.json"
# Beside the results, drawn by recipes/train.py.
PREDICTED, RELIABILITY = FIGURES = ("predicted.png", "reliability.png")
_TEMPLATE = "sne_predictor.md"
_TASK = "weight-performance-prediction"
_SPLITS = ("train", "validation", "calibration", "test")
_RANKED = (
    ("sne", "kendall_tau", "Kendall tau"),
    ("weight_statistics", "kendall_tau_baseline", "Kendall tau of the baseline, boosting on weight statistics"),
)


def write_model_card(folder: Path, results: Mapping[str, Any], repo: str = "") -> None:
    """Write ``README.md`` into a predictor's folder; it shows the figures that lie there.

    Args:
        folder: Of the predictor.
        results: What :func:`~hf_sne.training.experiment.run_experiment` told.
        repo: Hub id that the card's snippets name; by default they say that one goes there.
    """
    import yaml

    config = results["config"]
    model = config["model"]
    name = str(model.get("predictor_name", "sne"))
    card = render_card(
        _TEMPLATE,
        _metadata(name, results),
        figures=[figure for figure in FIGURES if (folder / figure).is_file()],
        title=markdown(f"{name} {model.get('predictor_version', '')}".strip()),
        repo=repo or "FOLDER_OR_REPO",
        parameters=results["parameters"],
        system=results["system"],
        versions=", ".join(f"{name} {results['system'][name]}" for name in ("torch", "transformers", "accelerate")),
        networks=sum(splits["train"] for zoo, splits in results["networks"].items() if zoo in config["zoos"]),
        zoos=list(_zoos(results)),
        level=f"{SneConfig(**model).interval_level:.0%}",
        tests=[_row(zoo, row) for zoo, row in results["test"].items()],
        behind=[markdown(zoo) for zoo, row in results["test"].items() if _is_behind(row)],
        left_out=list(_left_out(results["left_out"])),
        groups=len(results["left_out"]),
        data=", ".join(markdown(data) for data in results["coverage"]["data"]),
        emissions=results.get("emissions"),
        config=yaml.safe_dump(config, sort_keys=False).strip(),
    )
    write_bytes(folder / CARD, card.encode())


def _metadata(name: str, results: Mapping[str, Any]) -> Any:
    from huggingface_hub import ModelCardData

    return ModelCardData(
        library_name="transformers",
        tags=["hf_sne", "weight-space", "model-zoo", "performance-prediction", _TASK],
        model_name=name,
        datasets=results.get("zoos_on_hub") or None,
        co2_eq_emissions=_emissions(results),
        eval_results=[result for zoo, row in results["test"].items() for result in _eval_results(zoo, row)],
    )


def _emissions(results: Mapping[str, Any]) -> dict[str, Any] | None:
    """As the Hub's metadata tell them; None where they were not measured."""
    measured = results.get("emissions")
    return measured and {
        "emissions": round(measured["co2_grams"], 3),
        "source": f"codecarbon {measured['codecarbon']}",
        "training_type": "pre-training",
        "geographical_location": measured["country"],
        "hardware_used": results["system"]["device"],
    }


def _eval_results(zoo: str, row: Mapping[str, Any]) -> Iterator[Any]:
    """Tau of the predictor and, under a type of its own, of the baseline on the same networks."""
    from huggingface_hub import EvalResult

    for who, metric_type, label in _RANKED:
        tau = {name: round(value, 3) for name, value in row[who]["kendall_tau"].items()}
        low, high = tau["low"], tau["high"]
        yield EvalResult(
            task_type=_TASK,
            # An id, as the Hub wants it.
            dataset_type=re.sub(r"[^\w./-]+", "-", zoo),
            dataset_name=f"test runs of {zoo}",
            metric_type=metric_type,
            metric_name=f"{label} ({row['sne']['networks']} networks; 95 % interval {low:.3f} to {high:.3f})",
            metric_value=tau["value"],
            metric_args={"confidence_level": 0.95, "low": low, "high": high},
        )


def _zoos(results: Mapping[str, Any]) -> Iterator[list[str]]:
    """Name and networks in each split of the zoos that were trained on."""
    for zoo in results["config"]["zoos"]:
        yield [markdown(zoo), *(f"{results['networks'][zoo].get(split, 0):,}" for split in _SPLITS)]


def _left_out(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[list[str]]:
    for group, rows in groups.items():
        for zoo, row in rows.items():
            yield [markdown(group), *_row(zoo, row)]


def _is_behind(row: Mapping[str, Any]) -> bool:
    return bool(row["sne"]["kendall_tau"]["value"] < row["weight_statistics"]["kendall_tau"]["value"])


def _row(zoo: str, row: Mapping[str, Any]) -> list[str]:
    sne, statistics = row["sne"], row["weight_statistics"]
    return [
        markdown(zoo),
        f"{sne['networks']:,}",
        *(spread(each["kendall_tau"], ".2f") for each in (sne, statistics)),
        best_third(row),
        " / ".join(f"{each['mae']['value']:.3f}" for each in (sne, statistics)),
        f"{sne['interval_coverage']:.0%}",
        f"{sne['zoo_interval_coverage']:.0%}",
    ]
