"""The Small CNN Zoo: rows in TensorFlow's order become networks of the same function in PyTorch."""

import gzip
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from small_cnn_zoos import CLASSES, EPOCHS, WIDTH, metrics, variables, write_layout, write_pytorch_zoo, write_zoo

from hf_sne.errors import UserError
from hf_sne.zoo.adapters.small_cnn_zoo import is_small_cnn_zoo, read_small_cnn_zoo
from hf_sne.zoo.families import build_network
from hf_sne.zoo.schema import LABELS

FUNCTIONS = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}


def tensorflow_logits(row, activation, images):
    """[n, height, width, channels] -> [n, classes], computed as TensorFlow does: NHWC, stride 2, VALID."""
    named, start = {}, 0
    for name, shape in variables(images.shape[-1]):
        named[name.removeprefix("sequential/")] = row[start : start + math.prod(shape)].reshape(shape)
        start += math.prod(shape)
    maps = images
    for layer in ("conv2d", "conv2d_1", "conv2d_2"):
        size = (maps.shape[1] - 3) // 2 + 1
        out = np.empty((len(maps), size, size, WIDTH))
        for i in range(size):
            for j in range(size):
                patch = maps[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3, :]
                out[:, i, j] = np.einsum("nhwc,hwco->no", patch, named[f"{layer}/kernel:0"])
        maps = FUNCTIONS[activation](out + named[f"{layer}/bias:0"])
    return maps.mean(axis=(1, 2)) @ named["dense/kernel:0"] + named["dense/bias:0"]


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (1, 32), (3, 32)])
def test_converted_networks_have_the_logits_of_tensorflow(tmp_path, channels, side):
    weights = write_zoo(tmp_path / "zoo", channels=channels)
    rows = read_small_cnn_zoo(tmp_path / "zoo")
    images = np.random.default_rng(3).normal(size=(5, side, side, channels))
    for index, (row, label) in enumerate(zip(weights, rows.labels, strict=True)):
        architecture = json.loads(label["architecture"])
        network = build_network(label["family"], architecture, (channels, side, side), CLASSES).eval()
        network.load_state_dict(rows.layouts[label["arch"]].unflatten(torch.from_numpy(rows.vector(index))))
        with torch.no_grad():
            logits = network(torch.from_numpy(images.transpose(0, 3, 1, 2)).float()).numpy()
        expected = tensorflow_logits(row.astype(np.float64), label["activation"], images)
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_labels_of_the_published_table(tmp_path):
    write_zoo(tmp_path / "zoo")
    assert is_small_cnn_zoo(tmp_path / "zoo")
    rows = read_small_cnn_zoo(tmp_path / "zoo")
    table = metrics(6)
    label = rows.labels[5]
    assert set(label) == set(LABELS)
    assert (label["id"], label["run"], label["step"], label["epoch"]) == ("/dir/1-86", "/dir/1", 86, 86.0)
    assert (label["family"], label["data"], label["parameters"]) == ("small_cnn", "svhn_cropped", 4970)
    assert label["test_loss"] == pytest.approx(table["test_loss"][5])
    assert label["generalization_gap"] == pytest.approx(table["train_accuracy"][5] - table["test_accuracy"][5])
    assert (label["activation"], label["optimizer"], label["seed"], label["epochs"]) == ("tanh", "adam", 42, EPOCHS)
    assert (label["weight_decay"], label["learning_rate"], label["dropout"]) == (1e-4, 2e-3, 0.25)
    assert (label["initialization"], label["init_scale"]) == ("TruncatedNormal", 0.03)
    assert json.loads(label["extra"]) == {"config.b_init": "zeros"}
    assert (label["batch_size"], label["damage"], label["diverged"]) == (None, None, False)


def test_the_scale_that_an_initialisation_does_not_use_is_no_label(tmp_path):
    write_zoo(tmp_path / "zoo")
    label = read_small_cnn_zoo(tmp_path / "zoo").labels[0]
    assert (label["initialization"], label["init_scale"]) == ("he_normal", None)
    assert json.loads(label["extra"])["config.init_std"] == 0.03


def test_empty_cells_and_row_numbers_are_no_labels(tmp_path):
    write_zoo(tmp_path / "zoo")
    table = metrics(6)
    table.loc[2, ["test_loss", "config.optimizer", "config.b_init"]] = None
    table.to_csv(tmp_path / "zoo" / "metrics.csv.gz")
    label = read_small_cnn_zoo(tmp_path / "zoo").labels[2]
    assert (label["test_loss"], label["optimizer"]) == (None, None)
    assert json.loads(label["extra"]) == {"config.init_std": 0.03}


