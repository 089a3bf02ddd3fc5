"""The layout of Model Zoos (Schuerholt et al. 2022, modelzoos.cc): one Ray Tune directory a model.

``params.json`` (its settings), ``result.json`` (a JSON object a line and epoch), and ``checkpoint_XXXXXX/checkpoints``,
torch pickles of state dicts.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hf_sne.errors import CheckpointError, UserError
from hf_sne.limits import Limits
from hf_sne.weights.checks import Totals
from hf_sne.weights.errors import PickleRefusedError, PickleSandboxError
from hf_sne.weights.pickle_file import open_pickle
from hf_sne.zoo.adapters.labels import clean_name, label_row
from hf_sne.zoo.adapters.networks import architecture_of, fitting_family, layout_of, read_state
from hf_sne.zoo.adapters.spool import Spool
from hf_sne.zoo.schema import Labels, Layout, Rows

SETTINGS = "params.json"
RESULTS = "result.json"
_FOLDER = re.compile(r"checkpoint_([0-9]+)")
_FILES = ("checkpoints", "checkpoint.pt")
_ITERATION = "training_iteration"
_COLUMNS = {
    "seed": "seed",
    "model::nlin": "activation",
    "model::init_type": "initialization",
    "model::dropout": "dropout",
    "optim::optimizer": "optimizer",
    "optim::lr": "learning_rate",
    "optim::wd": "weight_decay",
    "training::batchsize": "batch_size",
    "training::epochs_train": "epochs",
    "train_acc": "train_accuracy",
    "test_acc": "test_accuracy",
    "train_loss": "train_loss",
    "test_loss": "test_loss",
}
# The zoos write this for the training loss and accuracy of networks that are not trained yet.
_UNMEASURED = -999
# What Ray adds to every line.
_BOOKKEEPING = {
    *("config", "date", "done", "episodes_total", "experiment_id", "experiment_tag", "hostname", "node_ip", "pid"),
    *("iterations_since_restore", "should_checkpoint", "time_since_restore", "time_this_iter_s", "time_total_s"),
    *("timestamp", "timesteps_since_restore", "timesteps_total", "trial_id", "warmup_time", _ITERATION),
}


@dataclass(frozen=True)
class _Found:
    """A checkpoint whose file is there; ``values`` are its run's settings and the results of its iteration."""

    path: Path
    iteration: int
    values: dict[str, Any]

    @property
    def run(self) -> str:
        return self.path.parents[1].name

    @property
    def name(self) -> str:
        return "/".join(self.path.parts[-3:])


def is_model_zoos(folder: Path) -> bool:
    """Whether a folder has this layout."""
    return any(folder.glob(f"*/{SETTINGS}"))


def read_model_zoos(folder: Path, *, allow_pickle: bool, skipped: list[str]) -> Rows:
    """Every checkpoint of every model, in the order of their names.

    Each pickle is read once, by a limited process of its own (a second or two; as many at a time as there are cores),
    and its weights are kept in a temporary file until the rows are no longer used.

    Args:
        folder: Of the zoo.
        allow_pickle: Whether pickle files may be read.
        skipped: Takes a line for every checkpoint that could not be read or has no result.

    Raises:
        UserError: pickles may not be read, no checkpoint can be, or the temporary folder has no space.
    """
    if not allow_pickle:
        raise PickleRefusedError(folder, found="a zoo of torch pickles", allowed="safetensors")
    found = list(_find(folder, skipped))
    spool = Spool(sum(checkpoint.path.stat().st_size for checkpoint in found))
    labels: list[Labels] = []
    layouts: dict[str, Layout] = {}
    for checkpoint, state in zip(found, _read_all(found), strict=True):
        if isinstance(state, CheckpointError):
            skipped.append(str(state))
            continue
        layout = layout_of({name: tensor.shape for name, tensor in state.items()})
        layouts[layout.arch] = layout
        vector = layout.flatten(state)
        spool.append(vector)
        labels.append(_label(folder, checkpoint, layout, diverged=not bool(np.isfinite(vector).all())))
    if not labels:
        raise UserError(
            f"{folder}: none of {len(skipped)} checkpoints can be read; the first: {(skipped or ['there is none'])[0]}",
            fix="restore the zoo's files",
        )
    return Rows(labels, spool.vector, layouts)


def _find(folder: Path, skipped: list[str]) -> Iterator[_Found]:
    for run in sorted(path.parent for path in folder.glob(f"*/{SETTINGS}")):
        settings = _object((run / SETTINGS).read_text(encoding="utf-8", errors="replace"))
        if settings is None:
            skipped.append(f"{run.name}: {SETTINGS} is no JSON object")
            continue
        results = _results(run / RESULTS)
        for place in sorted(run.glob("checkpoint_*")):
            number = _FOLDER.fullmatch(place.name)
            files = [place / name for name in _FILES if (place / name).is_file()]
            if number is None or not files:
                skipped.append(f"{run.name}/{place.name}: no number in its name, or no {' or '.join(_FILES)} in it")
            elif int(number[1]) not in results:
                skipped.append(f"{run.name}/{place.name}: no line of {RESULTS} has {_ITERATION} {int(number[1])}")
            else:
                yield _Found(files[0], int(number[1]), {**results[int(number[1])], **settings})


def _object(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _results(path: Path) -> dict[int, dict[str, Any]]:
    """Iteration -> its results; a broken line, such as the last of a run that was killed, tells nothing."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", errors="replace") as stream:
        lines = [line for line in map(_object, stream) if line is not None]
    return {
        line[_ITERATION]: {
            name: value for name, value in line.items() if name not in _BOOKKEEPING and value != _UNMEASURED
        }
        for line in lines
        if isinstance(line.get(_ITERATION), int)
    }


def _read_all(found: Sequence[_Found]) -> Iterator[dict[str, Tensor] | CheckpointError]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            yield from pool.map(_read, found)
        finally:
            # A caller that stops early waits for the files in flight, not for the whole zoo.
            pool.shutdown(wait=False, cancel_futures=True)


def _read(checkpoint: _Found) -> dict[str, Tensor] | CheckpointError:
    """The state dict, or why there is none; a platform without confinement ends the whole reading."""
    try:
        with ExitStack() as stack:
            return read_state(
                open_pickle(checkpoint.path, checkpoint.name, Totals(Limits()), stack)[0], checkpoint.name
            )
    except PickleSandboxError:
        raise
    except CheckpointError as error:
        return error


def _label(folder: Path, checkpoint: _Found, layout: Layout, *, diverged: bool) -> Labels:
    fit = fitting_family({place.name: place.shape for place in layout.tensors}, ["cnn_s", "cnn_l"])
    name = folder.resolve().name
    known = {
        "id": f"{checkpoint.run}-{checkpoint.iteration:06d}",
        "run": checkpoint.run,
        "family": clean_name(name) if fit is None else fit[0],
        "arch": layout.arch,
        "data": name,
        "step": checkpoint.iteration,
        "epoch": float(checkpoint.iteration),
        "diverged": diverged,
        "parameters": layout.parameters,
    }
    label = label_row(checkpoint.values, _COLUMNS, known)
    if fit is not None:
        label["architecture"] = architecture_of(label["activation"])
    return label
