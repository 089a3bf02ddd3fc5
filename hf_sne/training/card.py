"""The card of a trained predictor, every figure of it from the results."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hf_sne.cards import render_card
from hf_sne.escape import markdown
from hf_sne.models.sne import SneConfig
from hf_sne.zoo.atomic import write_bytes

CARD = "README.md"
_TEMPLATE = "sne_predictor.md"
_TASK = "weight-performance-prediction"


def write_model_card(folder: Path, results: Mapping[str, Any], repo: str = "") -> None:
    """Write ``README.md`` into a predictor's folder.

    Args:
        folder: Of the predictor.
        results: What :func:`~hf_sne.training.experiment.run_experiment` told.
        repo: Hub id that the card's snippets name; by default they say that one goes there.
    """
    import yaml

    config = results["config"]
    model = config["model"]
    name = markdown(str(model.get("predictor_name", "sne")))
    card = render_card(
        _TEMPLATE,
        _metadata(name, results),
        title=f"{name} {markdown(str(model.get('predictor_version', '')))}".strip(),
        repo=repo or "FOLDER_OR_REPO",
        parameters=results["parameters"],
        made_with=results["system"]["hf_sne"],
        networks=sum(splits["train"] for zoo, splits in results["networks"].items() if zoo in config["zoos"]),
        zoos=config["zoos"],
        level=f"{SneConfig(**model).interval_level:.0%}",
        tests=[_row(zoo, row) for zoo, row in results["test"].items()],
        left_out=list(_left_out(results["left_out"])),
        groups=len(results["left_out"]),
        data=", ".join(markdown(data) for data in results["coverage"]["data"]),
        config=yaml.safe_dump(config, sort_keys=False).strip(),
    )
    write_bytes(folder / CARD, card.encode())


def _metadata(name: str, results: Mapping[str, Any]) -> Any:
    from huggingface_hub import EvalResult, ModelCardData

    return ModelCardData(
        license="apache-2.0",
        library_name="hf_sne",
        tags=["weight-space", "model-zoo", "performance-prediction", _TASK],
        model_name=name,
        eval_results=[
            EvalResult(
                task_type=_TASK,
                dataset_type=zoo,
                dataset_name=f"test runs of {zoo}",
                metric_type="kendall_tau",
                metric_value=round(row["sne"]["kendall_tau"]["value"], 3),
            )
            for zoo, row in results["test"].items()
        ],
    )


def _left_out(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[list[str]]:
    for group, rows in groups.items():
        for zoo, row in rows.items():
            yield [markdown(group), *_row(zoo, row)]


def _row(zoo: str, row: Mapping[str, Any]) -> list[str]:
    sne, statistics, best = row["sne"], row["weight_statistics"], row["best_third"]
    return [
        markdown(zoo),
        f"{sne['networks']:,}",
        *(_interval(each["kendall_tau"]) for each in (sne, statistics)),
        " / ".join(f"{best[name]['value']:.2f}" for name in ("sne", "weight_statistics")) if best else "",
        f"{sne['interval_coverage']:.0%}",
        f"{sne['zoo_interval_coverage']:.0%}",
    ]


def _interval(value: Mapping[str, float]) -> str:
    return f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