def test_shards_stay_on_disk_and_in_order(tmp_path):
    whole = write_zoo(tmp_path / "whole")
    expected = read_small_cnn_zoo(tmp_path / "whole")
    folder = tmp_path / "shards"
    folder.mkdir()
    write_layout(folder, variables())
    for name, part in (("000", slice(0, 4)), ("001", slice(4, 6))):
        np.save(folder / f"weights-{name}.npy", whole[part].astype(np.float64))
        metrics(6)[part].to_csv(folder / f"metrics-{name}.csv", index=False)
    rows = read_small_cnn_zoo(folder)
    assert rows.labels == expected.labels
    for index in range(6):
        assert rows.vector(index).dtype == np.float32
        np.testing.assert_array_equal(rows.vector(index), expected.vector(index))


def test_a_weight_that_is_not_finite_marks_the_row(tmp_path):
    weights = write_zoo(tmp_path / "zoo").astype(np.float64)
    weights[1, 7], weights[4, 9] = np.nan, 1e300
    np.save(tmp_path / "zoo" / "weights.npy", weights)
    rows = read_small_cnn_zoo(tmp_path / "zoo")
    assert [label["diverged"] for label in rows.labels] == [False, True, False, False, True, False]
    assert not np.isfinite(rows.vector(4)).all()


@pytest.mark.parametrize("names", [list, lambda state: [f"part{place}" for place in range(len(state))]])
def test_rows_in_the_order_of_pytorch_are_kept(tmp_path, names):
    weights, state = write_pytorch_zoo(tmp_path / "zoo", names, 6)
    rows = read_small_cnn_zoo(tmp_path / "zoo")
    [layout] = rows.layouts.values()
    assert layout.arch == rows.labels[0]["arch"]
    assert [place.name for place in layout.tensors] == list(state)
    assert rows.labels[0]["family"] == "small_cnn"
    np.testing.assert_array_equal(rows.vector(3), weights[3])


def test_the_order_can_be_said(tmp_path):
    weights = write_zoo(tmp_path / "zoo")
    rows = read_small_cnn_zoo(tmp_path / "zoo", order="pytorch")
    np.testing.assert_array_equal(rows.vector(0), weights[0])
    renamed = [(name.replace("kernel", "weight"), shape) for name, shape in variables()]
    write_zoo(tmp_path / "renamed", named=renamed)
    assert read_small_cnn_zoo(tmp_path / "renamed").labels[0]["family"] == "renamed"
    converted = read_small_cnn_zoo(tmp_path / "renamed", order="tensorflow")
    np.testing.assert_array_equal(converted.vector(0), read_small_cnn_zoo(tmp_path / "zoo").vector(0))


def test_steps_are_epochs_only_if_they_end_with_the_last_epoch(tmp_path):
    write_zoo(tmp_path / "zoo")
    table = metrics(6).assign(step=range(6))
    table.to_csv(tmp_path / "zoo" / "metrics.csv.gz", index=False)
    assert {label["epoch"] for label in read_small_cnn_zoo(tmp_path / "zoo").labels} == {None}


def test_another_network_keeps_plain_names_and_takes_the_name_of_its_folder(tmp_path):
    named = [
        ("net/conv2d_1/kernel:0", (3, 3, 1, 4)),
        ("net/conv2d_1/bias:0", (4,)),
        ("net/batch_normalization/gamma:0", (4,)),
        ("net/batch_normalization/beta:0", (4,)),
        ("net/batch_normalization/moving_mean:0", (4,)),
        ("net/batch_normalization/moving_variance:0", (4,)),
        ("net/dense/kernel:0", (4, 10)),
    ]
    weights = write_zoo(tmp_path / "My zoo (2)", named=named)
    rows = read_small_cnn_zoo(tmp_path / "My zoo (2)")
    [layout] = rows.layouts.values()
    assert [(place.name, place.shape) for place in layout.tensors] == [
        ("conv2d_1.weight", (4, 1, 3, 3)),
        ("conv2d_1.bias", (4,)),
        ("batch_normalization.weight", (4,)),
        ("batch_normalization.bias", (4,)),
        ("batch_normalization.running_mean", (4,)),
        ("batch_normalization.running_var", (4,)),
        ("dense.weight", (10, 4)),
    ]
    assert layout.buffers == ("batch_normalization.running_mean", "batch_normalization.running_var")
    assert (rows.labels[0]["family"], rows.labels[0]["architecture"]) == ("my_zoo_2", None)
    tensors = layout.unflatten(torch.from_numpy(rows.vector(0)))
    np.testing.assert_array_equal(tensors["conv2d_1.weight"][2, 0], weights[0, :36].reshape(3, 3, 1, 4)[:, :, 0, 2])
    np.testing.assert_array_equal(tensors["dense.weight"], weights[0, -40:].reshape(4, 10).T)


