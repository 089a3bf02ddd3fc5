"""Publishing a zoo on a Hub that runs here, with the clients that people use."""

import json
import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256

import pytest
from hub_server import Fault
from hub_server.conftest import READER
from huggingface_hub import HfApi, constants
from random_zoos import random_rows, write_whole
from zoo_hashes import hashes_of
from zoo_making import files_of

from hf_sne.cli import main
from hf_sne.errors import UserError
from hf_sne.hub import Destination, push
from hf_sne.zoo.card import CARD
from hf_sne.zoo.manifest import MANIFEST, Manifest, ManifestError

REPO = "org/zoo"

STREAM = """
import json, sys
from datasets import load_dataset
from zoo_hashes import hashes_of
from hf_sne.errors import UserError
from hf_sne.zoo import ZooStream, read_zoo

repo = sys.argv[1]
rows = load_dataset(repo, split="test", streaming=True).with_format("numpy")
loaded = {str(row["id"]): row["weights"].tobytes().hex() for row in rows}
try:
    ZooStream("org/none")
except UserError as error:
    refusal = str(error)
print(json.dumps({
    "main": hashes_of(repo),
    "branch": hashes_of(repo, "v2"),
    "loaded": loaded,
    "read": [entry.id for entry in read_zoo(repo)],
    "refusal": refusal,
}))
"""


@pytest.fixture
def folder(zoo, tmp_path):
    """A zoo that may be changed."""
    return shutil.copytree(zoo, tmp_path / "digits")


def test_a_licence_that_the_hub_does_not_know_is_told_in_one_sentence(hub, tmp_path):
    rows = random_rows({"mlp": 20}, {"mlp": 3})
    write_whole(tmp_path / "zoo", rows, {"train": 0.7, "test": 0.3}, license="my own")
    with pytest.raises(UserError, match=r'org/zoo: the Hub does not take .*"license" must be one of') as refused:
        push(str(tmp_path / "zoo"), Destination(REPO))
    assert "\n" not in refused.value.message
    assert "README.md" not in hub.datasets[REPO].files


def test_a_pushed_zoo_streams_back_as_it_was(hub, folder, tmp_path):
    write_whole(tmp_path / "other", random_rows({"mlp": 20}, {"mlp": 3}), {"train": 0.7, "test": 0.3})
    assert push(str(folder), Destination(REPO, private=True)) == f"{hub.url}/datasets/{REPO}"
    push(str(tmp_path / "other"), Destination(REPO, revision="v2"))
    assert hub.datasets[REPO].private
    assert f'load_dataset("{REPO}"'.encode() in hub.datasets[REPO].files[CARD]

    environment = hub.client_environment(tmp_path / "home", READER) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", STREAM, REPO], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, expected = json.loads(done.stdout), hashes_of(str(folder))
    assert found["main"] == expected
    assert list(found["main"]) == ["train", "validation", "test"]
    assert found["branch"] == hashes_of(str(tmp_path / "other"))
    loaded = {name: sha256(bytes.fromhex(weights)).hexdigest() for name, weights in found["loaded"].items()}
    assert loaded == expected["test"]
    assert set(found["read"]) < set().union(*expected.values())
    assert found["refusal"].startswith("org/none: no zoo")


def test_pushing_again_changes_nothing(hub, folder):
    push(str(folder), Destination(REPO))
    before = hub.datasets[REPO].commit
    uploads = sum(request.startswith("PUT") for request in hub.requests)
    assert push(str(folder), Destination(REPO)).endswith(f"/datasets/{REPO}")
    assert hub.datasets[REPO].commit == before
    assert sum(request.startswith("PUT") for request in hub.requests) == uploads
    assert not hub.datasets[REPO].private


def test_nothing_is_left_of_the_zoo_that_was_there_before(hub, folder, tmp_path):
    """The configs take in every table, so one that is left would be read as a part of the new zoo."""
    write_whole(tmp_path / "before", random_rows({"mlp": 8, "other": 8}, {"mlp": 3, "other": 2}), {"holdout": 1.0})
    push(str(tmp_path / "before"), Destination(REPO))
    assert "data/mlp/holdout-00000-of-00001.parquet" in hub.datasets[REPO].files
    push(str(folder), Destination(REPO))
    assert hub.datasets[REPO].files.keys() == {".gitattributes", MANIFEST, *Manifest.read(folder).files}


def test_a_branch_is_made_and_takes_the_zoo(hub, folder):
    push(str(folder), Destination(REPO, revision="v2"))
    push(str(folder), Destination(REPO, revision="v2"))
    repo = hub.datasets[REPO]
    assert repo.files.keys() == {".gitattributes"}, "main is as it was"
    assert repo.find_commit("v2").files.keys() == {".gitattributes", MANIFEST, *Manifest.read(folder).files}


