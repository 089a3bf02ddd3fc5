"""Pushing with the real client: repositories, commits, large files, branches, who may."""

import json
import re

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, RepoCard, get_session
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

FILES = {"config.json": b"{}", "notes/a.txt": b"a", "notes/b.txt": b"b", "model.safetensors": b"\0" * 1000}
REPO = "org/net"


@pytest.fixture
def net(hub, api):
    """A model repository with the files above, and its newest commit."""
    api.create_repo(REPO)
    adds = [CommitOperationAdd(name, content) for name, content in FILES.items()]
    return api.create_commit(REPO, adds, commit_message="files").oid


def count(hub, method):
    return sum(request.startswith(f"{method} ") for request in hub.requests)


@pytest.mark.parametrize(("kind", "prefix"), [("model", ""), ("dataset", "datasets/")])
def test_a_repository_is_made_once(hub, api, kind, prefix):
    made = api.create_repo("org/new", repo_type=kind, private=True)
    assert str(made) == f"{hub.url}/{prefix}org/new"
    assert api.create_repo("org/new", repo_type=kind, exist_ok=True) == made
    with pytest.raises(HfHubHTTPError, match="already created this"):
        api.create_repo("org/new", repo_type=kind)
    info = api.repo_info("org/new", repo_type=kind)
    assert (info.private, [file.rfilename for file in info.siblings]) == (True, [".gitattributes"])
    assert not api.repo_exists("org/new", repo_type="dataset" if kind == "model" else "model")


def test_a_name_without_an_owner_is_the_users(api):
    assert api.create_repo("mine").repo_id == f"{api.whoami()['name']}/mine"


def test_a_repository_is_removed(hub, api, net):
    api.delete_repo(REPO)
    assert hub.repos == {}
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(REPO)


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_folder_arrives_with_its_large_files_in_their_storage(hub, api, tmp_path, kind):
    folder = tmp_path / "folder"
    for name, content in {**FILES, "empty.bin": b"", "table.npz": b"PK"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    api.create_repo(REPO, repo_type=kind)
    pushed = api.upload_folder(repo_id=REPO, repo_type=kind, folder_path=folder)
    repo = {"model": hub.repos, "dataset": hub.datasets}[kind][REPO]
    assert repo.commit == pushed.oid
    assert {**FILES, "empty.bin": b"", "table.npz": b"PK"}.items() <= repo.files.items()
    listed = api.list_repo_tree(REPO, repo_type=kind, recursive=True)
    assert {entry.path for entry in listed if getattr(entry, "lfs", None)} == {"model.safetensors", "table.npz"}
    assert count(hub, "PUT") == 2


def test_the_same_folder_again_makes_no_commit_and_uploads_nothing(hub, api, net, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(FILES["model.safetensors"])
    (tmp_path / "config.json").write_bytes(FILES["config.json"])
    uploads = count(hub, "PUT")
    assert api.upload_folder(repo_id=REPO, folder_path=tmp_path).oid == net
    assert (hub.repos[REPO].commit, count(hub, "PUT")) == (net, uploads)


def test_files_and_folders_are_deleted_in_a_commit(hub, api, net):
    operations = [CommitOperationDelete("notes/"), CommitOperationDelete("config.json"), CommitOperationAdd("c", b"c")]
    api.create_commit(REPO, operations, commit_message="fewer", parent_commit=net)
    assert hub.repos[REPO].files.keys() == {".gitattributes", "model.safetensors", "c"}


@pytest.mark.parametrize("missing", ["none.txt", "none/", "notes"])
def test_what_is_missing_cannot_be_deleted(hub, api, net, missing):
    operations = [CommitOperationAdd("new.txt", b"new"), CommitOperationDelete(missing)]
    with pytest.raises(EntryNotFoundError, match="doesn't exist"):
        api.create_commit(REPO, operations, commit_message="fewer")
    assert hub.repos[REPO].commit == net


def test_a_commit_on_what_is_no_longer_the_newest_is_refused(hub, api, net):
    newest = api.upload_file(path_or_fileobj=b"1", path_in_repo="one.txt", repo_id=REPO, parent_commit=net).oid
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as refused:
        api.upload_file(path_or_fileobj=b"2", path_in_repo="two.txt", repo_id=REPO, parent_commit=net)
    assert refused.value.response.status_code == 412
    assert hub.repos[REPO].commit == newest


def test_a_branch_has_its_own_commits(hub, api, net):
    api.create_branch(REPO, branch="trial/one")
    api.create_branch(REPO, branch="trial/one", exist_ok=True)
    api.create_tag(REPO, tag="v1")
    on_branch = api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=REPO, revision="trial/one").oid
    refs = api.list_repo_refs(REPO)
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": net, "trial/one": on_branch}
    assert [(ref.name, ref.target_commit) for ref in refs.tags] == [("v1", net)]
    history = api.list_repo_commits(REPO, revision="trial/one")
    assert [commit.commit_id for commit in history[:2]] == [on_branch, net]
    assert [commit.title for commit in history[1:]] == ["files", "initial commit"]
    assert api.file_exists(REPO, "x", revision="trial/one")
    assert not api.file_exists(REPO, "x")
    api.delete_branch(REPO, branch="trial/one")
    assert not api.revision_exists(REPO, "trial/one")


def test_a_branch_needs_a_new_name_and_a_start(api, net):
    with pytest.raises(HfHubHTTPError, match="already exists"):
        api.create_branch(REPO, branch="main")
    with pytest.raises(RevisionNotFoundError):
        api.create_branch(REPO, branch="new", revision="none")


def test_a_commit_needs_a_branch_and_a_repository(api, net):
    with pytest.raises(RevisionNotFoundError):
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=REPO, revision=net)
    with pytest.raises(RepositoryNotFoundError):
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="org/none")


