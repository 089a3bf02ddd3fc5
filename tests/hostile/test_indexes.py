"""Every rule of an index over shards."""

import json

import pytest
import torch
from safetensors.torch import save, save_file

from hf_sne.limits import Limits
from hf_sne.weights import errors, open_checkpoint

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path):
    """A folder ``own`` of two shards beside one that it does not own."""
    own = tmp_path / "own"
    own.mkdir()
    save_file({"a.weight": torch.ones(2, 2)}, own / "1.safetensors")
    save_file({"b.weight": torch.ones(2, 2)}, own / "2.safetensors")
    save_file({"a.weight": torch.ones(2, 2)}, tmp_path / "secret.safetensors")
    return own


def refuse(folder, weight_map, error, **limits):
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(error) as caught:
        open_checkpoint(folder, limits=Limits(**limits))
    assert INDEX in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "shard",
    ["../secret.safetensors", "x/../../secret.safetensors", "/etc/secret.safetensors", "..\\secret.safetensors"],
)
def test_a_path_out_of_the_folder(folder, shard):
    refuse(folder, {"a.weight": shard}, errors.ShardPathError)


def test_a_link_out_of_the_folder(folder):
    (folder / "3.safetensors").symlink_to(folder.parent / "secret.safetensors")
    refuse(folder, {"a.weight": "3.safetensors"}, errors.ShardPathError)


def test_a_folder_linked_out_of_the_folder(folder):
    (folder / "parts").symlink_to(folder.parent)
    refuse(folder, {"a.weight": "parts/secret.safetensors"}, errors.ShardPathError)


def test_a_name_that_does_not_print(folder):
    assert "\\x1b" in refuse(folder, {"a.weight": "\x1b[2J.safetensors"}, errors.ShardPathError)


def test_a_missing_shard_is_not_dropped_silently(folder):
    refuse(folder, {"a.weight": "1.safetensors", "b.weight": "9.safetensors"}, errors.ShardMissingError)


@pytest.mark.parametrize("shard", ["1.bin", "1.pt", "1", "1.safetensors.index.json"])
def test_a_shard_of_another_format(folder, shard):
    refuse(folder, {"a.weight": shard}, errors.ShardExtensionError)


def test_a_tensor_that_is_in_two_shards(folder):
    save_file({"b.weight": torch.ones(2, 2), "a.weight": torch.ones(2, 2)}, folder / "2.safetensors")
    refuse(folder, {"a.weight": "1.safetensors", "b.weight": "2.safetensors"}, errors.ShardNamesError)


def test_a_tensor_that_is_in_another_shard(folder):
    refuse(folder, {"a.weight": "2.safetensors", "b.weight": "1.safetensors"}, errors.ShardNamesError)


def test_a_tensor_that_is_in_no_shard(folder):
    weight_map = {"a.weight": "1.safetensors", "b.weight": "2.safetensors", "c.weight": "2.safetensors"}
    assert "no 'c.weight' in 2.safetensors" in refuse(folder, weight_map, errors.ShardNamesError)


def test_a_tensor_that_the_index_lacks(folder):
    save_file({"a.weight": torch.ones(2, 2), "z.weight": torch.ones(2, 2)}, folder / "1.safetensors")
    refuse(folder, {"a.weight": "1.safetensors"}, errors.ShardNamesError)


@pytest.mark.parametrize("weight_map", [None, {}, [], {"a.weight": 1}, {"a.weight": ["1.safetensors"]}])
def test_a_map_of_another_form(folder, weight_map):
    refuse(folder, weight_map, errors.IndexSyntaxError)


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b""])
def test_an_index_that_is_no_json_object(folder, content):
    (folder / INDEX).write_bytes(content)
    with pytest.raises(errors.IndexSyntaxError, match=r"index\.json"):
        open_checkpoint(folder)


def test_a_name_twice_in_the_map(folder):
    (folder / INDEX).write_text('{"weight_map": {"a.weight": "1.safetensors", "a.weight": "2.safetensors"}}')
    with pytest.raises(errors.DuplicateNameError, match=r"'a\.weight' 2 times"):
        open_checkpoint(folder)


def test_limits_of_an_index(folder):
    weight_map = {"a.weight": "1.safetensors", "b.weight": "2.safetensors"}
    refuse(folder, weight_map, errors.ShardCountError, shards=1)
    refuse(folder, weight_map, errors.IndexLengthError, index_bytes=10)


def test_limits_are_of_all_shards_together(folder):
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a.weight": "1.safetensors", "b.weight": "2.safetensors"}}))
    with pytest.raises(errors.TensorCountError):
        open_checkpoint(folder, limits=Limits(tensors=1))
    with pytest.raises(errors.TotalBytesError):
        open_checkpoint(folder, limits=Limits(total_bytes=16))


def test_a_hostile_shard_is_refused_like_any_file(folder):
    (folder / "2.safetensors").write_bytes(save({"b.weight": torch.ones(2, 2)}) + b"\0")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a.weight": "1.safetensors", "b.weight": "2.safetensors"}}))
    with pytest.raises(errors.TrailingBytesError, match=r"2\.safetensors"):
        open_checkpoint(folder)
