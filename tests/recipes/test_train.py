"""recipes/train.py as it is launched: one process and two, resumed, and honest about how many it got."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "zoos": ["digits-mlp", "digits-cnn"],
    "epochs": 2,
    "batch_size": 8,
    "invariance_weight": 0.1,
    "splits": {"train": 0.5, "validation": 0.15, "calibration": 0.15, "test": 0.2},
    "model": {"hidden_size": 16, "element_size": 8},
}


def _launch(zoos, folder, *options, processes=1, **changes):
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(SETTINGS | changes))
    launcher = ["--multi_gpu", "--num_processes", "2"] if processes == 2 else ["--cpu", "--num_processes", "2"]
    command = [sys.executable, "-m", "accelerate.commands.launch", *launcher, str(ROOT / "recipes" / "train.py")]
    command += ["--cpu", "--config", str(config), "--zoos", str(zoos), "--output", str(folder / "out"), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, cwd=folder)


@pytest.fixture(scope="module")
def trained(digit_zoos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    done = _launch(digit_zoos, folder, "--processes", "2", processes=2)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_two_processes_train_one_predictor(trained):
    results = json.loads((trained / "out" / "results.json").read_text())
    assert results["system"]["processes"] == 2
    assert set(results["test"]) == {"digits-mlp", "digits-cnn"}
    assert (trained / "out" / "predictor" / "model.safetensors").is_file()
    history = json.loads((trained / "out" / "state" / "history.json").read_text())["history"]
    assert [epoch["epoch"] for epoch in history] == [0, 1]


def test_a_finished_run_launched_again_trains_no_further(trained, digit_zoos):
    before = (trained / "out" / "state" / "history.json").read_bytes()
    done = _launch(digit_zoos, trained, "--processes", "2", processes=2)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (trained / "out" / "state" / "history.json").read_bytes() == before


def test_fewer_processes_than_asked_for_is_an_error(digit_zoos, tmp_path):
    """``accelerate launch --cpu --num_processes 2`` starts one process and does not say so."""
    done = _launch(digit_zoos, tmp_path, "--processes", "2")
    assert done.returncode != 0
    assert "asked for 2 processes, got 1" in " ".join(done.stderr.split())
    assert not (tmp_path / "out" / "results.json").exists()


def test_every_recipe_configuration_is_valid():
    from hf_sne.training.config import TrainingConfig

    files = [path for path in sorted((ROOT / "recipes").glob("*/*.yaml")) if path.parent.name != "zoos"]
    assert files
    for path in files:
        first = path.read_text().splitlines()[0]
        assert first.startswith("#"), f"{path}: begins with its launch command"
        assert "accelerate launch" in first
        TrainingConfig.from_yaml(path)


def test_every_plan_is_valid():
    from hf_sne.zoo.plan import Plan

    files = sorted((ROOT / "recipes" / "zoos").glob("*.yaml"))
    assert files
    for path in files:
        launch = f"# hf-sne zoo make recipes/zoos/{path.name} "
        assert path.read_text().startswith(launch), f"{path}: begins with its launch command"
        assert Plan.from_yaml(path).draw_runs()
