"""The pipeline with the built-in encoder: every kind of input, the shape of a result, typed refusals."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
import torch
from hub_server import HubRepo, HubServer
from networks import cnn, mlp
from safetensors.torch import save_file
from torch import nn

import hf_sne
from hf_sne.errors import HfSneError
from hf_sne.limits import Limits
from hf_sne.models.sne import SneConfig, SneForPerformancePrediction, SneProcessor
from hf_sne.pipelines import BUILT_IN_ENCODER, TASK, load_pipeline
from hf_sne.pipelines.errors import NonFiniteWeightsError, NothingToScoreError, OutOfDistributionError
from hf_sne.weights import open_checkpoint
from hf_sne.weights.errors import CheckpointError


@pytest.fixture(scope="module")
def pipe():
    return load_pipeline(device="cpu")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(cnn().state_dict(), path)
    return path


def test_a_result_says_everything_about_a_score(pipe, saved):
    result = pipe(str(saved))
    json.dumps(result)
    told = {"score", "interval", "zoo_interval", "in_distribution", "coverage", "checkpoint", "predictor"}
    assert set(result) == told
    for name in ("interval", "zoo_interval"):
        assert 0 <= result[name]["low"] <= result["score"] <= result[name]["high"] <= 1
        assert result[name]["level"] == 0.9
    assert result["interval"]["low"] <= result["zoo_interval"]["low"]
    assert set(result["in_distribution"]) == {"verdict", "percentile"}
    assert 0 <= result["in_distribution"]["percentile"] <= 100
    assert result["coverage"]["parameters_read"] == sum(weight.numel() for weight in cnn().parameters())
    assert {skipped["name"] for skipped in result["coverage"]["skipped"]} == {
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    }
    (file,) = result["checkpoint"]["files"]
    assert file["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert result["checkpoint"]["limits"]["rank"] == 16
    assert result["predictor"]["name"] == "sne-cross-arch"


def test_file_folder_state_dict_and_module_score_the_same(pipe, saved):
    sources = [str(saved), saved, saved.parent, cnn().state_dict(), cnn()]
    scores = [result["score"] for result in pipe(sources)]
    assert scores == pytest.approx([scores[0]] * len(sources), abs=1e-6)


def test_a_list_keeps_its_order_and_an_empty_one_gives_none(pipe):
    networks = [mlp(), cnn(), mlp(seed=3)]
    assert [r["score"] for r in pipe(networks)] == [pipe(network)["score"] for network in networks]
    assert pipe([]) == []


def test_the_transformers_pipeline_by_its_task_needs_no_network(saved):
    import transformers

    assert hf_sne.__version__
    built_in = transformers.pipeline(TASK)
    assert built_in(str(saved)) == load_pipeline()(str(saved))


def test_a_pickle_only_on_request(pipe, tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"state_dict": cnn().state_dict()}, path)
    with pytest.raises(CheckpointError, match="allow_pickle"):
        pipe(str(path))
    assert pipe(str(path), allow_pickle=True)["score"] == pytest.approx(pipe(cnn())["score"], abs=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_diverged_network_is_refused(pipe, value):
    network = mlp()
    network[2].weight.data[3, 4] = value
    with pytest.raises(NonFiniteWeightsError, match="1 NaN or infinite elements, the first in layer 2"):
        pipe(network)


@pytest.mark.parametrize(
    "state",
    [
        {"a.weight": torch.zeros(4, 4)},
        {"a.weight": torch.ones(4, 4, dtype=torch.int8)},
        {"a.weight": torch.ones(4, 4, dtype=torch.bool)},
        {"a.weight": torch.ones(4, 4, dtype=torch.complex64)},
        {"a.weight": torch.empty(0, 4)},
    ],
)
def test_nothing_to_score_is_refused(pipe, state):
    with pytest.raises(NothingToScoreError):
        pipe(state)


@pytest.mark.parametrize(
    "fill", [3e38, 1e-40, 1.0, -7.0, torch.finfo(torch.float32).tiny], ids=["huge", "denormal", "one", "seven", "tiny"]
)
def test_extreme_and_constant_weights_give_a_finite_score(pipe, fill):
    result = pipe({"a.weight": torch.full((40, 40), fill), "b.weight": torch.randn(10, 40)})
    assert 0 <= result["score"] <= 1
    assert 0 <= result["in_distribution"]["percentile"] <= 100


def test_what_is_no_float_is_skipped_and_listed_beside_a_score(pipe):
    state = {"a.weight": torch.randn(8, 8), "a.table": torch.ones(5, dtype=torch.int64), "b.weight": torch.empty(0, 3)}
    result = pipe(state)
    assert {skipped["name"] for skipped in result["coverage"]["skipped"]} == {"a.table", "b.weight"}


def test_one_refusal_does_not_end_the_others(pipe, saved, tmp_path):
    page = tmp_path / "page.safetensors"
    page.write_text("<!DOCTYPE html><title>Sign in</title>")
    results = list(pipe.iterate([page, saved, "no/such\x1b[31m-file.pt"]))
    assert [("score" in result) for result in results] == [False, True, False]
    assert results[0]["refused"]["error"] == "NotWeightsError"
    assert "HTML" in results[0]["refused"]["message"]
    assert all(result["refused"]["fix"] for result in (results[0], results[2]))


def test_of_a_part_of_the_units_the_intervals_say_nothing(pipe):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    whole, part = pipe(network), pipe(network, max_parameters=8_000)
    assert whole["zoo_interval"]["high"] - whole["zoo_interval"]["low"] < 0.9
    assert (part["interval"], part["zoo_interval"]) == ({"low": 0.0, "high": 1.0, "level": 0.9},) * 2
    assert (part["coverage"]["max_parameters"], whole["coverage"]["max_parameters"]) == (8_000, None)
    assert part["in_distribution"] == {"verdict": None, "percentile": None}, "distances are of whole networks"
    with pytest.raises(HfSneError, match="a part of it was read"):
        pipe(network, max_parameters=8_000, strict=True)
    total = whole["coverage"]["parameters_total"]
    assert pipe(network, max_parameters=total)["zoo_interval"] == whole["zoo_interval"]


def test_a_predictor_that_does_not_exist_is_a_plain_error(tmp_path):
    with pytest.raises(HfSneError, match="cannot be loaded"):
        load_pipeline(str(tmp_path))
    with pytest.raises(HfSneError, match="no such folder, and not the name of a Hub repo"):
        load_pipeline("runs/train/predictor")


FROM_THE_HUB = """
import hf_sne, json, sys
from transformers import AutoModel, AutoProcessor, pipeline

