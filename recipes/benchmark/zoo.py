"""Zoo making, populations beside one by one, in the same run: python recipes/benchmark/zoo.py --data FOLDER.

One by one is measured twice: in one process with torch's own threads, as a loop over runs would do it, and in a process
of one thread on each core.
"""

import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import typer
from torch import nn

from hf_sne.training.system_info import system_info
from hf_sne.zoo.images import ImageData, load_images, open_images, save_images
from hf_sne.zoo.plan import Plan, Run
from hf_sne.zoo.population.batches import RunImages
from hf_sne.zoo.population.train import initial_network
from hf_sne.zoo.unit import Unit, group
from hf_sne.zoo.workers import LocalWorkers, keep_freed_memory

CASES = [(family, batch) for family in ("small_cnn", "cnn_s", "mlp") for batch in (8, 16, 32, 64)]


def train_alone(run: Run, data: ImageData) -> float:
    """The same training and measuring with torch's own modules and optimiser, as one would write it by hand."""
    module, images = initial_network(run, data), RunImages(run, data)
    optimizer = torch.optim.Adam(module.parameters(), lr=run.training.learning_rate)
    order, size = torch.randperm(len(images)), run.training.batch_size
    module.train()
    for step in range(run.training.steps(len(images))):
        place = order[(torch.arange(size) + step * size) % len(order)]
        optimizer.zero_grad()
        logits = module(data.train_images[images.chosen[place]])
        nn.functional.cross_entropy(logits, images.labels[place]).backward()
        optimizer.step()
    return _accuracy(module, data.train_images[:2000], data.train_labels[:2000]) + _accuracy(
        module, data.test_images, data.test_labels
    )


@torch.no_grad()
def _accuracy(module: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    module.eval()
    logits = torch.cat([module(part) for part in images.split(500)])
    loss = nn.functional.cross_entropy(logits, labels)
    return float((logits.argmax(1) == labels).float().mean() + 0 * loss)


_data: ImageData | None = None


def _start(images: Path, threads: int) -> None:
    global _data
    torch.set_num_threads(threads)
    keep_freed_memory()
    _data = open_images(images)


def _alone(run: Run) -> float:
    assert _data is not None
    return train_alone(run, _data)


def _warm(_: int) -> int:
    time.sleep(1)
    return 0


def measure_alone(runs: list[Run], images: Path, workers: int, threads: int) -> float:
    """Networks a second, processes already started."""
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start, initargs=(images, threads)) as pool:
        list(pool.map(_warm, range(workers)))
        list(pool.map(_alone, runs[:workers]))
        start = time.perf_counter()
        list(pool.map(_alone, runs))
        return len(runs) / (time.perf_counter() - start)


def measure_population(runs: list[Run], images: Path, workers: int) -> float:
    """Networks a second, processes already started: by units of one step, which are not counted."""
    short = replace(runs[0], training=replace(runs[0].training, epochs=1e-9))
    warming = [Unit(f"w{place}", (replace(short, id=f"w{place}"),)) for place in range(16 * workers)]
    with TemporaryDirectory() as folder:
        begun = time.perf_counter()
        for unit, _ in LocalWorkers(workers).train([*warming, *group(runs, "cpu")], images, Path(folder)):
            if unit in warming:
                begun = time.perf_counter()
        return len(runs) / (time.perf_counter() - begun)


def _plan(family: str, batch: int, count: int, epochs: float) -> list[Run]:
    training = {"batch_size": batch, "epochs": epochs, "learning_rate": {"log_uniform": [1e-4, 1e-2]}}
    part = {"runs": count, "runs_per_architecture": count}
    return Plan.from_json({"data": "-", "families": {family: part}, "training": training}).draw_runs()


def main(
    data: Annotated[str, typer.Option(help="digits, a Hub data set id or a local folder.")] = "ylecun/mnist",
    epochs: Annotated[float, typer.Option(help="Of each run.")] = 0.25,
    workers: Annotated[int, typer.Option(help="Processes of one thread each.")] = 2,
    repeats: Annotated[int, typer.Option(help="Rounds; the ways take turns, the best of each counts.")] = 3,
    output: Annotated[Path, typer.Option(help="JSON.")] = Path("recipes/benchmark/results/zoo-cpu.json"),
) -> None:
    """Networks trained and measured a second."""
    results: dict[str, Any] = {"system": system_info(), "data": Path(data).name, "epochs": epochs, "workers": workers}
    with TemporaryDirectory() as folder:
        images = Path(folder) / "images.safetensors"
        save_images(load_images(data), images)
        for family, batch in CASES:
            size = len(group(_plan(family, batch, 1000, epochs), "cpu")[0].runs)
            together, alone = _plan(family, batch, max(64, 2 * workers * size), epochs), _plan(family, batch, 8, epochs)
            rounds = [
                (
                    measure_alone(alone, images, 1, workers),
                    measure_alone(alone, images, workers, 1),
                    measure_population(together, images, workers),
                )
                for _ in range(repeats)
            ]
            plain, parallel, population = (max(column) for column in zip(*rounds, strict=True))
            results[f"{family}, batch {batch}"] = {
                "population": size,
                "one_process_per_s": plain,
                "process_a_core_per_s": parallel,
                "population_per_s": population,
                "over_one_process": population / plain,
                "over_process_a_core": population / parallel,
            }
            told = f"{plain:.2f}, a process a core {parallel:.2f}, populations {population:.2f} a second"
            print(f"{family}, batch {batch}: one process {told}")
    output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
