"""Reading a zoo of any form into labelled networks."""

import json

import pandas as pd
import pytest
import small_cnn_zoos
import torch
from datasets import load_dataset
from networks import mlp
from random_zoos import random_rows, write_whole
from safetensors.torch import save_file

from hf_sne.errors import UserError
from hf_sne.zoo import read_zoo
from hf_sne.zoo.entries import Target


def test_all_networks_of_a_zoo_are_read(zoo):
    entries = read_zoo(zoo)
    expected = {split: {row["id"] for row in rows} for split, rows in load_dataset(str(zoo)).items()}
    diverged = {row["id"] for rows in load_dataset(str(zoo)).values() for row in rows if row["diverged"]}
    assert diverged
    assert {entry.id for entry in entries} == set().union(*expected.values()) - diverged
    for entry in entries:
        assert (entry.zoo, entry.labels["diverged"]) == ("zoo", False)
        assert entry.id in expected[entry.labels["split"]]
        assert entry.id.startswith(entry.run)
        assert entry.target == entry.labels["test_accuracy"]
        assert any(name.endswith("running_mean") for name in entry.buffers) == (entry.labels["family"] == "resnet")
        elements = sum(tensor.read().numel() for layer in entry.layers for tensor in layer.tensors)
        assert elements == entry.labels["parameters"]


def test_networks_without_an_accuracy_are_left_out(tmp_path):
    rows = random_rows({"wide": 30, "narrow": 30}, {"wide": 6, "narrow": 3})
    write_whole(tmp_path / "zoo", rows, {"train": 0.9, "test": 0.1})
    found = {entry.id for entry in read_zoo(tmp_path / "zoo")}
    assert found == {label["id"] for label in rows.labels if label["test_accuracy"] is not None}


def test_another_column_can_be_what_is_predicted(tmp_path):
    rows = random_rows({"wide": 30}, {"wide": 6})
    for number, label in enumerate(rows.labels):
        label["extra"] = json.dumps({"frequency": 0.5 + number}) if number != 7 else None
    write_whole(tmp_path / "zoo", rows, {"train": 0.9, "test": 0.1})
    found = {entry.id: entry.target for entry in read_zoo(tmp_path / "zoo", target=Target("frequency", 0.5, 20.5))}
    expected = {f"wide-{number}": number / 20 for number in range(21) if number != 7}
    assert found == pytest.approx(expected), "what is not told, or beyond the bounds, is left out"


@pytest.mark.parametrize("column", ["generalisation_gap", "family", "extra"])
def test_a_target_that_no_network_has_is_refused(tmp_path, column):
    write_whole(tmp_path / "zoo", random_rows({"wide": 30}, {"wide": 6}), {"train": 0.9, "test": 0.1})
    with pytest.raises(UserError, match=rf"none of 30 networks has a {column} between 0.0 and 1.0"):
        read_zoo(tmp_path / "zoo", target=Target(column))


@pytest.mark.parametrize("bounds", [(1, 1), (1, 0), ("0", 1)])
def test_bounds_between_which_there_is_nothing_are_refused(bounds):
    with pytest.raises(UserError, match="counts as 0 at"):
        Target("epoch", *bounds)


def test_all_networks_of_a_labelled_folder_are_read(tmp_path):
    table = [{"id": f"net{seed}", "run": "a", "test_accuracy": 0.25 * seed} for seed in range(3)]
    for seed, row in enumerate(table):
        save_file(mlp(seed=seed).state_dict(), tmp_path / f"{row['id']}.safetensors")
    pd.DataFrame(table).to_csv(tmp_path / "labels.csv", index=False)
    entries = read_zoo(tmp_path)
    assert [(entry.id, entry.run, entry.target) for entry in entries] == [tuple(row.values()) for row in table]
    for seed, entry in enumerate(entries):
        assert torch.equal(entry.layers[1].weight.read(), mlp(seed=seed)[2].weight)


def test_all_networks_of_a_small_cnn_zoo_are_read(tmp_path):
    weights = small_cnn_zoos.write_zoo(tmp_path, count=6)
    entries = read_zoo(tmp_path)
    metrics = small_cnn_zoos.metrics(6)
    assert [entry.target for entry in entries] == pytest.approx(list(metrics["test_accuracy"]))
    assert [entry.run for entry in entries] == list(metrics["modeldir"])
    for entry, row in zip(entries, weights, strict=True):
        first = torch.from_numpy(row[16 : 16 + 9 * 16].reshape(3, 3, 1, 16)).permute(3, 2, 0, 1)
        assert torch.equal(entry.layers[0].weight.read(), first)
        assert [layer.role for layer in entry.layers] == ["conv", "conv", "conv", "linear"]
