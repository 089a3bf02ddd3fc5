"""``hf-sne zoo``: make, look at and convert model zoos."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hf_sne.cli.console import REFUSED, notes_console, results_console
from hf_sne.cli.progress import show_progress
from hf_sne.escape import visible

if TYPE_CHECKING:
    from pandas import DataFrame

    from hf_sne.zoo.manifest import Manifest
    from hf_sne.zoo.workers import Backend

app = typer.Typer(help="Make, look at and convert model zoos.", no_args_is_help=True)

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Zoo folder.")]


@app.command("make")
def make_command(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="What to train; recipes/zoos holds examples.")],
    output: Annotated[Path, typer.Option(help="Zoo folder; run the same command again to resume.")],
    data: Annotated[str | None, typer.Option(help="Images to train on instead of the plan's.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Training processes on the CPU; 0: one a core.")] = 0,
    device: Annotated[str, typer.Option(help="auto (a GPU when there is one), cpu, cuda or cuda:N.")] = "auto",
    population: Annotated[int, typer.Option(min=0, help="Networks trained at once; 0: what suits the device.")] = 0,
    ray: Annotated[bool, typer.Option("--ray", help="Train on a Ray cluster (pip install 'hf-sne\\[ray]').")] = False,
    ray_address: Annotated[str | None, typer.Option(help="Of a running Ray cluster; default: this machine.")] = None,
) -> None:
    """Train the networks of a plan and write them as a data set with its card.

    Resumable: a killed job loses at most a minute's training of the networks in flight. Populations of networks of one
    architecture are trained at once; plans that repeat architectures are faster.
    """
    from dataclasses import replace

    from hf_sne.zoo.make import make_zoo
    from hf_sne.zoo.plan import Plan

    settings = Plan.from_yaml(plan)
    if data is not None:
        settings = replace(settings, data=data)
    backend = _backend(workers, device, ray=ray or ray_address is not None, address=ray_address)
    show_progress(make_zoo(settings, output, backend, population), output.resolve().name)
    info_command(output)
    results_console().print(f"card: {visible(str(output))}/README.md", highlight=False, markup=False, soft_wrap=True)


def _backend(workers: int, device: str, *, ray: bool, address: str | None) -> "Backend":
    import os

    import torch

    from hf_sne.zoo.scale_out import RayWorkers
    from hf_sne.zoo.workers import LocalWorkers

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise typer.BadParameter(f"--device is {device!r}, not auto, cpu, cuda or cuda:N")
    if not ray and device != "cpu" and not torch.cuda.is_available():
        raise typer.BadParameter(f"--device is {device}, and torch finds no GPU here")
    return RayWorkers(address, device) if ray else LocalWorkers(workers or len(os.sched_getaffinity(0)), device)


@app.command("info")
def info_command(
    folder: _Folder,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file and compare with the manifest.")] = False,
) -> None:
    """Say what a zoo holds. Exit code 1 when --verify finds a difference."""
    from hf_sne.zoo.manifest import Manifest

    manifest = Manifest.read(folder)
    faults = list(manifest.faults(folder)) if verify else []
    for fault in faults:
        results_console().print(visible(fault), highlight=False, markup=False, soft_wrap=True)
    if faults:
        raise typer.Exit(REFUSED)
    _print_contents(folder, manifest)
    if verify:
        results_console().print(f"{len(manifest.files)} files are as the manifest says", highlight=False)


def _print_contents(folder: Path, manifest: "Manifest") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from hf_sne.cards import counted
    from hf_sne.zoo.card import read_labels, split_order

    labels = read_labels(folder, manifest)
    total = f"{counted(len(labels), 'checkpoint')} of {counted(labels['run'].nunique(), 'network')}"
    title = f"{visible(str(folder))}: {total}; 5 %, median and 95 % of the test accuracies"
    results_console().print(title, highlight=False, markup=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False)
    table.add_column("family", overflow="fold")
    for name in ("networks", "checkpoints", "parameters", "5 %", "median", "95 %", "diverged"):
        table.add_column(name, justify="right", no_wrap=True)
    for family, part in labels.groupby("family", sort=False):
        table.add_row(*_summary(str(family), part))
    results_console().print(table)
    for split, part in sorted(labels.groupby("split"), key=lambda group: split_order(str(group[0]))):
        line = f"{split}: {counted(len(part), 'checkpoint')} of {counted(part['run'].nunique(), 'network')}"
        results_console().print(line, highlight=False, markup=False)


def _summary(family: str, labels: "DataFrame") -> list[str]:
    fewest, most = labels["parameters"].min(), labels["parameters"].max()
    return [
        escape(visible(family)),
        f"{labels['run'].nunique():,}",
        f"{len(labels):,}",
        f"{fewest:,}" if fewest == most else f"{fewest:,}-{most:,}",
        *(f"{value:.3f}" for value in labels["test_accuracy"].quantile([0.05, 0.5, 0.95])),
        f"{int(labels['diverged'].fillna(False).sum()):,}",
    ]


@app.command("convert")
def convert_command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of a published zoo.")],
    output: Annotated[Path, typer.Option(help="Zoo folder to write.")],
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Also read torch pickles, confined; Model Zoos need it.")
    ] = False,
    license: Annotated[str, typer.Option(help="The zoo's licence, as the Hub names it.")] = "unknown",  # noqa: A002
) -> None:
    """Turn a zoo in another layout into this one.

    Read are the Small CNN Zoo (layout.csv, weights*.npy, metrics*.csv), Model Zoos (one folder a model with params.json
    and result.json) and a folder of safetensors files with one CSV table of labels.
    """
    from hf_sne.zoo.convert import convert_zoo

    skipped: list[str] = []
    show_progress(
        convert_zoo(source, output, license, allow_pickle=allow_pickle, skipped=skipped), output.resolve().name
    )
    for line in skipped:
        notes_console().print(f"skipped {line}", highlight=False, markup=False, soft_wrap=True)
    info_command(output)
