"""A Hub that fails in the middle: what recovers, what is told in one sentence, and that no half of anything is left."""

import json
import re
import shutil
import time
from types import SimpleNamespace

import datasets
import pytest
from hub_server import Fault, HubRepo
from huggingface_hub import constants, file_download
from huggingface_hub.utils import _http

from hf_sne import load_pipeline
from hf_sne.cli import main
from hf_sne.errors import HfSneError, UserError
from hf_sne.hub import Destination, push
from hf_sne.pipelines import BUILT_IN_ENCODER
from hf_sne.zoo.read import read_zoo

REPO = "org/encoder"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """The clients wait between their tries, which tells nothing here."""
    hurried = SimpleNamespace(sleep=lambda _: None, time=time.time)
    for client in (_http, file_download):
        monkeypatch.setattr(client, "time", hurried)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.5)


def whole(repo):
    return {"model.safetensors", "config.json", "README.md", "results.json", "modeling_sne.py"} <= repo.files.keys()


@pytest.mark.parametrize(
    "calls",
    ["POST .*preupload", "POST .*objects/batch", "PUT .*objects", "GET .*api/models", "POST .*commit"],
)
@pytest.mark.parametrize("times", [1, 99], ids=["once", "always"])
def test_a_push_to_a_busy_hub_goes_through_or_leaves_nothing(hub, calls, times):
    hub.faults = [Fault(calls, times=times, status=503)]
    try:
        push(str(BUILT_IN_ENCODER), Destination(REPO))
    except UserError as error:
        told = str(error)
        assert told.startswith(f"{REPO}: ")
        assert "503" in told
        assert len(told.splitlines()) == 1
        assert hub.repos[REPO].files.keys() == {".gitattributes"}
        hub.faults = []
        push(str(BUILT_IN_ENCODER), Destination(REPO))
    assert whole(hub.repos[REPO])


def test_a_branch_that_moves_during_a_push_takes_both_changes(hub):
    hub.repos[REPO] = HubRepo({"configuration_sne.py": b""})
    notes = HubRepo({"configuration_sne.py": b"", "notes.txt": b"theirs"}).branches["main"]

    def meanwhile():
        hub.repos[REPO].branches["main"] = notes

    hub.faults = [Fault("POST .*preupload", meanwhile=meanwhile)]
    push(str(BUILT_IN_ENCODER), Destination(REPO))
    assert whole(hub.repos[REPO])
    assert hub.repos[REPO].files["notes.txt"] == b"theirs"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET .*resolve.*safetensors", cut_after=100_000),
        Fault("GET .*resolve.*safetensors", times=3, cut_after=200_000),
        Fault("HEAD .*resolve", status=503),
        Fault("GET .*resolve.*safetensors", bytes_per_second=3_000_000),
    ],
    ids=["cut off", "cut off again and again", "busy", "slow"],
)
def test_an_encoder_loads_through_faults_that_pass(hub, fault):
    push(str(BUILT_IN_ENCODER), Destination(REPO))
    hub.faults = [fault]
    state = load_pipeline().model.state_dict()
    loaded = load_pipeline(REPO).model.state_dict()
    assert all(loaded[name].equal(value) for name, value in state.items())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET .*resolve.*safetensors", times=99, status=503),
        Fault("GET .*resolve.*safetensors", times=99, cut_after=1000),
        Fault("resolve", times=99, wait=1),
    ],
    ids=["always busy", "never whole", "silent"],
)
def test_an_encoder_that_cannot_be_loaded_is_told_and_leaves_no_half(hub, fault, tmp_path):
    push(str(BUILT_IN_ENCODER), Destination(REPO))
    hub.faults = [fault]
    with pytest.raises(UserError, match=REPO) as refused:
        load_pipeline(REPO)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 700
    kept = [path for path in (tmp_path / "cache").rglob("*.safetensors") if path.is_file()]
    assert kept == []
    hub.faults = []
    assert load_pipeline(REPO)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault("GET .*resolve", times=99, status=500), "must hand out the file"),
        (Fault("GET .*resolve", times=99, cut_after=10), "must be reachable"),
        (Fault("GET .*api/models", times=99, status=503), "must hand out the file"),
    ],
)
def test_a_checkpoint_on_a_failing_hub_is_refused_in_a_sentence(hub, tmp_path, fault, told, capsys):
    content = (BUILT_IN_ENCODER / "model.safetensors").read_bytes()
    hub.repos["org/net"] = HubRepo({"model.safetensors": content})
    hub.faults = [fault]
    with pytest.raises(SystemExit) as stop:
        main(["score", "org/net", "--json"])
    (refused,) = json.loads(capsys.readouterr().out)
    assert stop.value.code == 1
    assert told in refused["refused"]["message"]
    assert not re.search(r"\n|\\n|https?:", refused["refused"]["message"])
    assert not [path for path in (tmp_path / "cache").rglob("*.safetensors") if path.is_file()]


def test_a_zoo_that_fails_on_its_way_is_whole_or_not_there(hub, zoo, tmp_path):
    folder = shutil.copytree(zoo, tmp_path / "zoo")
    hub.faults = [Fault("POST .*commit", times=99, status=500)]
    with pytest.raises(HfSneError, match="500"):
        push(str(folder), Destination("org/zoo"))
    assert hub.datasets["org/zoo"].files.keys() == {".gitattributes"}
    hub.faults = []
    push(str(folder), Destination("org/zoo"))
    assert "manifest.json" in hub.datasets["org/zoo"].files


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET .*api/datasets", times=999, status=503),
        Fault("resolve.*layouts", times=999, status=503),
        Fault("resolve.*data/", times=999, status=503),
        Fault("resolve.*data/", times=999, cut_after=100),
        Fault("GET .*api/datasets", times=999, wait=1),
    ],
    ids=["busy", "busy with the layouts", "busy with the tables", "cut off", "silent"],
)
def test_a_zoo_that_cannot_be_streamed_is_told_in_a_sentence(hub, zoo, tmp_path, fault, monkeypatch):
    push(str(shutil.copytree(zoo, tmp_path / "zoo")), Destination("org/zoo"))
    monkeypatch.setattr(datasets.config, "STREAMING_READ_MAX_RETRIES", 2)
    monkeypatch.setattr(datasets.config, "STREAMING_READ_RETRY_INTERVAL", 0)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.2)
    monkeypatch.setattr(constants, "DEFAULT_REQUEST_TIMEOUT", 0.2)
    hub.faults = [fault]
    with pytest.raises(UserError, match="org/zoo") as refused:
        read_zoo("org/zoo")
    assert len(str(refused.value).splitlines()) == 1
