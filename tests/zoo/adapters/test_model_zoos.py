"""Model Zoos: Ray Tune folders of torch pickles, read confined, and what of them cannot be read."""

import json
import sys

import numpy as np
import pytest
import torch
from hostile import attacks
from torch import nn

from hf_sne.errors import UserError
from hf_sne.weights.errors import PickleRefusedError, PickleSandboxError
from hf_sne.zoo.adapters.model_zoos import is_model_zoos, read_model_zoos
from hf_sne.zoo.schema import LABELS

SETTINGS = {
    "model::type": "CNN",
    "model::nlin": "gelu",
    "model::dropout": 0.5,
    "model::init_type": "kaiming_normal",
    "optim::optimizer": "adam",
    "optim::lr": 1e-3,
    "optim::wd": 1e-4,
    "optim::momentum": 0.9,
    "training::batchsize": 8,
    "training::epochs_train": 50,
    "seed": 7,
}


class SmallNetwork(nn.Module):
    """CNN-s as published, by the names of its tensors."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        layers = [nn.Conv2d(1, 8, 5), nn.MaxPool2d(2, 2), nn.GELU(), nn.Conv2d(8, 6, 5), nn.MaxPool2d(2, 2), nn.GELU()]
        layers += [nn.Conv2d(6, 4, 2), nn.GELU(), nn.Flatten(), nn.Linear(36, 20), nn.GELU(), nn.Linear(20, 10)]
        self.module_list = nn.ModuleList(layers)


def result(iteration, **values):
    measured = {"train_acc": 0.5, "test_acc": 0.25, "train_loss": 1.5, "test_loss": 2.0, "val_acc": 0.3}
    ray = {"training_iteration": iteration, "pid": 123, "hostname": "somewhere", "config": SETTINGS}
    return {**measured, **ray, **values}


def write_run(folder, results, settings=SETTINGS):
    folder.mkdir(parents=True)
    (folder / "params.json").write_text(json.dumps(settings))
    (folder / "result.json").write_text("".join(json.dumps(line) + "\n" for line in results))


def save(state, folder, name="checkpoints"):
    folder.mkdir()
    torch.save(state, folder / name)


def broken_state():
    state = SmallNetwork(3).state_dict()
    state["module_list.9.weight"][2, 5] = torch.nan
    return state


def wrapped_state():
    torch.manual_seed(4)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), *[nn.ReLU()] * 8, nn.Linear(4, 2).double())
    return {f"module.{name}": tensor for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A zoo with everything that a crash, a full disk or an attacker may leave in it: rows, skipped lines, folder."""
    folder = tmp_path_factory.mktemp("zoos") / "MNIST CNN-s"
    write_run(folder / "a", [result(0, train_acc=-999, train_loss=-999), result(2, test_acc=0.1), result(2)])
    save(SmallNetwork(0).state_dict(), folder / "a" / "checkpoint_000000")
    save(SmallNetwork(2).state_dict(), folder / "a" / "checkpoint_000002")
    torch.save({}, folder / "a" / "checkpoint_000002" / "optimizer")
    write_run(folder / "b", [result(3), result(5, test_loss=float("nan"))])
    (folder / "b" / "result.json").open("a").write(json.dumps(result(6))[:-30])
    save(broken_state(), folder / "b" / "checkpoint_000005")
    save(SmallNetwork(6).state_dict(), folder / "b" / "checkpoint_000006")
    (folder / "b" / "checkpoint_000003").mkdir()
    write_run(folder / "c", [result(1), result(2), result(3), result(4)], {})
    save(wrapped_state(), folder / "c" / "checkpoint_1", "checkpoint.pt")
    (folder / "c" / "checkpoint_2").mkdir()
    attacks.pickle_that_runs_code(folder / "c" / "checkpoint_2" / "checkpoints", folder / "proof")
    save(SmallNetwork(0).state_dict(), folder / "c" / "checkpoint_3")
    cut = folder / "c" / "checkpoint_3" / "checkpoints"
    cut.write_bytes(cut.read_bytes()[:-500])
    save({"steps": torch.arange(3)}, folder / "c" / "checkpoint_4")
    write_run(folder / "d", [result(1)])
    (folder / "d" / "params.json").write_text('{"seed": ')
    (folder / "notes").mkdir()
    skipped = []
    return read_model_zoos(folder, allow_pickle=True, skipped=skipped), skipped, folder


