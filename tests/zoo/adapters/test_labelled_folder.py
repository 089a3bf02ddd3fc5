"""A folder of safetensors files with one table of labels."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from networks import cnn, mlp
from safetensors.torch import save_file

from hf_sne.errors import CheckpointError, UserError
from hf_sne.zoo.adapters.labelled_folder import is_labelled_folder, read_labelled_folder
from hf_sne.zoo.schema import LABELS, Layout


def write_zoo(folder, rows, networks):
    folder.mkdir(exist_ok=True)
    for row, network in zip(rows, networks, strict=True):
        state = network if isinstance(network, dict) else network.state_dict()
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / f"{row['id']}.safetensors")
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture
def zoo(tmp_path):
    rows = [
        {"id": "007", "run": "01", "test_accuracy": 0.5, "train_accuracy": 0.75, "damage": "none", "family": "mlp"},
        {"id": "8", "run": "01", "test_accuracy": 0.25, "damage": "shuffled", "diverged": True, "family": "../CNN"},
        {"id": "9", "test_accuracy": None, "config.seed": 3, "config.architecture": '{"a": 1}', "config.lr": 0.5},
    ]
    rows[0] |= {
        "config.w_init": "he_normal",
        "config.l2": 1e-3,
        "config.batch_size": 32,
        "owner": "x",
        "data": "digits",
    }
    return write_zoo(tmp_path / "Wild zoo", rows, [mlp(), cnn(), mlp(seed=1)])


def test_networks_come_back_with_their_buffers(zoo):
    assert is_labelled_folder(zoo)
    rows = read_labelled_folder(zoo)
    for index, network in enumerate([mlp(), cnn(), mlp(seed=1)]):
        layout = rows.layouts[rows.labels[index]["arch"]]
        state = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
        assert layout == Layout.of(state)
        torch.testing.assert_close(layout.unflatten(torch.from_numpy(rows.vector(index))), state, rtol=0, atol=0)
    assert len(rows.layouts) == 2
    assert rows.layouts[rows.labels[1]["arch"]].buffers == ("1.running_mean", "1.running_var")


def test_labels(zoo):
    first, second, third = read_labelled_folder(zoo).labels
    assert set(first) == set(LABELS)
    assert (first["id"], first["run"], first["family"], first["data"]) == ("007", "01", "mlp", "digits")
    assert (first["test_accuracy"], first["generalization_gap"], first["damage"]) == (0.5, 0.25, "none")
    assert (first["initialization"], first["weight_decay"], first["batch_size"]) == ("he_normal", 1e-3, 32)
    assert (first["diverged"], first["parameters"]) == (False, sum(p.numel() for p in mlp().parameters()))
    assert json.loads(first["extra"]) == {"owner": "x"}
    assert (second["damage"], second["diverged"], second["family"], second["data"]) == (
        *("shuffled", True, "cnn"),
        "Wild zoo",
    )
    assert (third["run"], third["family"], third["test_accuracy"]) == ("9", "wild_zoo", None)
    assert (third["seed"], third["architecture"], third["learning_rate"]) == (3, '{"a": 1}', None)
    assert json.loads(third["extra"]) == {"config.lr": 0.5}


def test_values_that_do_not_fit_their_column_are_kept_beside(tmp_path):
    row = {"id": "a", "test_accuracy": 0.5, "epochs": "many", "seed": 1.5, "batch_size": 2**40, "diverged": "perhaps"}
    [label] = read_labelled_folder(write_zoo(tmp_path / "zoo", [row], [mlp()])).labels
    assert [label[name] for name in ("epochs", "seed", "batch_size", "diverged")] == [None, None, None, False]
    extra = {"epochs": "many", "seed": 1.5, "batch_size": 2**40, "diverged": "perhaps"}
    assert json.loads(label["extra"]) == extra


def test_a_weight_that_is_not_finite_marks_the_row(tmp_path):
    network = mlp()
    with torch.no_grad():
        network[0].weight[0, 0] = torch.inf
    rows = read_labelled_folder(write_zoo(tmp_path / "zoo", [{"id": "a", "test_accuracy": 0.1}], [network]))
    assert rows.labels[0]["diverged"] is True
    assert np.isinf(rows.vector(0)).sum() == 1


def test_names_of_a_wrapper_are_plain(tmp_path):
    state = {f"module.{name}": value.half() for name, value in mlp().state_dict().items()}
    rows = read_labelled_folder(write_zoo(tmp_path / "zoo", [{"id": "a", "test_accuracy": 0.1}], [state]))
    [layout] = rows.layouts.values()
    assert layout == Layout.of(mlp().state_dict())
    assert not layout.buffers


def test_more_than_one_table_is_refused(zoo):
    (zoo / "other.csv").write_text("id\n")
    with pytest.raises(UserError, match="2 CSV tables"):
        read_labelled_folder(zoo)


@pytest.mark.parametrize("column", ["id", "test_accuracy"])
def test_a_column_that_must_be_there(zoo, column):
    pd.read_csv(zoo / "labels.csv").drop(columns=column).to_csv(zoo / "labels.csv", index=False)
    with pytest.raises(UserError, match=rf"labels.csv: no column {column} among"):
        read_labelled_folder(zoo)


@pytest.mark.parametrize("name", ["../Wild zoo/8", "/etc/passwd", "a\x1b", ""])
def test_only_files_of_the_folder_are_read(zoo, name):
    pd.DataFrame([{"id": name, "test_accuracy": 0.5}]).to_csv(zoo / "labels.csv", index=False)
    with pytest.raises(UserError, match="a row has the id"):
        read_labelled_folder(zoo)


def test_a_missing_or_damaged_file_is_refused(zoo):
    (zoo / "8.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(CheckpointError, match=r"8\.safetensors"):
        read_labelled_folder(zoo)
    (zoo / "8.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"8\.safetensors"):
        read_labelled_folder(zoo)


def test_a_file_without_weights_is_refused(tmp_path):
    folder = write_zoo(tmp_path / "zoo", [{"id": "a", "test_accuracy": 0.1}], [{"steps": torch.arange(3)}])
    with pytest.raises(CheckpointError, match=r"a\.safetensors.*no tensor of floating-point numbers"):
        read_labelled_folder(folder)
