"""Everything once around: a zoo is made, pushed and streamed, trained on, and what was trained scores from the Hub."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bare_python import WITHOUT_PACKAGE, run
from hub_server import Fault, HubRepo
from hub_server.conftest import READER, WRITER
from huggingface_hub import DatasetCard, ModelCard
from safetensors.torch import save

from hf_sne.hub import Destination, push
from hf_sne.zoo.read import read_zoo

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "zoos": [],
    "epochs": 2,
    "batch_size": 8,
    "splits": {"train": 0.5, "validation": 0.15, "calibration": 0.15, "test": 0.2},
    "model": {"hidden_size": 16, "element_size": 8},
}
SCORE = """
import json, sys
import hf_sne
from transformers import AutoModel, pipeline

encoder, checkpoint = sys.argv[1:]
result = pipeline("weight-performance-prediction", model=encoder)(checkpoint, max_parameters=10**6)
print(json.dumps(result | {"encoder": type(AutoModel.from_pretrained(encoder)).__name__}))
"""


def test_the_whole_round_trip(hub, digit_zoos, tmp_path, without_package):
    push(str(digit_zoos / "digits-mlp"), Destination("org/zoo"))
    assert DatasetCard(hub.datasets["org/zoo"].files["README.md"].decode()).data.configs

    (tmp_path / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += [str(ROOT / "recipes" / "train.py"), "--cpu", "--processes", "2", "--config", "config.yaml"]
    command += ["--zoo", "org/zoo", "--push-to", "org/encoder"]
    environment = hub.client_environment(tmp_path / "home", os.environ["HF_TOKEN"])
    there = environment | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(command, env=there, capture_output=True, text=True, timeout=280, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"published: {hub.url}/org/encoder" in done.stderr

    files = hub.repos["org/encoder"].files
    card = ModelCard(files["README.md"].decode())
    assert card.data.datasets == ["org/zoo"], "which came from the Hub"
    assert {"model.safetensors", "modeling_sne.py", "preprocessor_config.json", "results.json"} <= files.keys()

    entry = read_zoo(digit_zoos / "digits-mlp")[0]
    hub.repos["org/checkpoint"] = HubRepo({"model.safetensors": save(entry.state())})
    scored = run(Path(sys.executable), SCORE, "org/encoder", "org/checkpoint", environment=there)
    assert 0 < scored["score"] < 1
    assert scored["checkpoint"]["commit"] == hub.repos["org/checkpoint"].commit
    assert scored["coverage"]["bytes_fetched"] < 2 * len(hub.repos["org/checkpoint"].files["model.safetensors"])
    assert scored["encoder"] == "SneModel"

    elsewhere = run(without_package, WITHOUT_PACKAGE, "org/encoder", tmp_path / "saved", environment=environment)
    assert elsewhere["same"]
    assert 0 < elsewhere["score"] < 1


def test_a_push_that_fails_keeps_the_training_and_says_how_to_go_on(hub, digit_zoos, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(SETTINGS | {"epochs": 1}))
    command = [sys.executable, str(ROOT / "recipes" / "train.py"), "--cpu", "--config", "config.yaml"]
    command += ["--zoo", str(digit_zoos / "digits-mlp"), "--push-to", "org/encoder", "--private"]
    path = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    reader = hub.client_environment(tmp_path / "home", READER) | path
    done = subprocess.run(command, env=reader, capture_output=True, text=True, timeout=280, cwd=tmp_path)
    assert (done.returncode, (tmp_path / "runs").exists()) == (2, False), "a token that may not write is told at once"
    assert "the token may only read" in done.stderr
    hub.faults.append(Fault("POST /api/repos/create", status=403))
    writer = hub.client_environment(tmp_path / "home", WRITER) | path
    done = subprocess.run(command, env=writer, capture_output=True, text=True, timeout=280, cwd=tmp_path)
    assert done.returncode == 2
    assert "hf-sne push runs/train/predictor org/encoder --private" in " ".join(done.stderr.split())
    assert "403" in done.stderr
    assert (tmp_path / "runs" / "train" / "predictor" / "model.safetensors").is_file()
    assert hub.repos == {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert push("runs/train/predictor", Destination("org/encoder")) == f"{hub.url}/org/encoder"
    card = ModelCard(hub.repos["org/encoder"].files["README.md"].decode())
    assert card.data.datasets is None, "for the zoo is a folder here"
    assert all(str(digit_zoos).encode() not in file for file in hub.repos["org/encoder"].files.values())