def test_checkpoints_come_back_by_name(read):
    rows, _, _ = read
    assert [label["id"] for label in rows.labels] == ["a-000000", "a-000002", "b-000005", "c-000001"]
    for index, state in enumerate([SmallNetwork(0).state_dict(), SmallNetwork(2).state_dict(), broken_state()]):
        tensors = rows.layouts[rows.labels[index]["arch"]].unflatten(torch.from_numpy(rows.vector(index)))
        assert list(tensors) == list(state)
        torch.testing.assert_close(tensors, dict(state), rtol=0, atol=0, equal_nan=True)
    assert len(rows.layouts) == 2
    np.testing.assert_array_equal(rows.vector(0), rows.vector(0))


def test_labels_of_settings_and_results(read):
    label = read[0].labels[1]
    assert set(label) == set(LABELS)
    assert (label["run"], label["step"], label["epoch"], label["data"]) == ("a", 2, 2.0, "MNIST CNN-s")
    assert (label["family"], label["parameters"], label["diverged"]) == ("cnn_s", 2464, False)
    assert (label["train_accuracy"], label["test_accuracy"], label["generalization_gap"]) == (0.5, 0.25, 0.25)
    assert (label["train_loss"], label["test_loss"]) == (1.5, 2.0)
    assert (label["activation"], label["initialization"], label["dropout"]) == ("gelu", "kaiming_normal", 0.5)
    assert (label["optimizer"], label["learning_rate"], label["weight_decay"]) == ("adam", 1e-3, 1e-4)
    assert (label["batch_size"], label["epochs"], label["seed"]) == (8, 50.0, 7)
    assert json.loads(label["architecture"]) == {"activation": "gelu"}
    assert json.loads(label["extra"]) == {"model::type": "CNN", "optim::momentum": 0.9, "val_acc": 0.3}


def test_what_was_not_measured_is_no_label(read):
    label = read[0].labels[0]
    assert (label["train_accuracy"], label["train_loss"], label["generalization_gap"]) == (None, None, None)
    assert label["test_accuracy"] == 0.25


def test_a_weight_that_is_not_finite_marks_the_row(read):
    assert [label["diverged"] for label in read[0].labels] == [False, False, True, False]


def test_other_networks_with_their_buffers(read):
    rows, _, _ = read
    label, state = rows.labels[3], wrapped_state()
    assert (label["family"], label["seed"], label["architecture"]) == ("mnist_cnn_s", None, None)
    layout = rows.layouts[label["arch"]]
    tensors = layout.unflatten(torch.from_numpy(rows.vector(3)))
    assert layout.buffers == ("1.running_mean", "1.running_var")
    assert list(tensors) == [name[7:] for name, tensor in state.items() if tensor.is_floating_point()]
    torch.testing.assert_close(tensors["10.weight"], state["module.10.weight"].float())


def test_what_cannot_be_read_is_told(read):
    told = sorted(read[1])
    expected = [
        "b/checkpoint_000003: no number in its name, or no checkpoints or checkpoint.pt in it",
        "b/checkpoint_000006: no line of result.json has training_iteration 6",
        "c/checkpoint_2/checkpoints: a pickle file must be one that torch.load",
        "c/checkpoint_3/checkpoints: a pickle file must be one that torch.load",
        "c/checkpoint_4/checkpoints: the file must hold weights",
        "d: params.json is no JSON object",
    ]
    assert len(told) == len(expected)
    assert all(line.startswith(start) for line, start in zip(told, expected, strict=True))


def test_code_in_a_pickle_is_not_run(read):
    assert any("checkpoint_2" in line for line in read[1])
    assert not (read[2] / "proof").exists()


def test_pickles_are_read_on_request_only(read):
    assert is_model_zoos(read[2])
    with pytest.raises(PickleRefusedError, match="--allow-pickle"):
        read_model_zoos(read[2], allow_pickle=False, skipped=[])


def test_a_platform_that_cannot_confine_ends_the_reading(read, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    skipped = []
    with pytest.raises(PickleSandboxError):
        read_model_zoos(read[2], allow_pickle=True, skipped=skipped)
    assert not any("checkpoints:" in line for line in skipped)


def test_a_zoo_of_which_nothing_can_be_read_is_refused(tmp_path):
    write_run(tmp_path / "zoo" / "a", [])
    save({}, tmp_path / "zoo" / "a" / "checkpoint_000000")
    with pytest.raises(UserError, match="none of 1 checkpoints can be read; the first: a/checkpoint_000000: no line"):
        read_model_zoos(tmp_path / "zoo", allow_pickle=True, skipped=[])
    assert not is_model_zoos(tmp_path)