@pytest.mark.parametrize("shown", ["3x3x1x16", "(3, 3, 1, 16)", "[3, 3, 1, 16]", "(3,3,1,16)"])
def test_shapes_as_people_write_them(tmp_path, shown):
    weights = write_zoo(tmp_path / "zoo")
    layout = pd.read_csv(tmp_path / "zoo" / "layout.csv")
    layout.loc[layout["shape"] == "(3, 3, 1, 16)", "shape"] = shown
    layout.to_csv(tmp_path / "zoo" / "layout.csv", index=False)
    first = read_small_cnn_zoo(tmp_path / "zoo").vector(0)[:144].reshape(16, 1, 3, 3)
    np.testing.assert_array_equal(first[5, 0], weights[0, 16:160].reshape(3, 3, 1, 16)[:, :, 0, 5])


def change_layout(change):
    def broken(folder):
        layout = pd.read_csv(folder / "layout.csv")
        change(layout).to_csv(folder / "layout.csv", index=False)

    return broken


def flatten_first(folder):
    write_zoo(folder, named=[("conv2d/kernel:0", (3, 3, 1, 4)), ("dense/kernel:0", (100, 10))])


def shard_of_another_length(folder):
    np.save(folder / "weights-2.npy", np.zeros((2, 7), np.float32))


def cut(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-20])


BROKEN = {
    "rows and metrics differ": (
        lambda folder: metrics(5).to_csv(folder / "metrics.csv.gz", index=False),
        r"weights.npy has 6 rows and metrics.csv.gz 5",
    ),
    "no metrics": (lambda folder: (folder / "metrics.csv.gz").unlink(), r"no metrics.csv or metrics.csv.gz"),
    "no weights": (lambda folder: (folder / "weights.npy").unlink(), r"no weights\*.npy"),
    "objects": (
        lambda folder: np.save(folder / "weights.npy", np.array([[{}]] * 6), allow_pickle=True),
        r"no array can be read.*[Pp]ython objects",
    ),
    "cut weights": (cut("weights.npy"), r"weights.npy: no array can be read"),
    "cut metrics": (cut("metrics.csv.gz"), r"metrics.csv.gz: no table can be read"),
    "no gzip": (lambda folder: (folder / "metrics.csv.gz").write_text("step"), r"metrics.csv.gz: no table can be read"),
    "whole numbers": (lambda folder: np.save(folder / "weights.npy", np.ones((6, 4970), int)), r"array of int64"),
    "one axis": (lambda folder: np.save(folder / "weights.npy", np.ones(6)), r"with 1 axes"),
    "shards of other networks": (shard_of_another_length, r"rows of \[7, 4970\] numbers"),
    "a variable is missing at the end": (change_layout(lambda layout: layout[:-1]), r"ends at 4810.* is at 4970"),
    "a variable is missing inside": (change_layout(lambda layout: layout.drop(2)), r"ends at 160.* is at 176"),
    "a variable stands twice": (
        change_layout(lambda layout: pd.concat([layout, layout[2:3]])),
        r"ends at 176.* is at 160",
    ),
    "a name stands twice": (
        change_layout(lambda layout: layout.assign(varname=layout["varname"].replace(r"_\d", "", regex=True))),
        r"8 variables have 4 different names",
    ),
    "a shape of another size": (change_layout(lambda layout: layout.assign(shape="(3, 16)")), r"has 48 numbers"),
    "a shape that is none": (change_layout(lambda layout: layout.assign(shape="three")), r"shape of .* is 'three'"),
    "no shapes": (change_layout(lambda layout: layout.drop(columns="shape")), r"no column shape"),
    "a flattened map": (flatten_first, r"dense/kernel:0 has 100 inputs, a flattened map of the 4 channels"),
    "a variable of another kind": (
        change_layout(lambda layout: layout.assign(varname=layout["varname"].str.replace("bias", "depthwise"))),
        r"conv2d/depthwise:0.* cannot be converted",
    ),
    "rows of no run": (
        lambda folder: metrics(6).drop(columns="modeldir").to_csv(folder / "metrics.csv.gz", index=False),
        r"without a run",
    ),
    "steps that are no numbers": (
        lambda folder: metrics(6).assign(step="last").to_csv(folder / "metrics.csv.gz", index=False),
        r"without a step in whole numbers",
    ),
}


@pytest.mark.parametrize(("breaks", "message"), BROKEN.values(), ids=BROKEN)
def test_a_damaged_zoo_is_refused(tmp_path, breaks, message):
    write_zoo(tmp_path / "zoo")
    breaks(tmp_path / "zoo")
    with pytest.raises(UserError, match=message):
        read_small_cnn_zoo(tmp_path / "zoo")


def test_a_table_that_is_not_gzipped_may_be_the_same(tmp_path):
    write_zoo(tmp_path / "zoo")
    expected = read_small_cnn_zoo(tmp_path / "zoo").labels
    packed = tmp_path / "zoo" / "metrics.csv.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert read_small_cnn_zoo(tmp_path / "zoo").labels == expected
