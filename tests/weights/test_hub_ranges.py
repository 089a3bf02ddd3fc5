"""Checkpoints on a Hub read by ranges: as much as was asked for, whatever goes wrong on the way."""

import io
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
import torch
from hub_server import Fault, HubRepo
from hub_server import routes as routing
from hub_server.clients import aim_clients
from hub_server.downloads import stored
from huggingface_hub import constants
from safetensors.torch import save

from hf_sne.limits import Limits
from hf_sne.weights import errors, open_checkpoint, remote_file

REPO = "owner/net"
WEIGHTS = {
    "conv.weight": torch.arange(64 * 3 * 9.0).view(64, 3, 3, 3),
    "conv.bias": torch.arange(64.0),
    "fc.weight": torch.arange(300 * 64 * 4.0).view(300, 256),
    "head.weight": torch.arange(10 * 300.0).view(10, 300),
}
TOTAL = sum(tensor.numel() for tensor in WEIGHTS.values())
WHOLE = save(WEIGHTS)
SHARDS = {f"model-{i}-of-2.safetensors": dict(list(WEIGHTS.items())[2 * i - 2 : 2 * i]) for i in (1, 2)}
INDEX = json.dumps({"weight_map": {name: shard for shard, part in SHARDS.items() for name in part}}).encode()


@pytest.fixture
def hub(aimed_hub, monkeypatch):
    monkeypatch.setattr(remote_file, "_FIRST_PAUSE", 0.001)
    aimed_hub.repos[REPO] = HubRepo({"model.safetensors": WHOLE})
    aimed_hub.repos["owner/sharded"] = HubRepo(
        {"model.safetensors.index.json": INDEX, **{name: save(part) for name, part in SHARDS.items()}}
    )
    return aimed_hub


def read(repo, most, **options):
    with open_checkpoint(repo, max_parameters=most, **options) as checkpoint:
        return {t.name: t.read() for layer in checkpoint.layers for t in layer.tensors}, checkpoint


@pytest.mark.parametrize("repo", [REPO, "owner/sharded"])
def test_with_budget_enough_every_number_arrives_once(hub, repo, tmp_path):
    found, checkpoint = read(repo, TOTAL)
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in WEIGHTS.items())
    assert checkpoint.fetched_bytes < 4 * TOTAL + 2000
    assert checkpoint.coverage()["fraction"] == 1
    assert not list((tmp_path / "cache").rglob("*.safetensors")), "nothing is downloaded"


def test_a_large_index_is_refused_before_it_comes(hub, tmp_path):
    with pytest.raises(errors.IndexLengthError):
        open_checkpoint("owner/sharded", max_parameters=TOTAL, limits=Limits(index_bytes=50))
    assert not [request for request in hub.requests if "resolve" in request]


def test_permission_to_read_pickles_does_not_make_it_a_download(hub, tmp_path):
    _, checkpoint = read(REPO, 2_000, allow_pickle=True)
    assert checkpoint.fetched_bytes < 10_000
    buffer = io.BytesIO()
    torch.save(WEIGHTS, buffer)
    hub.repos["owner/pickle"] = HubRepo({"pytorch_model.bin": buffer.getvalue()})
    with pytest.raises(errors.PickleRefusedError):
        read("owner/pickle", 2_000)
    found, checkpoint = read("owner/pickle", 2_000, allow_pickle=True)
    assert checkpoint.fetched_bytes is None
    assert sum(tensor.numel() for tensor in found.values()) <= 2_000


def test_without_a_hub_the_cache_serves(hub, tmp_path, monkeypatch):
    open_checkpoint(REPO).close()
    aim_clients(monkeypatch, "http://127.0.0.1:9", tmp_path)
    found, checkpoint = read(REPO, 2_000)
    assert checkpoint.commit == hub.repos[REPO].commit
    assert 0 < sum(tensor.numel() for tensor in found.values()) <= 2_000


def test_a_hub_that_is_away_for_a_while_does_not_make_it_a_download(hub, tmp_path):
    hub.faults = [Fault("GET .*resolve", times=5, cut_after=0)]
    with pytest.raises(errors.HubOfflineError):
        read(REPO, 2_000)
    assert hub.faults[0].times == 0, "and all that came after would have been served"
    assert not [path for path in (tmp_path / "cache").rglob("*.safetensors") if path.is_file()]


def test_a_busy_hub_is_left_alone_as_long_as_it_asks(hub, monkeypatch):
    pauses = []
    monkeypatch.setattr("hf_sne.weights.remote_file.time", SimpleNamespace(sleep=pauses.append))
    hub.faults = [Fault("GET .*resolve", status=429, retry_after=7)]
    read(REPO, TOTAL)
    assert pauses == [7.0]


def test_a_hub_that_gives_a_byte_at_a_time_is_given_up(hub, monkeypatch):
    monkeypatch.setattr("hf_sne.weights.remote_file.time", SimpleNamespace(sleep=lambda _: None))
    hub.faults = [Fault("GET .*resolve", times=100, cut_after=1)]
    with pytest.raises(errors.HubOfflineError):
        read(REPO, TOTAL)
    assert hub.faults[0].times > 90


