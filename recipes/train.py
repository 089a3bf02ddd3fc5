"""Train a predictor on zoos: accelerate launch recipes/train.py --zoo FOLDER_OR_HUB_ID, or --config CONFIG.yaml."""

import csv
import json
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from accelerate import Accelerator
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from transformers.utils.logging import disable_progress_bar

from hf_sne.errors import UserError
from hf_sne.escape import spreadsheet_cell, visible
from hf_sne.evaluation.board import spread
from hf_sne.hub import Destination, push
from hf_sne.models.sne.calibration_sne import EVERYTHING
from hf_sne.optional import MissingPackageError
from hf_sne.pipelines.plots import reliability_diagram, scatter_panels
from hf_sne.training import trainer
from hf_sne.training.card import PREDICTED, RELIABILITY, RESULTS, write_model_card
from hf_sne.training.config import TrainingConfig
from hf_sne.training.emissions import check_measurable, emissions_of, measured_emissions
from hf_sne.training.experiment import PREDICTOR, run_experiment
from hf_sne.training.measure import Measured
from hf_sne.zoo.atomic import write_bytes
from hf_sne.zoo.read import on_hub


def main(
    config: Annotated[Path | None, typer.Option(help="YAML with the fields of TrainingConfig.")] = None,
    zoo: Annotated[
        list[str] | None, typer.Option(help="Zoo, folder or Hub id, in place of the configuration's; again for more.")
    ] = None,
    zoos: Annotated[Path, typer.Option(help="Folder that holds the zoos which are named.")] = Path(),
    output: Annotated[Path, typer.Option(help="Where state and predictor/ go; run again to resume.")] = Path(
        "runs/train"
    ),
    seed: Annotated[int | None, typer.Option(help="In place of the configuration's.")] = None,
    push_to: Annotated[str | None, typer.Option(metavar="ORG/NAME", help="Publish the predictor on the Hub.")] = None,
    private: Annotated[bool, typer.Option("--private", help="With --push-to: make a new repository private.")] = False,
    processes: Annotated[int, typer.Option(help="Stop unless there are this many processes; 0: any number.")] = 0,
    cpu: Annotated[bool, typer.Option("--cpu", help="Do not use a GPU.")] = False,
    carbon: Annotated[
        str | None, typer.Option(metavar="COUNTRY", help="Measure energy and CO2 (extra: carbon); FRA, USA, ...")
    ] = None,
) -> None:
    """Train, calibrate and measure SNE beside the weight-statistics baseline."""
    console = Console(stderr=True)
    disable_progress_bar()
    try:
        settings, zoos = _settings(config, zoo, zoos)
        settings = settings if seed is None else replace(settings, seed=seed)
        if carbon:
            check_measurable(carbon, output)
        destination = Destination(push_to, private=private) if push_to else None
        if destination is not None:
            destination.check_token()
        accelerator = Accelerator(cpu=cpu, log_with=settings.trackers or None, project_dir=output)
        _check_processes(accelerator, processes, console)
        if settings.trackers:
            accelerator.init_trackers("hf_sne")
        with _bar(console, disable=not accelerator.is_main_process) as bar:
            task = bar.add_task("starting", total=settings.epochs, figures="")

            def report(stage: str, progress: trainer.Progress | None) -> None:
                done = progress.epoch if progress else 0
                figures = f"tau {progress.history[-1]['validation_tau']:.3f}" if progress else ""
                bar.update(task, description=stage, completed=done, figures=figures)
                if accelerator.is_main_process and not console.is_terminal:
                    console.print(f"{stage}: epoch {done} {figures}" if progress else stage)

            with measured_emissions(carbon, output) if carbon and accelerator.is_main_process else nullcontext():
                results, rows = run_experiment(settings, zoos, output, accelerator, report)
            bar.remove_task(task)
        accelerator.end_training()
    except UserError as error:
        console.print(f"error: {visible(str(error))}", style="red", markup=False)
        raise typer.Exit(2) from error
    if accelerator.is_main_process:
        _keep({**results, "emissions": emissions_of(output)}, rows, output, console)
        if destination is not None:
            _push(output / PREDICTOR, destination, console)
        else:
            console.print(f"to publish it: hf-sne push {output / PREDICTOR} ORG/NAME")


