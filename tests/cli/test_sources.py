from pathlib import Path

import pytest

from hf_sne.cli.sources import expand_folders


def folder_of(path: Path, *names: str) -> str:
    path.mkdir()
    for name in names:
        (path / name).touch()
    return str(path)


def test_a_folder_of_checkpoints_becomes_its_files_and_a_note(tmp_path) -> None:
    zoo = folder_of(tmp_path / "zoo", "b.safetensors", "a.safetensors", "labels.csv")
    found, notes = expand_folders(["org/model", zoo], allow_pickle=False)
    assert found == ["org/model", f"{zoo}/a.safetensors", f"{zoo}/b.safetensors"]
    assert len(notes) == 1
    assert zoo in notes[0]
    assert "2 checkpoints" in notes[0]


@pytest.mark.parametrize(
    "names",
    [
        ("model.safetensors", "config.json"),
        ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"),
        ("model.safetensors", "adapter_model.safetensors"),
        ("model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"),
        ("a.pt", "b.pt"),
        (),
    ],
    ids=[
        "one file",
        "shards with an index",
        "a standard name beside another",
        "shards without an index",
        "pickles nobody asked for",
        "empty",
    ],
)
def test_a_folder_that_is_one_checkpoint_stays_one(tmp_path, names: tuple[str, ...]) -> None:
    folder = folder_of(tmp_path / "model", *names)
    assert expand_folders([folder], allow_pickle=False) == ([folder], [])


def test_pickles_count_where_asked_for(tmp_path) -> None:
    zoo = folder_of(tmp_path / "zoo", "a.pt", "b.pth", "optimizer.pt")
    assert expand_folders([zoo], allow_pickle=True)[0] == [f"{zoo}/a.pt", f"{zoo}/b.pth"]


def test_safetensors_go_before_pickles_of_the_same_networks(tmp_path) -> None:
    zoo = folder_of(tmp_path / "zoo", "a.safetensors", "b.safetensors", "a.pt", "b.pt")
    assert expand_folders([zoo], allow_pickle=True)[0] == [f"{zoo}/a.safetensors", f"{zoo}/b.safetensors"]


def test_a_hostile_folder_name_is_escaped_in_the_note(tmp_path) -> None:
    zoo = folder_of(tmp_path / "\x1b[2J[bold]", "a.safetensors", "b.safetensors")
    (note,) = expand_folders([zoo], allow_pickle=False)[1]
    assert "\x1b" not in note
    assert "\\x1b[2J[bold]" in note


def test_pickles_beside_safetensors_are_left_out_and_told(tmp_path):
    for name in ("a.safetensors", "b.safetensors", "old.pt"):
        (tmp_path / name).write_bytes(b"")
    files, notes = expand_folders([str(tmp_path)], allow_pickle=True)
    assert len(files) == 2
    assert "1 pickle file beside them left out" in notes[0]
