"""``hf-sne demo``: train small networks, score each from its weights alone, compare with what they really reach."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hf_sne.cli.console import notes_console, results_console
from hf_sne.cli.encoder import load_encoder
from hf_sne.escape import ascii_json

if TYPE_CHECKING:
    from hf_sne.zoo.plan import Run

_DATA = "digits"
_WORKERS = 2
# The digits are 1,078 training images: an epoch is a fraction of a second.
_MAX_EPOCHS = 30

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
    from hf_sne.pipelines.plots import require_matplotlib, scatter_predictions
    from hf_sne.training.system_info import system_info

    require_matplotlib()
    notes = notes_console()
    folder = output / "networks"
    labels = _train(_plan(networks, seed), folder, notes)
    results = _score([str(folder / f"{label['id']}.safetensors") for label in labels], notes)
    summary = summarise(labels, results)
    picture, record = output / "predicted_vs_measured.png", output / "results.json"
    level, count = summary["interval"]["level"], len(summary["points"])
    title = f"{count} checkpoints of networks trained on {_DATA}, {level:.0%} intervals"
    scatter_predictions(summary["points"], title, picture)
    record.write_text(ascii_json({"system": system_info(), "data": _DATA, "seed": seed, **summary}) + "\n")
    print_report(summary, results_console())
    results_console().print(f"picture: {picture}\nresults: {record}", highlight=False, markup=False, soft_wrap=True)


def _plan(networks: int, seed: int) -> "list[Run]":
    """``networks`` runs, as evenly as can be over the families there are."""
    from hf_sne.zoo.families import FAMILIES
    from hf_sne.zoo.plan import draw_runs

    families = sorted(FAMILIES)
    runs: list[Run] = []
    for place, family in enumerate(families):
        share = len(range(place, networks, len(families)))
        runs += draw_runs(family, share, seed, max_epochs=_MAX_EPOCHS)
    return runs


def _train(runs: "Sequence[Run]", folder: Path, notes: Console) -> list[dict[str, Any]]:
    """The label row of every checkpoint of the runs, ordered by id."""
    from hf_sne.zoo.populate import populate

    families = ", ".join(sorted({run.family for run in runs}))
    notes.print(f"Training {len(runs)} networks ({families}) on {_DATA}, {_WORKERS} at a time", highlight=False)
    done = _with_progress(populate(runs, _DATA, folder, _WORKERS), len(runs), "Training", notes)
    return sorted((label for labels in done for label in labels), key=lambda label: str(label["id"]))


def _score(paths: Sequence[str], notes: Console) -> list[Any]:
    notes.print(f"Scoring {len(paths)} checkpoints of them from the weights alone", highlight=False)
    return list(_with_progress(load_encoder().iterate(paths), len(paths), "Scoring", notes))


def _with_progress(items: Iterable[_T], total: int, title: str, notes: Console) -> Iterator[_T]:
    """The items, beside a bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as progress:
        yield from progress.track(items, total=total, description=title)
