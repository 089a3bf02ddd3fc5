"""Zoos made for tests: a tiny plan, what a folder holds, and processes that make zoos and are ended."""

import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import torch
import yaml
from torch import Tensor

from hf_sne.cli import main
from hf_sne.zoo.make import make_zoo
from hf_sne.zoo.manifest import Manifest
from hf_sne.zoo.plan import Plan
from hf_sne.zoo.schema import ROWS, WEIGHTS, Layout, layouts_of
from hf_sne.zoo.unit import Unit, group
from hf_sne.zoo.workers import LocalWorkers

# Batch norm, convolutions, dropout, networks that fail, and populations in which runs differ in everything they may.
CONTENT: dict[str, Any] = {
    "data": "digits",
    "seed": 4,
    "families": {
        "mlp": {"runs": 8, "runs_per_architecture": 4, "architecture": {"widths": {"choice": [[16], [24, 16]]}}},
        "small_cnn": {"runs": 4, "architecture": {"activation": "relu"}},
        "resnet": {"runs": 3, "architecture": {"width": 6, "strides": [2]}},
    },
    "training": {
        "optimizer": {"choice": ["momentum", "adam", "sgd"]},
        "learning_rate": {"choice": [0.003, 0.01, 0.03, 1e30]},
        "weight_decay": {"log_uniform": [1e-5, 1e-3]},
        "dropout": {"choice": [0.0, 0.2]},
        "epochs": {"uniform": [0.5, 2.0]},
        "train_fraction": {"choice": [0.2, 1.0]},
        "inputs": {"choice": ["standardised", "symmetric", "unit"]},
        "augmentation": {"choice": ["none", "shift"]},
        "label_noise": {"choice": [0.0, 0.3]},
        "checkpoints": [0.0, {"uniform": [0.2, 0.7]}, 1.0],
        "shuffled_twin": True,
    },
}
NETWORKS = 2
MAKE = "from hf_sne.cli import main; main()"
CLI = [sys.executable, "-c", MAKE, "zoo", "make"]


def tiny_plan() -> Plan:
    return Plan.from_json(CONTENT)


def files_of(folder: Path) -> dict[str, str]:
    """Every file below a folder and its hash."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in paths}


def layouts_in(folder: Path) -> dict[str, Layout]:
    return layouts_of(pq.read_table(folder / "layouts.parquet").to_pylist())


def tables_of(folder: Path) -> list[Path]:
    return [folder / name for name, record in Manifest.read(folder).files.items() if record.rows]


def networks_in(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
    """Labels and state dict of every row, read with nothing but pyarrow and the layouts."""
    layouts = layouts_in(folder)
    for path in tables_of(folder):
        table = pq.read_table(path)
        assert table.schema.equals(ROWS)
        vectors = table.column(WEIGHTS).to_pylist()
        for labels, vector in zip(table.drop_columns([WEIGHTS]).to_pylist(), vectors, strict=True):
            yield labels, layouts[labels["arch"]].unflatten(torch.tensor(vector, dtype=torch.float32))


def finish(folder: Path, workers: int = 1, content: dict[str, Any] = CONTENT) -> None:
    list(make_zoo(Plan.from_json(content), folder, LocalWorkers(workers), NETWORKS))


def wait_for(condition: Any, seconds: float = 60.0) -> Any:
    """The first true value of ``condition``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.005)
    raise TimeoutError


def kill_alone(process: psutil.Process) -> None:
    """SIGKILL for one process alone; its children have to notice by themselves."""
    children = process.children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    _, alive = psutil.wait_procs(children, 20)
    assert not alive, alive


def training_processes() -> list[psutil.Process]:
    """Those that this process started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


# Its processes are there in milliseconds, all imports made.
_server = get_context("forkserver")
_DRAWING = ["matplotlib.figure", "matplotlib.backends.backend_agg"]
_server.set_forkserver_preload(["hf_sne.cli.zoo", "hf_sne.zoo.make", *_DRAWING, "jinja2", "psutil", "yaml"])


def begin_making(*arguments: str) -> BaseProcess:
    """``hf-sne zoo make`` in a process of its own."""
    process = _server.Process(target=main, args=(["zoo", "make", *arguments],))
    process.start()
    return process


def killed_while_finishing(folder: Path, seconds: float) -> bool:
    """Finish a zoo in a process of its own and kill it; whether it was still at work."""
    process = _server.Process(target=finish, args=(folder,))
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """A disk with too little space, as far as a process can tell: writing beyond ``size`` bytes of a file fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def write_plan(path: Path) -> Path:
    path.write_text(yaml.safe_dump(CONTENT, sort_keys=False))
    return path


def long_unit() -> Unit:
    """One population that mixes all there is, over some hundred steps."""
    runs = {"runs": 3, "runs_per_architecture": 3, "architecture": {"width": 6, "strides": [1]}}
    training = {**CONTENT["training"], "epochs": {"uniform": [3.0, 4.0]}, "learning_rate": 0.01}
    plan = Plan.from_json({**CONTENT, "families": {"resnet": runs}, "training": training})
    (unit,) = group(plan.draw_runs(), "cpu")
    return unit


def environment() -> dict[str, str]:
    """Of a process that finds this file."""
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