def _settings(config: Path | None, named: list[str] | None, root: Path) -> tuple[TrainingConfig, Path]:
    """The configuration, and the folder that holds its zoos."""
    if config is None and not named:
        raise UserError("nothing to train on", fix="name a zoo with --zoo, or a configuration with --config")
    settings = TrainingConfig.from_yaml(config) if config else TrainingConfig(zoos=[])
    if not named:
        return settings, root
    # Results and cards tell a folder by its own name, not by where it lies on this machine.
    folders = {zoo: (root / zoo).absolute() for zoo in named if not on_hub(zoo, root)}
    parents = {folder.parent for folder in folders.values()}
    if len(parents) > 1:
        found = ", ".join(named)
        raise UserError(f"zoos in {len(parents)} folders: {found}", fix="put them, or links to them, into one folder")
    names = [folders[zoo].name if zoo in folders else zoo for zoo in named]
    return replace(settings, zoos=names), parents.pop() if parents else root


def _keep(results: dict[str, Any], rows: list[Measured], output: Path, console: Console) -> None:
    """Results, predictions, figures and card, beside the predictor; the main figures on the terminal."""
    predictor = output / PREDICTOR
    write_bytes(predictor / RESULTS, json.dumps(results, indent=1).encode() + b"\n")
    _write_predictions(rows, output / "predictions.csv")
    _draw(rows, results["config"]["zoos"], results["reliability"], predictor, console)
    write_model_card(predictor, results)
    for zoo, row in results["test"].items():
        sne, baseline = (spread(row[name]["kendall_tau"], ".3f") for name in ("sne", "weight_statistics"))
        console.print(f"{visible(zoo):24} tau  SNE {sne}  weight statistics {baseline}", markup=False)
    if results["radius"][1] >= EVERYTHING:
        console.print("interval is [0, 1], for leave_out names no groups to set it by; zoo_interval is set")
    console.print(f"predictions: {output}; predictor, results and figures: {predictor}")
    console.print(f"to use it: hf-sne score ... --model {predictor}")


def _push(predictor: Path, destination: Destination, console: Console) -> None:
    try:
        console.print(f"published: {push(str(predictor), destination)}", markup=False)
    except UserError as error:
        # The training is done and kept; what failed can be run again by itself.
        private = " --private" if destination.private else ""
        console.print(f"{visible(str(error))}, then: hf-sne push {predictor} {destination.repo}{private}", markup=False)
        raise typer.Exit(2) from error


def _write_predictions(rows: list[Measured], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Measured)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            cells = asdict(row).items()
            writer.writerow({name: spreadsheet_cell(cell) if isinstance(cell, str) else cell for name, cell in cells})


def _draw(
    rows: list[Measured], trained_on: list[str], reliability: dict[str, Any], output: Path, console: Console
) -> None:
    """Predicted against measured accuracy, and what the intervals kept."""
    panels: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        panel = "left out in turn" if row.left_out else "test runs" if row.zoo in trained_on else "other zoos"
        panels.setdefault(panel, []).append({"data": row.data, "measured": row.accuracy, "predicted": row.score})
    try:
        scatter_panels(panels, output / PREDICTED)
        lines = {
            "test runs" if name == "test" else f"{name} left out": shares
            for name, shares in reliability["coverage"].items()
        }
        reliability_diagram(reliability["levels"], lines, output / RELIABILITY)
    except MissingPackageError as error:
        console.print(f"[yellow]no figures drawn: {escape(str(error))}")


def _check_processes(accelerator: Accelerator, wanted: int, console: Console) -> None:
    """Say how many processes there are: ``accelerate launch --cpu --num_processes 2`` silently starts one."""
    if accelerator.is_main_process:
        console.print(f"processes: {accelerator.num_processes}, device: {accelerator.device.type}")
    if wanted and wanted != accelerator.num_processes:
        raise UserError(
            f"asked for {wanted} processes, got {accelerator.num_processes}",
            fix="on CPU use: accelerate launch --multi_gpu --num_processes 2 recipes/train.py --cpu ...",
        )


def _bar(console: Console, *, disable: bool) -> Progress:
    epochs, figures = TextColumn("epoch {task.completed}/{task.total}"), TextColumn("{task.fields[figures]}")
    columns = (TextColumn("{task.description}"), BarColumn(), epochs, figures, TimeElapsedColumn())
    return Progress(*columns, console=console, disable=disable)


if __name__ == "__main__":
    typer.run(main)
