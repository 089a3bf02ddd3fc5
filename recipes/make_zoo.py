"""Make a zoo of one family: python recipes/make_zoo.py --family cnn --data ylecun/mnist --output FOLDER."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hf_sne.zoo.plan import draw_runs
from hf_sne.zoo.populate import populate, write_labels


def main(
    family: Annotated[str, typer.Option(help="cnn, mlp or resnet.")],
    data: Annotated[str, typer.Option(help="digits, a Hub data set id, or a local folder that load_dataset reads.")],
    output: Annotated[Path, typer.Option(help="Zoo folder; run again to resume or to add runs.")],
    runs: Annotated[int, typer.Option(min=1, help="Networks to train; each keeps two to four checkpoints.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the plan.")] = 0,
    max_epochs: Annotated[int, typer.Option(min=1, help="Each run trains 1 to this many epochs.")] = 6,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one network at a time each.")] = os.cpu_count() or 1,
) -> None:
    """Train a zoo and write its label table."""
    plan = draw_runs(family, runs, seed, max_epochs)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    checkpoints = 0
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(f"training {output.name}", total=runs)
        for rows in populate(plan, data, output, workers):
            checkpoints += len(rows)
            progress.advance(task)
    print(f"{checkpoints} checkpoints of {runs} runs: {write_labels(output)}")


if __name__ == "__main__":
    typer.run(main)