def test_a_dry_run_sends_and_writes_nothing(hub, folder):
    before = files_of(folder)
    told = push(str(folder), Destination(REPO), dry_run=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    head, *listed = told.splitlines()
    assert head == f"would push the zoo, {len(listed)} files, {size / 2**20:.1f} MiB, to the data set {REPO}"
    assert {line.split()[0] for line in listed} == {MANIFEST, *Manifest.read(folder).files}
    assert files_of(folder) == before
    assert hub.requests == []


def test_a_push_leaves_the_folder_as_it_was(hub, folder):
    before = files_of(folder)
    hub.faults = [Fault("POST .*repos/create", status=403)]
    with pytest.raises(UserError, match="403"):
        push(str(folder), Destination(REPO))
    push(str(folder), Destination(REPO))
    assert files_of(folder) == before
    assert f'load_dataset("{REPO}"'.encode() in hub.datasets[REPO].files[CARD]


def _check_whole(repo, folder):
    """What is there is as the manifest there says."""
    for name, content in repo.files.items():
        (folder / "there" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "there" / name).write_bytes(content)
    assert not list(Manifest.read(folder / "there").faults(folder / "there"))


def test_a_card_that_was_edited_is_pushed_as_it_is(hub, folder, tmp_path):
    card = (folder / CARD).read_text() + "\nOur own words.\n"
    (folder / CARD).write_text(card)
    for _ in range(2):
        push(str(folder), Destination(REPO))
        assert hub.datasets[REPO].files[CARD] == card.encode() == (folder / CARD).read_bytes()
        _check_whole(hub.datasets[REPO], tmp_path)


@pytest.mark.parametrize("damage", ["changed", "longer", "missing"])
def test_a_damaged_zoo_is_refused_before_anything_is_sent(hub, folder, damage):
    table = next(folder.glob("data/*/test-*.parquet"))
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content if damage == "changed" else bytes(content) + b"x")
    if damage == "missing":
        table.unlink()
    card = (folder / CARD).read_bytes()
    with pytest.raises(ManifestError, match=re.escape(str(table.relative_to(folder)))):
        push(str(folder), Destination(REPO))
    assert (hub.requests, hub.datasets, (folder / CARD).read_bytes()) == ([], {}, card)


def test_a_card_without_its_metadata_is_written_anew(hub, folder, tmp_path):
    (folder / CARD).write_text("mine")
    push(str(folder), Destination(REPO))
    assert f'load_dataset("{REPO}"'.encode() in hub.datasets[REPO].files[CARD]
    _check_whole(hub.datasets[REPO], tmp_path)


def test_the_version_that_made_the_zoo_stays_on_it(hub, folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"made_with": "0.0.9"}))
    push(str(folder), Destination(REPO))
    assert json.loads(hub.datasets[REPO].files[MANIFEST])["made_with"] == "0.0.9"
    assert b"hf_sne 0.0.9" in hub.datasets[REPO].files[CARD]


@pytest.mark.parametrize(
    ("token", "reason", "fix"),
    [
        (
            "hf_unknown",
            "the Hub answers 401, Invalid credentials in Authorization header",
            "log in (hf auth login), or",
        ),
        (
            READER,
            "the Hub answers 403, You don't have the rights to write here: the token's role is read",
            "use a token that may write there",
        ),
    ],
)
def test_a_token_that_may_not_write_is_told_in_a_sentence(hub, folder, monkeypatch, capsys, token, reason, fix):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(SystemExit) as stop:
        main(["push", str(folder), REPO])
    told = capsys.readouterr()
    assert (stop.value.code, told.out) == (2, "")
    assert told.err.startswith(f"error: {REPO}: {reason}. Fix: {fix} ")
    assert told.err.count("\n") == 1
    assert hub.datasets == {}


def test_the_command_prints_the_address(hub, folder, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["push", str(folder), REPO, "--private", "--revision", "v2"])
    assert (stop.value.code, capsys.readouterr().out) == (0, f"{hub.url}/datasets/{REPO}/tree/v2\n")
    assert hub.datasets[REPO].private
    assert set(hub.datasets[REPO].branches) == {"main", "v2"}


@pytest.mark.parametrize("name", ["zoo", "a b/c", "a/b/c", "org/..x"])
def test_what_is_no_name_is_refused(hub, folder, name):
    with pytest.raises(UserError, match=re.escape(name)):
        push(str(folder), Destination(name))
    assert hub.requests == []


def test_a_hub_that_is_not_there_is_told(hub, folder, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=f"{REPO}: .*refused.*network"):
        push(str(folder), Destination(REPO))


def test_a_data_set_that_is_no_zoo_is_left_alone(hub, tmp_path):
    write_whole(tmp_path / "zoo", random_rows({"a": 4}, {"a": 2}), {"train": 1.0})
    theirs = HfApi(hub.url)
    theirs.create_repo(REPO, repo_type="dataset")
    theirs.upload_file(path_or_fileobj=b"theirs", path_in_repo="data/a.csv", repo_id=REPO, repo_type="dataset")
    with pytest.raises(UserError, match="holds 1 files and no zoo"):
        push(str(tmp_path / "zoo"), Destination(REPO))
    assert hub.datasets[REPO].files["data/a.csv"] == b"theirs"