def test_large_files_must_be_what_was_announced(hub, api, net):
    headers = {"Authorization": f"Bearer {api.token}"}
    storage, oid = f"{hub.url}/{REPO}.git/info/lfs/objects", "0" * 64
    assert get_session().put(f"{storage}/{oid}", content=b"abc").status_code == 403
    get_session().post(f"{storage}/batch", json={"objects": [{"oid": oid, "size": 3}]}, headers=headers)
    assert get_session().put(f"{storage}/{oid}", content=b"abc").status_code == 400
    lines = [{"key": "header", "value": {"summary": "", "description": ""}}]
    lines.append({"key": "lfsFile", "value": {"path": "a.bin", "algo": "sha256", "oid": oid, "size": 3}})
    body = "\n".join(json.dumps(line) for line in lines)
    answer = get_session().post(f"{hub.url}/api/models/{REPO}/commit/main", content=body, headers=headers)
    assert (answer.status_code, hub.repos[REPO].commit) == (400, net)
    assert "not uploaded" in answer.json()["error"]


@pytest.mark.parametrize(
    ("token", "status", "message"),
    [
        (False, 401, "Invalid username or password."),
        ("hf_reader", 403, "the token's role is read"),
        ("hf_unknown", 401, "Invalid credentials in Authorization header"),
    ],
)
def test_who_may_not_write_is_told_so(hub, api, net, token, status, message):
    calls = [
        lambda: api.create_repo("org/new", token=token),
        lambda: api.delete_repo(REPO, token=token),
        lambda: api.create_branch(REPO, branch="new", token=token),
        lambda: api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=REPO, token=token),
    ]
    for call in calls:
        with pytest.raises(HfHubHTTPError, match=re.escape(message)) as refused:
            call()
        assert refused.value.response.status_code == status
    assert (hub.repos.keys(), hub.repos[REPO].commit, hub.repos[REPO].branches.keys()) == ({REPO}, net, {"main"})


def test_a_hub_without_tokens_takes_everything(hub, api):
    hub.tokens.clear()
    api.create_repo("org/open", token=False)
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="org/open", token=False)
    assert hub.repos["org/open"].files["x"] == b"x"


def test_who_one_is(api, net):
    me = api.whoami()
    assert (me["name"], [org["name"] for org in me["orgs"]]) == ("user", ["org"])
    assert api.whoami(token="hf_reader")["auth"]["accessToken"]["role"] == "read"
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        api.whoami(token="hf_unknown")


def test_a_card_is_checked_before_its_commit(hub, api, net):
    for card in (b"---\na: [\n---\n", b"---\n- a\n---\n"):
        with pytest.raises(ValueError, match="Invalid metadata in README"):
            api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=REPO)
    assert hub.repos[REPO].commit == net
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        api.upload_file(path_or_fileobj=b"# Net", path_in_repo="README.md", repo_id=REPO)
    card = b"---\nlibrary_name: transformers\npipeline_tag: other\ntags: [zoo]\n---\n"
    api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=REPO)
    info = api.model_info(REPO)
    assert (info.library_name, info.pipeline_tag, info.tags) == ("transformers", "other", ["zoo"])


@pytest.mark.parametrize(
    ("repo_type", "metadata", "told"),
    [
        ("model", "license: my own", "license.* must be one of"),
        ("model", "model-index: [{results: []}]", "model-index.*name"),
        ("model", "datasets: ['a data set']", "datasets.* not valid"),
        (
            "model",
            "model-index: [{name: a, results: [{task: {type: t}, dataset: {type: d, name: d}, metrics: []}]}]",
            "metrics.* is required",
        ),
        ("dataset", "size_categories: [many]", "size_categories.* must be one of"),
        ("dataset", "configs: [{config_name: default}]", "data_files"),
        ("space", "title: a page", "sdk.* is required"),
        ("space", "sdk: gradio\ncolorFrom: mauve", "colorFrom.* must be one of"),
    ],
)
def test_metadata_that_break_a_rule_are_refused(hub, repo_type, metadata, told):
    with pytest.raises(ValueError, match=told):
        RepoCard(f"---\n{metadata}\n---\n").validate(repo_type=repo_type)