def test_refusals_leave_no_file_open(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(WHOLE)
    opened = psutil.Process().num_fds()
    refused = []
    for _ in range(5):
        with pytest.raises(errors.SampleSizeError) as info:
            open_checkpoint(tmp_path / "model.safetensors", max_parameters=1)
        refused.append(info)
    assert psutil.Process().num_fds() == opened


def test_a_range_that_is_not_the_asked_one_is_refused(hub, monkeypatch):
    def shorter(hub, request):
        answer = stored(hub, request)
        told = re.sub(r"bytes (\d+)-\d+/", r"bytes \1-\1/", answer.headers["Content-Range"])
        return replace(answer, body=answer.body[:1], headers={**answer.headers, "Content-Range": told})

    routes = [replace(route, call=shorter) if route.call is stored else route for route in routing.ROUTES]
    monkeypatch.setattr(routing, "ROUTES", routes)
    with pytest.raises(errors.HubRefusalError, match="range bytes 0-0"):
        read(REPO, TOTAL)


@pytest.mark.parametrize("most", [TOTAL // 2, TOTAL // 10, 2_000])
def test_a_budget_bounds_what_is_fetched_and_kept(hub, most):
    found, checkpoint = read(REPO, most)
    assert checkpoint.read_elements == sum(tensor.numel() for tensor in found.values()) <= most
    assert checkpoint.fetched_bytes <= 4 * most + 2000
    assert checkpoint.total_elements == TOTAL


def test_the_units_that_are_kept_stay_connected(hub):
    found, _ = read(REPO, TOTAL // 8)
    units = len(found["conv.bias"])
    first = int(found["conv.bias"][0])
    assert 1 < units < 64
    assert torch.equal(found["conv.weight"], WEIGHTS["conv.weight"][first : first + units])
    columns = WEIGHTS["fc.weight"].view(300, 64, 4)[:, first : first + units].flatten(1)
    row = (columns[:, 0] == found["fc.weight"][0, 0]).nonzero().item()
    assert torch.equal(found["fc.weight"], columns[row : row + units])
    assert torch.equal(found["head.weight"], WEIGHTS["head.weight"][:, row : row + units])


def test_the_same_budget_reads_the_same_of_a_local_file(hub, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(WHOLE)
    here, local = read(tmp_path / "model.safetensors", TOTAL // 4)
    there, _ = read(REPO, TOTAL // 4)
    assert local.fetched_bytes is None
    assert all(torch.equal(here[name], tensor) for name, tensor in there.items())


def test_a_budget_below_one_unit_a_layer_is_refused(hub):
    with pytest.raises(errors.SampleSizeError, match="max-parameters"):
        open_checkpoint(REPO, max_parameters=100)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET .*resolve", times=2, cut_after=1000),
        Fault("GET .*resolve", times=3, status=503),
        Fault("GET .*resolve", times=1, cut_after=0),
        Fault("GET .*resolve", times=100, cut_after=5000),
    ],
    ids=["cut off", "busy", "nothing came", "always cut off"],
)
def test_a_range_goes_on_where_it_broke(hub, fault):
    hub.faults = [fault]
    found, _ = read(REPO, TOTAL)
    assert torch.equal(found["fc.weight"], WEIGHTS["fc.weight"])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("GET .*resolve", times=99, cut_after=0), errors.HubOfflineError),
        (Fault("GET .*resolve", times=99, status=503), errors.HubRefusalError),
        (Fault("GET .*resolve", times=99, status=404), errors.HubRefusalError),
        (Fault("GET .*resolve", times=99, wait=0.5), errors.HubOfflineError),
    ],
    ids=["never comes", "always busy", "gone", "silent"],
)
def test_a_hub_that_does_not_recover_is_told_in_a_sentence(hub, fault, error, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.faults = [fault]
    with pytest.raises(error, match=REPO):
        read(REPO, TOTAL)


def test_a_repository_that_changes_meanwhile_is_read_at_its_commit(hub):
    def replace():
        repo = hub.repos[REPO]
        other = HubRepo({"model.safetensors": save({"fc.weight": torch.zeros(2, 2)})}).branches["main"]
        repo.branches["main"], repo.tags["before"] = other, repo.branches["main"]

    before = hub.repos[REPO].commit
    hub.faults = [Fault("GET .*resolve", meanwhile=replace)]
    found, checkpoint = read(REPO, TOTAL)
    assert checkpoint.commit == before
    assert torch.equal(found["fc.weight"], WEIGHTS["fc.weight"])


def test_a_repository_that_is_renamed_meanwhile_is_followed(hub):
    hub.faults = [Fault("GET .*resolve", meanwhile=lambda: hub.move(REPO, "owner/new"))]
    assert torch.equal(read(REPO, TOTAL)[0]["fc.weight"], WEIGHTS["fc.weight"])


def test_a_repository_that_is_removed_meanwhile_is_told(hub):
    with open_checkpoint(REPO, max_parameters=TOTAL) as checkpoint:
        hub.repos.pop(REPO)
        with pytest.raises(errors.RepoNotFoundError):
            checkpoint.layers[0].weight.read()


def test_after_the_close_nothing_is_read(hub):
    with open_checkpoint(REPO, max_parameters=TOTAL) as checkpoint:
        pass
    with pytest.raises(errors.ClosedFileError):
        checkpoint.layers[0].weight.read()


def test_hashes_come_from_the_hub(hub):
    _, checkpoint = read(REPO, TOTAL)
    assert checkpoint.files[0].sha256 == hub.repos[REPO].branches["main"].files["model.safetensors"].sha256
