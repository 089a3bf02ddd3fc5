"""``hf-sne demo``: train small networks, score each from its weights alone, compare with what they really reach."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hf_sne.cli.console import notes_console, results_console
from hf_sne.cli.encoder import load_encoder
from hf_sne.cli.progress import show_progress
from hf_sne.escape import ascii_json
from hf_sne.optional import require

if TYPE_CHECKING:
    from torch import Tensor

    from hf_sne.zoo.plan import Plan

    Network = tuple[dict[str, Any], dict[str, Tensor]]

_DATA = "digits"
_WORKERS = 2
_FAMILIES = ("cnn", "mlp", "resnet")
# Spread widely on purpose, from failures to good networks. The digits are 1,078 training images: an epoch is a fraction
# of a second.
_TRAINING = {
    "optimizer": {"choice": ["momentum", "adam", "adamw"]},
    "learning_rate": {"log_uniform": [3e-4, 3e-2]},
    "weight_decay": {"log_uniform": [1e-6, 1e-2]},
    "dropout": {"choice": [0.0, 0.0, 0.3]},
    "batch_size": {"choice": [32, 64]},
    "epochs": {"integers": [1, 30]},
    "train_fraction": {"choice": [0.1, 0.3, 1.0, 1.0]},
    "label_noise": {"choice": [0.0, 0.0, 0.0, 0.1, 0.3]},
    "checkpoints": [{"uniform": [0.05, 0.6]}, 1.0],
    "shuffled_twin": True,
}

_T = TypeVar("_T")


def demo_command(
    networks: Annotated[int, typer.Option(min=6, help="How many networks to train.")] = 36,
    output: Annotated[Path, typer.Option(help="Folder for networks, picture and results.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Seed of the plan: architectures and how each is trained.")] = 0,
) -> None:
    """Train small networks on handwritten digits and compare predicted with measured test accuracy.

    The networks range from failures to good ones, of several architectures; each is scored from its weights alone by
    the built-in encoder, which never saw these images. A second call with the same settings reuses the networks.
    """
    from hf_sne.cli.demo_report import print_report, summarise
    from hf_sne.pipelines.plots import scatter_predictions
    from hf_sne.training.system_info import system_info

    require("matplotlib", "the picture", "plot")
    notes = notes_console()
    trained = _train(_plan(networks, seed), output / "zoo", notes)
    results = _score(trained, notes)
    summary = summarise([labels for labels, _ in trained], results)
    picture, record = output / "predicted_vs_measured.png", output / "results.json"
    level, count = summary["interval"]["level"], len(summary["points"])
    title = f"{count} checkpoints of networks trained on {_DATA}, {level:.0%} intervals"
    scatter_predictions(summary["points"], title, picture)
    record.write_text(ascii_json({"system": system_info(), "data": _DATA, "seed": seed, **summary}) + "\n")
    print_report(summary, results_console())
    results_console().print(f"picture: {picture}\nresults: {record}", highlight=False, markup=False, soft_wrap=True)


def _plan(networks: int, seed: int) -> "Plan":
    """``networks`` runs, as evenly as can be over the families."""
    from hf_sne.zoo.plan import Plan

    shares = {family: len(range(place, networks, len(_FAMILIES))) for place, family in enumerate(_FAMILIES)}
    families = {family: {"runs": share} for family, share in shares.items()}
    splits = {"demo": 1.0}
    return Plan.from_json(
        {"data": _DATA, "seed": seed, "families": families, "training": _TRAINING, "splits": splits}, "demo"
    )


def _train(plan: "Plan", folder: Path, notes: Console) -> "list[Network]":
    """Every checkpoint of the plan, ordered by id."""
    from hf_sne.zoo.make import make_zoo
    from hf_sne.zoo.read import read_networks
    from hf_sne.zoo.workers import LocalWorkers

    families = ", ".join(plan.families)
    runs = sum(part.runs for part in plan.families.values())
    notes.print(f"Training {runs} networks ({families}) on {_DATA}, {_WORKERS} at a time", highlight=False)
    show_progress(make_zoo(plan, folder, LocalWorkers(_WORKERS)), "zoo")
    networks = [(labels, tensors) for labels, tensors, _ in read_networks(folder)]
    return sorted(networks, key=lambda network: str(network[0]["id"]))


def _score(networks: "Sequence[Network]", notes: Console) -> list[Any]:
    notes.print(f"Scoring {len(networks)} checkpoints of them from the weights alone", highlight=False)
    sources = [tensors for _, tensors in networks]
    return list(_with_progress(load_encoder().iterate(sources), len(sources), "Scoring", notes))


def _with_progress(items: Iterable[_T], total: int, title: str, notes: Console) -> Iterator[_T]:
    """The items, beside a bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as progress:
        yield from progress.track(items, total=total, description=title)
