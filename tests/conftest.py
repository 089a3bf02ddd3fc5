"""Shared by all tests: no network, small helper modules importable."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# `datasets` takes a local folder for one that it knows by its name and card, whatever the files in it are by now.
_loaded = tempfile.TemporaryDirectory()
os.environ["HF_DATASETS_CACHE"] = _loaded.name
# One thread a test process: tests run side by side, and threads that wait for each other's cores are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """``made_once(name, make)``: a folder that ``make(folder)`` fills once for all test processes, who only read it."""
    base = tmp_path_factory.getbasetemp()
    # Test processes that run side by side have folders of their own in one.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name, make):
        folder = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not folder.exists():
                part = shared / f"{name}.part"
                part.mkdir()
                make(part)
                part.rename(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def digit_zoos(made_once):
    """Two small zoos trained for real on scikit-learn's digits."""
    return made_once("digit-zoos", _make_digit_zoos)


def _make_digit_zoos(root):
    from hf_sne.zoo.make import make_zoo
    from hf_sne.zoo.plan import Plan
    from hf_sne.zoo.workers import LocalWorkers

    training = {
        "optimizer": {"choice": ["momentum", "adam", "adamw"]},
        "learning_rate": {"log_uniform": [1e-3, 3e-2]},
        "weight_decay": {"log_uniform": [1e-6, 1e-2]},
        "batch_size": {"choice": [16, 32]},
        "epochs": {"integers": [1, 20]},
        "train_fraction": {"choice": [0.1, 0.3, 1.0]},
        "checkpoints": [{"uniform": [0.05, 0.6]}, 1.0],
        "shuffled_twin": True,
    }
    for family in ("mlp", "cnn"):
        plan = Plan.from_json({"data": "digits", "seed": 1, "families": {family: {"runs": 20}}, "training": training})
        list(make_zoo(plan, root / f"digits-{family}", LocalWorkers(2)))


@pytest.fixture(scope="session")
def trained(made_once):
    """Every network is trained, and the zoo is not yet written."""
    return made_once("trained", _train_zoo) / "zoo"


def _train_zoo(root):
    from zoo_making import NETWORKS, tiny_plan

    from hf_sne.zoo.make import make_zoo
    from hf_sne.zoo.workers import LocalWorkers

    making = make_zoo(tiny_plan(), root / "zoo", LocalWorkers(1), NETWORKS)
    while next(making).stage != "writing":
        pass
    making.close()


@pytest.fixture(scope="session")
def zoo(trained, made_once):
    """The zoo as it should be: made without disturbance by one process."""

    def make(root):
        from zoo_making import finish

        shutil.copytree(trained, root / "zoo")
        finish(root / "zoo")

    return made_once("made", make) / "zoo"


@pytest.fixture
def aimed_hub(tmp_path, monkeypatch):
    """An empty Hub that lets everybody in, and this process's clients aimed at it, with an empty cache and no token."""
    from hub_server import HubServer
    from hub_server.clients import aim_clients

    monkeypatch.delenv("HF_TOKEN", raising=False)
    with HubServer().running() as server:
        aim_clients(monkeypatch, server.url, tmp_path)
        yield server