pipe = pipeline("weight-performance-prediction", model="org/sne-cross-arch")
assert type(AutoModel.from_pretrained("org/sne-cross-arch")).__name__ == "SneModel"
assert type(AutoProcessor.from_pretrained("org/sne-cross-arch")).__name__ == "SneProcessor"
print(json.dumps(pipe(["org/network", sys.argv[1]])))
"""


def test_predictor_and_network_from_a_hub(pipe, saved, tmp_path):
    """Both by their repo ids, through the unmodified clients, from a Hub server on this machine."""
    encoder = {path.name: path.read_bytes() for path in BUILT_IN_ENCODER.iterdir()}
    repos = {"org/sne-cross-arch": HubRepo(encoder), "org/network": HubRepo({"model.safetensors": saved.read_bytes()})}
    with HubServer(repos).running() as server:
        settings = {"HF_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run(
            [sys.executable, "-c", FROM_THE_HUB, str(saved)],
            env=os.environ | settings | {"HF_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    remote, local = json.loads(done.stdout.strip().splitlines()[-1])
    assert remote["score"] == pytest.approx(local["score"])
    assert remote["score"] == pytest.approx(pipe(saved)["score"], abs=1e-6)
    assert remote["checkpoint"]["commit"] == repos["org/network"].commit


def test_strict_refuses_what_is_unlike_the_training_zoo(pipe):
    strange = {name: 100.0 * tensor for name, tensor in cnn().state_dict().items() if tensor.is_floating_point()}
    assert not pipe(strange)["in_distribution"]["verdict"]
    with pytest.raises(OutOfDistributionError, match=r"in percentile 100 of theirs.*up to percentile 95"):
        pipe(strange, strict=True)
    (refusal,) = pipe.iterate([strange], strict=True)
    assert refusal["refused"]["error"] == "OutOfDistributionError"


def test_strict_needs_a_calibrated_predictor(tmp_path):
    config = SneConfig(hidden_size=8, element_size=8)
    SneForPerformancePrediction(config).save_pretrained(tmp_path)
    SneProcessor.from_config(config).save_pretrained(tmp_path)
    pipe = load_pipeline(str(tmp_path), device="cpu")
    assert pipe(cnn())["interval"] == {"low": 0.0, "high": 1.0, "level": 0.9}
    with pytest.raises(HfSneError, match="never calibrated"):
        pipe(cnn(), strict=True)


def test_an_open_checkpoint_keeps_how_it_was_opened(pipe, saved):
    result = pipe(open_checkpoint(saved, limits=Limits(shards=7)))
    assert result["checkpoint"]["limits"]["shards"] == 7
    (refused,) = pipe.iterate([open_checkpoint(saved)], max_parameters=5)
    assert "max_parameters of a checkpoint that is open" in refused["refused"]["message"]
    assert refused["checkpoint"]["source"] == str(saved)
