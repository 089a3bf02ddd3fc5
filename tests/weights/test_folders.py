import json

import pytest
import torch
from safetensors.torch import save_file

from hf_sne.weights import errors, open_checkpoint

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def put(folder, name, **tensors):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors or {"fc.weight": torch.ones(2, 2)}, path)
    return path


def put_index(folder, weight_map, name="model.safetensors.index.json"):
    (folder / name).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))


@pytest.fixture
def sharded(tmp_path):
    """A folder of two shards, the layers' order against that of the shards."""
    put(tmp_path, SHARDS[0], **{"layer.10.weight": torch.full((2, 2), 10.0), "layer.2.bias": torch.ones(2)})
    put(tmp_path, SHARDS[1], **{"layer.2.weight": torch.full((2, 2), 2.0)})
    put_index(tmp_path, {"layer.10.weight": SHARDS[0], "layer.2.bias": SHARDS[0], "layer.2.weight": SHARDS[1]})
    return tmp_path


def test_shards_are_one_checkpoint(sharded):
    checkpoint = open_checkpoint(sharded)
    assert [layer.name for layer in checkpoint.layers] == ["layer.2", "layer.10"]
    assert checkpoint.layers[0].bias.name == "layer.2.bias"
    assert checkpoint.layers[1].weight.read().tolist() == [[10.0, 10.0], [10.0, 10.0]]
    assert [file.name for file in checkpoint.files] == ["model.safetensors.index.json", *SHARDS]


def test_the_index_itself_can_be_named(sharded):
    assert len(open_checkpoint(sharded / "model.safetensors.index.json").layers) == 2


def test_one_shard_can_be_named(sharded):
    assert [layer.name for layer in open_checkpoint(sharded / SHARDS[1]).layers] == ["layer.2"]


def test_shards_in_a_folder_of_the_index(tmp_path):
    put(tmp_path, "parts/a.safetensors")
    put_index(tmp_path, {"fc.weight": "parts/a.safetensors"})
    assert [layer.name for layer in open_checkpoint(tmp_path).layers] == ["fc"]


def test_a_snapshot_of_the_hubs_cache_links_to_its_blobs(tmp_path):
    repo = tmp_path / "models--owner--name"
    snapshot = repo / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    blob = put(repo / "blobs", "0a1b")
    (snapshot / "part.safetensors").symlink_to(blob)
    put_index(snapshot, {"fc.weight": "part.safetensors"})
    assert [layer.name for layer in open_checkpoint(snapshot).layers] == ["fc"]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["model.safetensors", "adapter_model.safetensors", "pytorch_model.bin"], "model.safetensors"),
        (["anything.safetensors", "README.md", "training_args.bin", "optimizer.pt"], "anything.safetensors"),
        (["weights.safetensors", "pytorch_model.bin"], "weights.safetensors"),
    ],
)
def test_the_file_of_a_folder(tmp_path, names, chosen):
    for name in names:
        put(tmp_path, name)
    assert [file.name for file in open_checkpoint(tmp_path).files] == [chosen]


def test_several_choices_are_listed(tmp_path):
    put(tmp_path, "adapter_model.safetensors")
    put(tmp_path, "unet.safetensors")
    with pytest.raises(errors.AmbiguousWeightsError, match=r"adapter_model\.safetensors, unet\.safetensors"):
        open_checkpoint(tmp_path)


def test_a_folder_without_weights_says_what_it_holds(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(errors.NoWeightFileError, match=r"config\.json"):
        open_checkpoint(tmp_path)


def test_pickles_of_a_folder_are_read_on_request_only(tmp_path):
    torch.save({"fc.weight": torch.ones(2, 2)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(errors.PickleRefusedError, match="allow_pickle=True"):
        open_checkpoint(tmp_path)


def test_safetensors_under_a_pickles_name_need_no_permission(tmp_path):
    assert len(open_checkpoint(put(tmp_path, "net.bin")).layers) == 1


def test_config_json_is_never_read(tmp_path):
    put(tmp_path, "model.safetensors")
    (tmp_path / "config.json").symlink_to(tmp_path / "nowhere")
    assert len(open_checkpoint(tmp_path).layers) == 1
