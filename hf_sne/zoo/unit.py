"""A unit of work: a few runs that are trained as one population and recorded in one file, whole or not at all."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from hf_sne.errors import UserError
from hf_sne.zoo.atomic import write_bytes
from hf_sne.zoo.images import ImageData
from hf_sne.zoo.plan import Run
from hf_sne.zoo.population.batches import generator_of
from hf_sne.zoo.population.train import Population, Snapshot, evaluate
from hf_sne.zoo.population.weights import below
from hf_sne.zoo.schema import HYPERPARAMETERS, WEIGHTS, Labels, Layout, Vector

# How long a killed process may have worked in vain, at most.
_STATE_SECONDS = 60.0
# Images of its own training set that a network is measured on.
_MEASURED_TRAINING_IMAGES = 2000
# So many images in a step of the whole population suit a core's cache (measured: recipes/benchmark/zoo.py).
_CPU_IMAGES = 256
_CPU_NETWORKS = 32
_GPU_NETWORKS = 512
_LABELS = "labels"


class UnitFileError(UserError):
    """A unit's record, or what its training left behind, cannot be read."""


@dataclass(frozen=True)
class Unit:
    """Runs of one architecture and batch size."""

    id: str
    runs: tuple[Run, ...]


def group(runs: Sequence[Run], device: str, networks: int = 0) -> list[Unit]:
    """Runs as units, of at most ``networks`` runs; 0: as many as suit the device."""
    alike: dict[str, list[Run]] = {}
    for run in runs:
        settings = run.training
        key = [run.family, run.architecture, settings.batch_size]
        alike.setdefault(json.dumps(key, sort_keys=True), []).append(run)
    groups = []
    for members in alike.values():
        size = networks or _size(device, members[0].training.batch_size)
        # Runs of similar length together, so that few go on alone.
        members.sort(key=lambda run: (run.training.epochs * run.training.train_fraction, run.id))
        groups += [tuple(members[start : start + size]) for start in range(0, len(members), size)]
    return [Unit(f"{index:06d}", members) for index, members in enumerate(groups)]


