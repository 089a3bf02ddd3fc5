"""Reading with the real client: listings, ranges, error codes, what is hidden."""

from http.client import HTTPConnection
from pathlib import Path

import pytest
import torch
from huggingface_hub import HfFileSystem, get_session, hf_hub_download, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from safetensors.torch import save

from hub_server import HubRepo, HubServer
from hub_server.conftest import READER

REPO = "org/zoo"
TABLE = bytes(range(200)) * 1000
FILES = {"README.md": b"# Zoo", "cnn/test.parquet": TABLE, "cnn/train.parquet": b"PAR1", "mlp/big/a.txt": b"a"}
NEWER_CARD = b"---\nlicense: mit\n---\n# Zoo"


@pytest.fixture
def zoo(hub):
    """A data set, and a model of the same name."""
    hub.datasets[REPO] = HubRepo(FILES)
    hub.repos[REPO] = HubRepo({"config.json": b"{}"})
    return hub.datasets[REPO]


def paths(entries):
    return [entry.path for entry in entries]


def test_data_sets_and_models_are_apart(api, zoo):
    assert set(api.list_repo_files(REPO, repo_type="dataset")) == set(FILES)
    assert api.list_repo_files(REPO) == ["config.json"]
    assert api.dataset_info(REPO).sha == zoo.commit
    assert api.model_info(REPO, expand=["sha"]).siblings is None


def test_sizes_and_hashes_are_given_on_request(api, zoo):
    plain, full = (api.dataset_info(REPO, files_metadata=metadata).siblings for metadata in (False, True))
    assert {file.size for file in plain} == {None}
    assert {file.rfilename: file.size for file in full} == {name: len(content) for name, content in FILES.items()}
    assert [file.rfilename for file in full if file.lfs] == ["cnn/test.parquet", "cnn/train.parquet"]


def test_the_tree_and_its_folders(api, zoo):
    def tree(*arguments, **options):
        return paths(api.list_repo_tree(REPO, *arguments, repo_type="dataset", **options))

    assert tree() == ["README.md", "cnn", "mlp"]
    assert tree("mlp") == ["mlp/big"]
    assert tree("mlp/big") == ["mlp/big/a.txt"]
    assert tree(recursive=True) == sorted([*FILES, "cnn", "mlp", "mlp/big"])
    assert tree("cnn", recursive=True, revision=zoo.commit) == ["cnn/test.parquet", "cnn/train.parquet"]
    with pytest.raises(EntryNotFoundError):
        tree("none")


def test_large_files_come_from_another_host_which_sees_no_token(hub, tmp_path):
    hub.repos["org/secret"] = HubRepo({"model.safetensors": b"weights", "config.json": b"{}"}, private=True)
    for name in ("model.safetensors", "config.json"):
        hf_hub_download("org/secret", name, token=READER, cache_dir=tmp_path)
    asked = [request for request in hub.requests if request.startswith("GET")]
    assert [request.split("/")[1] for request in asked] == ["storage", "org"]
    (address,) = (request.removeprefix("GET ") for request in asked if "storage" in request)
    refused = get_session().get(f"{hub.storage}{address}", headers={"Authorization": f"Bearer {READER}"})
    assert refused.status_code == 400


def test_a_tree_in_pages_is_the_same_tree(hub, api, zoo):
    whole = api.list_repo_files(REPO, repo_type="dataset")
    hub.page_size = 2
    assert api.list_repo_files(REPO, repo_type="dataset") == whole
    assert hub.requests.count(f"GET /api/datasets/{REPO}/tree/main") == 5


def test_the_last_commit_of_files_and_folders(api, zoo):
    later = api.upload_file(path_or_fileobj=b"b", path_in_repo="mlp/b.txt", repo_id=REPO, repo_type="dataset").oid
    last = {
        entry.path: entry.last_commit.oid
        for entry in api.list_repo_tree(REPO, repo_type="dataset", recursive=True, expand=True)
    }
    first = api.list_repo_commits(REPO, repo_type="dataset")[-1].commit_id
    assert {path for path, oid in last.items() if oid == later} == {"mlp", "mlp/b.txt"}
    assert set(last.values()) == {first, later}


