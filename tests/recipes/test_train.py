"""recipes/train.py as it is launched: one process and two, resumed, and honest about how many it got."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from datasets import load_dataset
from hub_server import HubServer
from hub_server.clients import aim_clients
from random_zoos import random_rows, write_whole

from hf_sne.hub import Destination, push

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "zoos": ["digits-mlp", "digits-cnn"],
    "epochs": 2,
    "batch_size": 8,
    "invariance_weight": 0.1,
    "splits": {"train": 0.5, "validation": 0.15, "calibration": 0.15, "test": 0.2},
    "model": {"hidden_size": 16, "element_size": 8},
}


def _launch(root, folder, *options, processes=1, environment=None, **changes):
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(SETTINGS | changes))
    launcher = ["--multi_gpu", "--num_processes", "2"] if processes == 2 else ["--cpu", "--num_processes", "2"]
    command = [sys.executable, "-m", "accelerate.commands.launch", *launcher, str(ROOT / "recipes" / "train.py")]
    command += ["--cpu", "--config", str(config), "--zoos", str(root), "--output", str(folder / "out"), *options]
    environment = (environment or os.environ) | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, cwd=folder)


@pytest.fixture(scope="module")
def trained(digit_zoos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    done = _launch(digit_zoos, folder, "--processes", "2", "--carbon", "FRA", processes=2)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_two_processes_train_one_predictor(trained):
    results = json.loads((trained / "out" / "predictor" / "results.json").read_text())
    assert results["system"]["processes"] == 2
    assert set(results["test"]) == {"digits-mlp", "digits-cnn"}
    assert results["emissions"]["co2_grams"] > 0
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
    assert not (tmp_path / "out" / "predictor" / "results.json").exists()


def test_zoos_of_several_folders_are_refused(recipe, digit_zoos, tmp_path, capsys):
    (tmp_path / "twin").symlink_to(digit_zoos / "digits-mlp")
    with pytest.raises(typer.Exit):
        recipe("train")(zoo=[str(tmp_path / "twin"), str(digit_zoos / "digits-cnn")], output=tmp_path / "out")
    assert "zoos in 2 folders" in " ".join(capsys.readouterr().err.split())


def test_a_zoo_is_named_by_its_hub_id_and_streamed(tmp_path, monkeypatch):
    write_whole(tmp_path / "zoo", random_rows({"a": 80, "b": 40}, {"a": 3, "b": 6}), {"train": 0.8, "test": 0.2})
    with HubServer(tokens={"hf_writer": "write"}).running() as hub:
        aim_clients(monkeypatch, hub.url, tmp_path)
        monkeypatch.setenv("HF_TOKEN", "hf_writer")
        push(str(tmp_path / "zoo"), Destination("org/zoo"))
        environment = hub.client_environment(tmp_path / "home")
        done = _launch(tmp_path / "none", tmp_path, "--seed", "3", environment=environment, zoos=["org/zoo"])
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads((tmp_path / "out" / "predictor" / "results.json").read_text())
    networks = load_dataset(str(tmp_path / "zoo"), split="test").filter(lambda row: row["test_accuracy"] is not None)
    assert results["config"]["seed"] == 3
    assert results["networks"]["org/zoo"]["test"] == results["test"]["org/zoo"]["sne"]["networks"] == len(networks)


def test_every_recipe_configuration_is_valid():
    from hf_sne.training.comparison import ComparisonConfig
    from hf_sne.training.config import TrainingConfig

    files = [path for path in sorted((ROOT / "recipes").glob("*/*.yaml")) if path.parent.name != "zoos"]
    assert files
    for path in files:
        first = path.read_text().splitlines()[0]
        assert first.startswith("#"), f"{path}: begins with its launch command"
        if "recipes/compare.py" in first:
            assert str(path.relative_to(ROOT)) in first
            assert ComparisonConfig.from_yaml(path).predictors[0] == "sne", "with which the others are compared"
        else:
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
