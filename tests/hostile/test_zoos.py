"""A zoo from the Hub is untrusted: what does not fit together is refused by name, and nothing outside it is read."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from random_zoos import random_rows, write_whole
from safetensors.torch import save_file

from hf_sne.errors import UserError
from hf_sne.zoo.card import read_labels
from hf_sne.zoo.manifest import MANIFEST, Manifest, ManifestError
from hf_sne.zoo.read import read_networks, read_zoo
from hf_sne.zoo.schema import FILE, LAYOUTS, WEIGHTS, LayoutError
from hf_sne.zoo.stream import ZooStream


@pytest.fixture
def folder(tmp_path):
    write_whole(tmp_path / "zoo", random_rows({"a": 6}, {"a": 2}), {"train": 1.0})
    return tmp_path / "zoo"


def read(folder):
    return list(ZooStream(str(folder)))


def change_layouts(folder, **changes):
    """Change columns of the second tensor's row."""
    path = folder / "layouts.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[1] |= changes
    pq.write_table(pa.Table.from_pylist(rows, schema=LAYOUTS), path)


def change_rows(folder, **columns):
    (path,) = folder.glob("data/*/*.parquet")
    table = pq.read_table(path)
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(values, table.schema.field(place).type))
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offset": -4}, "begins at -4"),
        ({"offset": 3}, "begins at 3, the tensor before it ends at 10"),
        ({"offset": 10**15}, "begins at 1000000000000000"),
        ({"shape": [-2]}, r"has the shape \(-2,\)"),
        ({"name": "weight"}, "weight is there twice"),
    ],
)
def test_a_layout_that_does_not_tile_its_rows_is_refused(folder, changes, message):
    change_layouts(folder, **changes)
    with pytest.raises(LayoutError, match=message):
        read(folder)


def test_a_layout_larger_than_its_rows_is_refused(folder):
    change_layouts(folder, shape=[10**6, 10**6])
    with pytest.raises(LayoutError, match="has 12 elements, its layout has 1000000000010"):
        read(folder)


def test_a_row_without_a_layout_is_refused(folder):
    change_rows(folder, arch=["nowhere"] * 6)
    with pytest.raises(LayoutError, match="arch 'nowhere', which has no layout"):
        read(folder)


def test_a_row_of_another_length_is_refused(folder):
    change_rows(folder, **{WEIGHTS: [np.zeros(length, np.float32) for length in (12, 12, 11, 12, 12, 12)]})
    with pytest.raises(LayoutError, match="has 11 elements, its layout has 12"):
        read(folder)


@pytest.mark.parametrize(
    "name", ["../secret.safetensors", "weights/../../secret.safetensors", "{root}/secret.safetensors"]
)
def test_weights_outside_the_zoo_are_not_read(folder, tmp_path, name):
    save_file({"a-0/weight": torch.zeros(2, 5), "a-0/bias": torch.zeros(2)}, tmp_path / "secret.safetensors")
    change_rows(folder, **{FILE: [name.format(root=tmp_path)] * 6, WEIGHTS: [None] * 6})
    with pytest.raises(UserError, match="allowed are safetensors files below weights/"):
        read(folder)


def test_a_shard_of_other_shapes_is_refused(folder):
    (folder / "weights").mkdir()
    tensors = {
        f"a-{n}/{name}": torch.zeros(shape) for n in range(6) for name, shape in (("weight", (5, 2)), ("bias", (2,)))
    }
    save_file(tensors, folder / "weights" / "x.safetensors")
    change_rows(folder, **{FILE: ["weights/x.safetensors"] * 6, WEIGHTS: [None] * 6})
    with pytest.raises(UserError, match=r"has the shape \(5, 2\), its layout says \(2, 5\)"):
        read(folder)


def test_what_a_source_tells_beyond_the_labels_overrides_none_of_them(folder):
    extra = json.dumps({"split": "test", "run": "other", "test_accuracy": 1.0, "note": "kept"})
    change_rows(folder, extra=[extra] * 6)
    (entry, *_) = read_zoo(folder)
    assert (entry.labels["split"], entry.labels["note"]) == ("train", "kept")
    assert entry.labels["run"] == entry.run != "other"


def test_a_folder_that_is_no_published_zoo_has_no_published_splits(tmp_path):
    save_file({"weight": torch.zeros(2, 5)}, tmp_path / "one.safetensors")
    (tmp_path / "labels.csv").write_text("id,test_accuracy,split\none,0.5,test\n")
    (entry,) = read_zoo(tmp_path)
    assert "split" not in entry.labels
    ((labels, _, _),) = read_networks(tmp_path)
    assert "split" not in labels
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("name", ["../secret.parquet", "data/../../secret.parquet", "/secret.parquet"])
def test_a_manifest_that_names_files_outside_the_zoo_is_refused(folder, name):
    path = folder / MANIFEST
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "files": {name: {"sha256": "", "bytes": 1, "rows": 1}}}))
    with pytest.raises(ManifestError, match="outside the folder"):
        Manifest.read(folder)


def test_a_manifest_without_tables_is_refused(folder):
    path = folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "files": {}}))
    with pytest.raises(ManifestError, match="no table of checkpoints"):
        read_labels(folder, Manifest.read(folder))