def test_paths_are_looked_up(api, zoo):
    asked = ["mlp", "none", "cnn/test.parquet"]
    folder, file = api.get_paths_info(REPO, asked, repo_type="dataset", expand=True)
    assert (folder.path, file.path, file.size) == ("mlp", "cnn/test.parquet", len(TABLE))
    assert file.lfs.size == len(TABLE)
    assert file.security.safe
    assert file.last_commit.oid == zoo.commit


@pytest.mark.parametrize(
    ("asked", "span", "status"),
    [
        ("bytes=7-", slice(7, None), 206),
        ("bytes=7-11", slice(7, 12), 206),
        ("bytes=7-9999999", slice(7, None), 206),
        ("bytes=-5", slice(-5, None), 206),
        ("bytes=200000-", slice(0, 0), 416),
        (None, slice(None), 200),
    ],
)
def test_ranges(hub, zoo, asked, span, status):
    url = hf_hub_url(REPO, "cnn/test.parquet", repo_type="dataset", endpoint=hub.url)
    answer = get_session().get(url, headers={"Range": asked} if asked else {})
    assert answer.status_code == status
    if status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{len(TABLE)}"
        return
    assert answer.content == TABLE[span]
    if status == 206:
        start, end, _ = span.indices(len(TABLE))
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(TABLE)}"


def test_a_file_is_read_in_part(hub, zoo):
    files = HfFileSystem(endpoint=hub.url, token="hf_reader", skip_instance_cache=True)
    with files.open(f"datasets/{REPO}/cnn/test.parquet", block_size=2**16, cache_type="none") as file:
        file.seek(1003)
        assert file.read(20) == TABLE[1003:1023]


@pytest.mark.parametrize(
    ("repo", "revision", "file", "error"),
    [
        ("org/none", None, "README.md", RepositoryNotFoundError),
        (REPO, "v9", "README.md", RevisionNotFoundError),
        (REPO, None, "none.txt", EntryNotFoundError),
        (REPO, None, "cnn", EntryNotFoundError),
    ],
)
def test_what_is_missing_is_told_by_its_code(api, zoo, repo, revision, file, error):
    with pytest.raises(error):
        api.hf_hub_download(repo, file, repo_type="dataset", revision=revision)


def test_the_parameters_of_a_model_are_counted_in_its_headers(hub, api):
    tensors = {"a": torch.zeros(3, 4), "b": torch.zeros(5, dtype=torch.float16)}
    hub.repos["org/net"] = HubRepo({"model.safetensors": save(tensors), "broken.safetensors": b"\x01" + b"\0" * 9})
    assert api.model_info("org/net").safetensors.parameters == {"F32": 12, "F16": 5}
    metadata = api.get_safetensors_metadata("org/net")
    assert metadata.parameter_count == {"F32": 12, "F16": 5}
    assert metadata.files_metadata["model.safetensors"].tensors["a"].shape == [3, 4]


def test_a_snapshot_is_the_files_of_a_commit(hub, api, zoo):
    before = zoo.commit
    api.upload_file(path_or_fileobj=NEWER_CARD, path_in_repo="README.md", repo_id=REPO, repo_type="dataset")
    for revision, readme in ((before, b"# Zoo"), ("main", NEWER_CARD)):
        folder = api.snapshot_download(REPO, repo_type="dataset", revision=revision)
        found = {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
        assert found == FILES | {"README.md": readme}


def test_a_private_repository_is_there_for_known_tokens_only(hub, api):
    api.create_repo("org/secret", repo_type="dataset", private=True)
    assert api.dataset_info("org/secret", token="hf_reader").private
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("org/secret", token=False)
    api.auth_check("org/secret", repo_type="dataset", token="hf_reader")


def test_after_its_end_a_hub_answers_nobody():
    def ask():
        kept.request("GET", f"/api/models/{REPO}")
        return kept.getresponse().read()

    with HubServer({REPO: HubRepo(FILES)}).running() as hub:
        kept = HTTPConnection(hub.url.removeprefix("http://"))
        assert ask()
    with pytest.raises(ConnectionError):
        ask()
