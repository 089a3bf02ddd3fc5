"""Make a zoo of a plan: train what is missing, unit by unit, then write the published form."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from hf_sne.errors import UserError
from hf_sne.evaluation.splits import split_by_run
from hf_sne.zoo.atomic import check_space, write_bytes
from hf_sne.zoo.complete import Progress, complete_zoo
from hf_sne.zoo.families import empty_network
from hf_sne.zoo.images import ImageData, load_images, open_images, save_images
from hf_sne.zoo.manifest import MANIFEST, Manifest, ManifestError
from hf_sne.zoo.plan import Plan, Run
from hf_sne.zoo.schema import Layout, Rows
from hf_sne.zoo.unit import Unit, UnitFile, group
from hf_sne.zoo.workers import Backend
from hf_sne.zoo.workspace import WORK, is_whole, workspace

_IMAGES = "images.safetensors"
_UNITS = "units.json"


def make_zoo(plan: Plan, folder: Path, backend: Backend, networks: int = 0) -> Iterator[Progress]:
    """Make the zoo of ``plan`` in ``folder``; iterate to let it work, call it again to take it up.

    Finished units are kept; a kill at any moment loses at most a minute's training of those in flight (on Ray, which
    keeps no state, those in flight). The finished zoo does not depend on how often that happened, nor on the number of
    workers. A script that calls this with local workers does so below ``if __name__ == "__main__":``, for they are
    started by spawning.

    Args:
        plan: What to train.
        folder: Of the zoo; nothing in it is overwritten that another plan made.
        backend: Trains units: :class:`~hf_sne.zoo.workers.LocalWorkers` or :class:`~hf_sne.zoo.scale_out.RayWorkers`.
        networks: Most networks of a population; 0: what suits the device.

    Raises:
        UserError: another plan's zoo is there, another process makes it, the disk is full, the images cannot be read.
    """
    runs = plan.draw_runs()
    split_by_run([run.id for run in runs], plan.splits, plan.seed)  # refused now rather than after the training
    if (folder / MANIFEST).exists():
        _check_same(Manifest.read(folder).source.get("fingerprint"), plan, folder)
    with workspace(folder) as work:
        if is_whole(folder):
            yield Progress("complete", len(runs), len(runs), len(runs))
            return
        yield from _train(plan, runs, work, backend, networks)
        yield from _complete(plan, runs, folder, work)


def is_begun(folder: Path) -> bool:
    """Whether a zoo of some plan is being made in a folder."""
    return (folder / WORK / _UNITS).exists()


def _train(plan: Plan, runs: list[Run], work: Path, backend: Backend, networks: int) -> Iterator[Progress]:
    """Train every unit that has no record."""
    if not (work / _UNITS).exists() or not (work / _IMAGES).exists():
        yield Progress("reading images", 0, len(runs))
        save_images(load_images(plan.data), work / _IMAGES)
    missing = _missing_units(plan, runs, work, backend.device, networks)
    if not missing:
        return
    resumed = count = len(runs) - sum(len(unit.runs) for unit in missing)
    yield Progress("training", count, len(runs), resumed)
    for unit, content in backend.train(missing, work / _IMAGES, work):
        write_bytes(_path(work, unit), content)
        _state(work, unit).unlink(missing_ok=True)
        count += len(unit.runs)
        yield Progress("training", count, len(runs), resumed)


def _missing_units(plan: Plan, runs: list[Run], work: Path, device: str, networks: int) -> list[Unit]:
    """The units without a record, put together as when the making began, or anew for another device or size."""
    wanted = {"device": device, "networks": networks}
    kept = _kept(plan, runs, work) if (work / _UNITS).exists() else {}
    units = kept.get("units", [])
    missing = [unit for unit in units if not _path(work, unit).exists()]
    if {name: kept.get(name) for name in wanted} != wanted:
        left = [run for unit in missing for run in unit.runs] if kept else runs
        first = 1 + max((int(unit.id) for unit in units), default=-1)
        anew = group(left, device, networks)
        units = [unit for unit in units if unit not in missing]
        missing = [Unit(f"{first + place:06d}", unit.runs) for place, unit in enumerate(anew)]
        units += missing
    _check_space(missing, work)
    # Only now, so that a plan that cannot be begun may be changed.
    content = [[unit.id, [run.id for run in unit.runs]] for unit in units]
    write_bytes(work / _UNITS, json.dumps({**wanted, "fingerprint": plan.fingerprint, "units": content}).encode())
    return missing


def _kept(plan: Plan, runs: list[Run], work: Path) -> dict[str, Any]:
    """What was written of the units when they were put together."""
    path = work / _UNITS
    try:
        kept = json.loads(path.read_text())
        fingerprint, by_id = kept["fingerprint"], {run.id: run for run in runs}
        _check_same(fingerprint, plan, work.parent)
        units = [Unit(name, tuple(by_id[run] for run in members)) for name, members in kept["units"]]
    except (ValueError, TypeError, KeyError) as error:
        raise ManifestError(f"{path}: damaged ({error})", fix=f"delete {work.parent} and make the zoo anew") from error
    return {**kept, "units": units}


def _check_same(fingerprint: str | None, plan: Plan, folder: Path) -> None:
    if fingerprint != plan.fingerprint:
        raise UserError(
            f"{folder} was made with another plan or other images ({str(fingerprint)[:12]}, this plan has "
            f"{plan.fingerprint[:12]})",
            fix="give another folder, or the plan that the zoo was made with",
        )


def _path(work: Path, unit: Unit) -> Path:
    return work / f"{unit.id}.safetensors"


def _state(work: Path, unit: Unit) -> Path:
    return work / f"{unit.id}.state"


def _check_space(units: Sequence[Unit], work: Path) -> None:
    """Refuse to begin where the records of all units and the zoo made of them would not fit."""
    data = open_images(work / _IMAGES)
    check_space(work, 2 * sum(_bytes(unit, data) for unit in units))


def _bytes(unit: Unit, data: ImageData) -> int:
    """About what a unit's record takes."""
    images = len(data.train_labels)
    rows = sum(len(run.training.checkpoint_steps(images)) + run.training.shuffled_twin for run in unit.runs)
    return 4 * rows * sum(value.numel() for value in _tensors(unit.runs[0], data).values())


def _complete(plan: Plan, runs: list[Run], folder: Path, work: Path) -> Iterator[Progress]:
    """The published form of all finished units."""
    paths = sorted(work.glob("*.safetensors"))
    files = [UnitFile(path) for path in paths if path.name != _IMAGES]
    places = [(file, row) for file in files for row in range(len(file.labels))]
    rows = Rows(
        [file.labels[row] for file, row in places],
        lambda index: places[index][0].vector(places[index][1]),
        _layouts(runs, files, work),
    )
    source = {"plan": plan.as_json(), "fingerprint": plan.fingerprint, "license": plan.license}
    yield from complete_zoo(folder, rows, source, plan.splits, plan.seed)


def _layouts(runs: list[Run], files: list[UnitFile], work: Path) -> dict[str, Layout]:
    data = open_images(work / _IMAGES)
    by_id = {run.id: run for run in runs}
    layouts: dict[str, Layout] = {}
    for file in files:
        arch = file.labels[0]["arch"]
        if arch not in layouts:
            layouts[arch] = Layout.of(_tensors(by_id[file.labels[0]["run"]], data))
    return layouts


def _tensors(run: Run, data: ImageData) -> dict[str, Tensor]:
    """The run's state dict without content."""
    return empty_network(run.family, run.architecture, data.shape, data.classes).state_dict()
