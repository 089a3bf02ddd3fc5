"""Train the runs of a plan and keep their checkpoints: one safetensors file a snapshot and one label row."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from hf_sne.errors import UserError
from hf_sne.zoo.families import build_network
from hf_sne.zoo.images import ImageData, load_images
from hf_sne.zoo.plan import Run

LABELS = "labels.csv"
_RUNS = "runs"


def train_run(run: Run, data: ImageData, folder: Path) -> list[dict[str, Any]]:
    """Train one network and write its snapshots; the label rows, one a checkpoint.

    The last one is the final network damaged: the inputs of one layer shuffled, the layer before left as it was, which
    breaks the function and leaves every tensor's statistics as they were. It is measured like every other.
    """
    torch.manual_seed(run.seed)
    network = build_network(run.family, run.architecture, data.shape, data.classes)
    images, labels = _training_subset(run, data)
    steps = max(1, run.epochs * len(images) // run.batch_size)
    wanted = sorted({round(fraction * steps) for fraction in run.snapshots})
    rows = [
        _snapshot(network, run, data, folder, step, "none")
        for step in _train(network, run, images, labels, steps, wanted)
    ]
    if shuffle_inputs(network, run.seed):
        rows.append(_snapshot(network, run, data, folder, steps, "shuffled"))
    return rows


def _training_subset(run: Run, data: ImageData) -> tuple[Tensor, Tensor]:
    """The run's share of the training images, with ``label_noise`` of the labels drawn anew."""
    generator = torch.Generator().manual_seed(run.seed)
    chosen = torch.randperm(len(data.train_images), generator=generator)
    chosen = chosen[: max(run.batch_size, int(run.train_fraction * len(chosen)))]
    labels = data.train_labels[chosen].clone()
    noisy = torch.rand(len(labels), generator=generator) < run.label_noise
    labels[noisy] = torch.randint(data.classes, (int(noisy.sum()),), generator=generator)
    return data.train_images[chosen], labels


def _train(
    network: nn.Module, run: Run, images: Tensor, labels: Tensor, steps: int, wanted: Sequence[int]
) -> Iterator[int]:
    """Train for ``steps``, pausing at every wanted step so that the caller can look at the network."""
    kinds: dict[str, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    extra = {"momentum": 0.9} if run.optimizer == "sgd" else {}
    optimizer = kinds[run.optimizer](network.parameters(), lr=run.learning_rate, weight_decay=run.weight_decay, **extra)
    order = torch.empty(0, dtype=torch.long)
    if 0 in wanted:
        yield 0
    for step in range(1, steps + 1):
        network.train()
        if len(order) < run.batch_size:
            order = torch.cat([order, torch.randperm(len(images))])
        batch, order = order[: run.batch_size], order[run.batch_size :]
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        if step in wanted:
            yield step


@torch.no_grad()
def shuffle_inputs(network: nn.Module, seed: int) -> bool:
    """Shuffle the inputs of a layer that has hidden units before it; False where the network has no such layer."""
    generator = torch.Generator().manual_seed(seed)
    dense = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    if len(dense) < 2:
        return False
    weight = dense[int(torch.randint(1, len(dense), (), generator=generator))].weight
    weight.copy_(weight[:, torch.randperm(weight.shape[1], generator=generator)])
    return True


@torch.no_grad()
def _evaluate(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    network.eval()
    logits = torch.cat([network(part) for part in images.split(1000)])
    loss = float(nn.functional.cross_entropy(logits, labels))
    return loss, float((logits.argmax(1) == labels).float().mean())


def _snapshot(network: nn.Module, run: Run, data: ImageData, folder: Path, step: int, damage: str) -> dict[str, Any]:
    """Measure and write one checkpoint; diverged networks (NaN weights) are recorded, not hidden."""
    name = f"{run.run}-{step:06d}{'' if damage == 'none' else '-' + damage}"
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, folder / f"{name}.safetensors")
    train_loss, train_accuracy = _evaluate(network, data.train_images[:2000], data.train_labels[:2000])
    test_loss, test_accuracy = _evaluate(network, data.test_images, data.test_labels)
    finite = all(bool(value.isfinite().all()) for value in network.parameters())
    return {
        "id": name,
        "run": run.run,
        "step": step,
        "family": run.family,
        "data": data.name,
        "damage": damage,
        "diverged": not finite,
        "parameters": sum(value.numel() for value in network.parameters()),
        "train_loss": train_loss,
        "train_accuracy": train_accuracy,
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
        **run.as_row(),
    }


_worker_data: ImageData | None = None


def _start_worker(source: str) -> None:
    global _worker_data
    torch.set_num_threads(1)
    _worker_data = load_images(source)


def _populate_run(run: Run, folder: Path) -> list[dict[str, Any]]:
    assert _worker_data is not None
    rows = train_run(run, _worker_data, folder)
    record = folder / _RUNS / f"{run.run}.json"
    part = record.with_suffix(".part")
    part.write_text(json.dumps(rows))
    part.replace(record)
    return rows


def populate(runs: Sequence[Run], source: str, folder: Path, workers: int) -> Iterator[list[dict[str, Any]]]:
    """Train the runs that ``folder`` lacks, a process a worker; yields each run's label rows, resumed ones first.

    A run counts as done only once its record is in place (atomic rename), so a killed job loses at most the runs in
    flight. :func:`write_labels` turns the records into one table.
    """
    (folder / _RUNS).mkdir(parents=True, exist_ok=True)
    missing = []
    for run in runs:
        record = folder / _RUNS / f"{run.run}.json"
        if record.exists():
            rows = json.loads(record.read_text())
            _check_same(rows[0], run, source, folder)
            yield rows
        else:
            missing.append(run)
    if not missing:
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(source,)
    ) as pool:
        try:
            for done in as_completed([pool.submit(_populate_run, run, folder) for run in missing]):
                yield done.result()
        finally:
            # A caller that stops early waits for the runs in flight, not for the whole plan.
            pool.shutdown(cancel_futures=True)


def _check_same(row: dict[str, Any], run: Run, source: str, folder: Path) -> None:
    """Refuse to take up a zoo that was made with another plan or of other data under the same names."""
    wanted = {**run.as_row(), "data": Path(source).name}
    for name, value in wanted.items():
        if row[name] != value:
            raise UserError(
                f"{folder}: run {run.run} was made with {name} {row[name]!r}, this plan has {value!r}",
                fix="give another folder, or the settings that the zoo was made with",
            )


def write_labels(folder: Path) -> Path:
    """Gather the records of a zoo folder into its label table, one row a checkpoint."""
    import pandas as pd

    rows = [row for record in sorted((folder / _RUNS).glob("*.json")) for row in json.loads(record.read_text())]
    table = folder / LABELS
    pd.DataFrame(rows).to_csv(table, index=False)
    return table