def _size(device: str, batch_size: int) -> int:
    return min(_CPU_NETWORKS, max(1, _CPU_IMAGES // batch_size)) if device == "cpu" else _GPU_NETWORKS


class UnitFile:
    """The record of a finished unit: label rows and weights, in one safetensors file.

    Raises:
        UnitFileError: the file is no such record, or only a part of one.
    """

    def __init__(self, path: Path) -> None:
        with _told(path):
            self._file: Any = safe_open(path, framework="np")
            self.labels: list[Labels] = json.loads(self._file.get_tensor(_LABELS).tobytes())

    def vector(self, row: int) -> Vector:
        """Weights of one row."""
        vector: Vector = self._file.get_slice(WEIGHTS)[row]
        return vector


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, KeyError, ValueError) as error:
        fix = "delete this file and run again: its networks are trained anew"
        raise UnitFileError(f"{path}: damaged ({error})", fix=fix) from error


def train_unit(unit: Unit, data: ImageData, state: Path | None = None) -> bytes:
    """Train and measure the runs of a unit; the content of its :class:`UnitFile`.

    ``state`` is where the training leaves word of itself every minute, to be taken up again after a kill.

    Raises:
        UnitFileError: ``state`` is damaged.
    """
    return _Training(unit, data, state).run()


class _Training:
    def __init__(self, unit: Unit, data: ImageData, state: Path | None) -> None:
        self._data, self._state, self._kept_at = data, state, time.monotonic()
        self._population = population = Population(unit.runs, data)
        self._images = {run.id: images for run, images in zip(population.runs, population.images, strict=True)}
        self._layout = Layout.of(self._population.module.state_dict())
        self._labels: list[Labels] = []
        self._vectors: list[Vector] = []
        if state is not None and state.exists():
            self._take_up(state)

    def run(self) -> bytes:
        for snapshots in self._population.train():
            self._record(snapshots)
            if self._state is not None and time.monotonic() - self._kept_at > _STATE_SECONDS:
                write_bytes(self._state, self._pack(self._population.state()))
                self._kept_at = time.monotonic()
        return self._pack({})

    def _pack(self, tensors: dict[str, Tensor]) -> bytes:
        rows = np.stack(self._vectors) if self._vectors else np.zeros((0, self._layout.length), np.float32)
        # No metadata, for a safetensors header has a largest size that the labels of a long curve exceed.
        labels = np.frombuffer(json.dumps(self._labels).encode(), np.uint8).copy()
        tensors = {f"state.{name}": value.detach().cpu().contiguous() for name, value in tensors.items()}
        return safetensors.torch.save({WEIGHTS: torch.from_numpy(rows), _LABELS: torch.from_numpy(labels), **tensors})

    def _take_up(self, path: Path) -> None:
        with _told(path):
            kept = safetensors.torch.load_file(path)
            self._labels = json.loads(kept.pop(_LABELS).numpy().tobytes())
            self._vectors = list(kept.pop(WEIGHTS).numpy())
            self._population.restore(below("state", kept))

    def _record(self, snapshots: Sequence[Snapshot]) -> None:
        """Measure and keep some networks, and the damaged twins that their runs ask for."""
        if not snapshots:
            return
        self._measure(snapshots, "none")
        steps = self._population.last_steps
        last = [s for s in snapshots if s.run.training.shuffled_twin and s.step == steps[s.run.id]]
        twins = [twin for snapshot in last if (twin := shuffled(snapshot, self._population.module)) is not None]
        if twins:
            self._measure(twins, "shuffled")

    def _measure(self, snapshots: Sequence[Snapshot], damage: str) -> None:
        for snapshot in snapshots:
            test = self._evaluate(snapshot, self._data.test_images, self._data.test_labels)
            training = self._evaluate(snapshot, *self._training_images(snapshot.run))
            self._vectors.append(self._layout.flatten(snapshot.tensors))
            self._labels.append(self._label(snapshot, damage, training, test))

    def _evaluate(self, snapshot: Snapshot, images: Tensor, labels: Tensor) -> tuple[float, float]:
        inputs = self._data.as_inputs(images, snapshot.run.training.inputs)
        return evaluate(self._population.module, snapshot.tensors, inputs, labels)

    def _training_images(self, run: Run) -> tuple[Tensor, Tensor]:
        """Images the run is trained on, with the labels it is trained on."""
        images, device = self._images[run.id], self._data.train_images.device
        chosen, labels = images.chosen[:_MEASURED_TRAINING_IMAGES], images.labels[:_MEASURED_TRAINING_IMAGES]
        return self._data.train_images[chosen.to(device)], labels.to(device)

    def _label(
        self, snapshot: Snapshot, damage: str, training: tuple[float, float], test: tuple[float, float]
    ) -> Labels:
        (train_loss, train_accuracy), (test_loss, test_accuracy), run = training, test, snapshot.run
        settings = asdict(run.training) | {"seed": run.seed, "activation": run.architecture.get("activation")}
        return {
            "id": f"{run.id}-{snapshot.step:06d}{'' if damage == 'none' else '-' + damage}",
            "run": run.id,
            "family": run.family,
            "arch": self._layout.arch,
            "data": self._data.name,
            "step": snapshot.step,
            "epoch": snapshot.epoch,
            "damage": damage,
            "diverged": not all(bool(value.isfinite().all()) for value in snapshot.tensors.values()),
            "parameters": self._layout.parameters,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "test_loss": test_loss,
            "test_accuracy": test_accuracy,
            "generalization_gap": train_accuracy - test_accuracy,
            **{name: settings[name] for name in HYPERPARAMETERS},
            "architecture": json.dumps(run.architecture, sort_keys=True),
        }


@torch.no_grad()
def shuffled(snapshot: Snapshot, module: nn.Module) -> Snapshot | None:
    """The network with the inputs of one layer shuffled, the layer before left as it was; None if no layer allows it.

    That breaks the function and leaves every tensor's statistics as they were. The first layer is spared, and so are
    layers of one input, which no order changes.
    """
    generator = generator_of(snapshot.run.seed, "shuffled")
    dense = [(name, part) for name, part in module.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    names = [name for name, part in dense[1:] if part.weight.shape[1] > 1]
    if not names:
        return None
    name = f"{names[int(torch.randint(len(names), (), generator=generator))]}.weight"
    weight = snapshot.tensors[name]
    still = torch.arange(weight.shape[1])
    while (order := torch.randperm(len(still), generator=generator)).equal(still):
        pass
    changed = weight[:, order.to(weight.device)]
    return Snapshot(snapshot.run, snapshot.step, snapshot.epoch, {**snapshot.tensors, name: changed})
