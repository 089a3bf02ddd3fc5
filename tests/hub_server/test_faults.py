"""What goes wrong on purpose, as the real clients meet it."""

import time
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, get_session, hf_hub_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

from hub_server import Fault, HubRepo
from hub_server.conftest import READER

REPO, FILE, CONTENT = "org/net", "weights.bin", bytes(range(256)) * 400


@pytest.fixture
def net(hub):
    hub.repos[REPO] = HubRepo({FILE: CONTENT})
    return hub.repos[REPO]


def address(hub):
    return f"{hub.url}/{REPO}/resolve/main/{FILE}"


def test_a_fault_strikes_so_many_matching_calls_and_no_others(hub, net):
    hub.faults = [Fault("GET .*resolve", times=2, status=503)]
    answers = [get_session().get(address(hub)).status_code for _ in range(3)]
    assert get_session().get(f"{hub.url}/api/models/{REPO}").status_code == 200
    assert answers == [503, 503, 200]


def test_the_client_asks_a_busy_hub_for_a_file_again(hub, net):
    hub.faults = [Fault("HEAD .*resolve", status=503)]
    assert Path(hf_hub_download(REPO, FILE, endpoint=hub.url, token=False)).read_bytes() == CONTENT


def test_a_busy_hub_is_told_and_leaves_nothing_behind(hub, net, tmp_path):
    hub.faults = [Fault("GET .*resolve", status=503)]
    with pytest.raises(HfHubHTTPError, match="503"):
        hf_hub_download(REPO, FILE, endpoint=hub.url, token=False)
    assert Path(hf_hub_download(REPO, FILE, endpoint=hub.url, token=False)).read_bytes() == CONTENT
    assert not list((tmp_path / "cache").rglob("*.incomplete"))


def test_silence(hub, api, net):
    hub.faults = [Fault("GET .*api", wait=0.4)]
    start = time.monotonic()
    assert api.model_info(REPO).sha == net.commit
    assert time.monotonic() - start >= 0.4


def test_a_download_that_is_cut_off_goes_on_where_it_was(hub, net, tmp_path):
    hub.faults = [Fault("GET .*resolve", cut_after=1000)]
    path = hf_hub_download(REPO, FILE, endpoint=hub.url, token=False)
    assert Path(path).read_bytes() == CONTENT
    assert sum(request.startswith("GET /storage/") for request in hub.requests) == 2


def test_slow_bytes_arrive(hub, net):
    hub.faults = [Fault("GET .*resolve", bytes_per_second=500_000)]
    start = time.monotonic()
    assert get_session().get(address(hub)).content == CONTENT
    assert time.monotonic() - start >= 0.15


def test_a_repository_moves_between_two_calls(hub, api, net):
    hub.faults = [Fault("resolve", meanwhile=lambda: hub.move(REPO, "other/name"))]
    assert api.model_info(REPO).sha == net.commit
    path = hf_hub_download(REPO, FILE, endpoint=hub.url, token=False)
    assert Path(path).read_bytes() == CONTENT
    assert api.model_info(REPO).id == "other/name"


def test_a_repository_is_removed_between_two_calls(hub, api, net):
    assert api.model_info(REPO).sha == net.commit
    hub.faults = [Fault("HEAD .*resolve", meanwhile=lambda: hub.repos.pop(REPO))]
    with pytest.raises(HfHubHTTPError, match="404"):
        hf_hub_download(REPO, FILE, endpoint=hub.url, token=False)


def test_a_gated_repository_shows_its_page_and_keeps_its_files(hub, api):
    hub.repos[REPO] = HubRepo({FILE: CONTENT}, readers=[READER])
    assert api.model_info(REPO).gated == "manual"
    with pytest.raises(GatedRepoError):
        hf_hub_download(REPO, FILE, endpoint=hub.url, token=api.token)
    assert hf_hub_download(REPO, FILE, endpoint=hub.url, token=READER)


def test_a_pull_request_leaves_the_branch_alone(hub, api, net):
    before = net.commit
    opened = api.create_commit(REPO, [CommitOperationAdd("a.txt", b"a")], commit_message="more", create_pr=True)
    assert (opened.pr_revision, net.commit) == ("refs/pr/1", before)
    assert api.file_exists(REPO, "a.txt", revision="refs/pr/1")
    assert [ref.ref for ref in api.list_repo_refs(REPO, include_pull_requests=True).pull_requests] == ["refs/pr/1"]


def test_a_space_is_a_kind_of_its_own(hub, api):
    api.create_repo("org/app", repo_type="space", space_sdk="gradio")
    api.upload_file(path_or_fileobj=b"app", path_in_repo="app.py", repo_id="org/app", repo_type="space")
    assert hub.spaces["org/app"].files["app.py"] == b"app"
    assert not api.repo_exists("org/app")
