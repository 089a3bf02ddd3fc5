"""Streaming a zoo: what ``datasets`` reads by itself, batches, shares, resuming, memory, refusals."""

import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from datasets import get_dataset_config_names, load_dataset
from random_zoos import random_rows, write_whole
from torch.utils.data import DataLoader

from hf_sne.errors import UserError
from hf_sne.zoo import ZooStream, read_zoo
from hf_sne.zoo.families import build_network
from hf_sne.zoo.images import INPUTS, load_images
from hf_sne.zoo.large import LARGE_PARAMETERS
from hf_sne.zoo.manifest import Manifest
from hf_sne.zoo.population.train import evaluate
from hf_sne.zoo.schema import Layout, Rows, layouts_of
from hf_sne.zoo.stream import splits_of

FAMILIES = ("mlp", "resnet", "small_cnn")


@pytest.fixture(scope="module")
def random_zoo(tmp_path_factory):
    """Several row groups of one family, one of another; and the rows that it was written from."""
    folder = tmp_path_factory.mktemp("random") / "random"
    rows = random_rows({"wide": 3200, "narrow": 60}, {"wide": 6, "narrow": 3})
    write_whole(folder, rows, {"train": 0.9, "test": 0.1})
    return folder, rows


def ids(batches):
    return [name for batch in batches for name in batch.table["id"].to_pylist()]


def vectors(batches):
    """id -> weights of every network."""
    return {
        labels["id"]: torch.cat([tensor.flatten() for tensor in tensors.values()]).numpy()
        for batch in batches
        for labels, tensors in batch.networks()
    }


def same(found, expected):
    equal = (np.array_equal(found[name], expected[name], equal_nan=True) for name in expected)
    return found.keys() == expected.keys() and all(equal)


@pytest.mark.parametrize("form", [None, "numpy", "torch", "arrow"])
def test_datasets_alone_reads_the_same_weights(zoo, form):
    rows = load_dataset(str(zoo), "mlp", split="train", streaming=True).with_format(form)
    if form == "arrow":
        rows = (table.to_pylist()[0] for table in rows)
    found = {row["id"]: np.asarray(row["weights"], np.float32) for row in rows}
    assert same(found, vectors(ZooStream(zoo, "mlp")))


def test_what_is_written_is_streamed(random_zoo):
    folder, rows = random_zoo
    found = vectors(batch for split in splits_of(str(folder)) for batch in ZooStream(folder, split=split))
    assert same(found, {label["id"]: rows.vector(index) for index, label in enumerate(rows.labels)})


def test_default_holds_all_families_and_layouts_fit_every_row(zoo):
    assert set(get_dataset_config_names(str(zoo))) == {*FAMILIES, "default", "layouts"}
    manifest = Manifest.read(zoo)
    layouts = layouts_of(list(load_dataset(str(zoo), "layouts", split="train")))
    for split in splits_of(str(zoo)):
        parts = [ids(ZooStream(zoo, family, split)) for family in FAMILIES if split in manifest.configs[family]]
        whole = load_dataset(str(zoo), split=split).with_format("numpy")
        assert sorted(whole["id"]) == sorted(name for part in parts for name in part)
        lengths = {len(row["weights"]) - layouts[str(row["arch"])].length for row in whole}
        assert lengths == {0}
        assert len(parts) == 1 or len({layouts[arch].length for arch in whole["arch"]}) > 1
    roles = {place.role for layout in layouts.values() for place in layout.tensors}
    assert roles == {"conv", "linear", "norm", "bias", "buffer"}


def test_a_streamed_network_has_the_accuracy_of_its_label(zoo):
    data = load_images("digits")
    seen, inputs = set(), set()
    for batch in ZooStream(zoo, batch_size=16):
        for labels, tensors in batch.networks():
            if labels["diverged"]:
                continue
            seen.add((labels["family"], labels["damage"]))
            inputs.add(labels["inputs"])
            module = build_network(labels["family"], json.loads(labels["architecture"]), data.shape, data.classes)
            missing = module.load_state_dict(tensors, strict=False).missing_keys
            assert all(name.endswith("num_batches_tracked") for name in missing)
            images = data.as_inputs(data.test_images, labels["inputs"])
            loss, accuracy = evaluate(module, module.state_dict(), images, data.test_labels)
            assert (accuracy, loss) == pytest.approx((labels["test_accuracy"], labels["test_loss"]), rel=1e-5)
    assert seen == {(family, damage) for family in FAMILIES for damage in ("none", "shuffled")}
    assert inputs == set(INPUTS)


def test_a_batch_is_one_matrix_where_its_networks_are_equally_long(random_zoo, zoo):
    folder, rows = random_zoo
    batch = next(iter(ZooStream(folder, "wide", batch_size=50)))
    place = {label["id"]: index for index, label in enumerate(rows.labels)}
    expected = np.stack([rows.vector(place[name]) for name in batch.table["id"].to_pylist()])
    assert np.array_equal(batch.weights.numpy(), expected)
    assert {len(networks) for networks in (batch, batch.weights, list(batch.networks()))} == {50}
    mixed = next(iter(ZooStream(zoo)))
    with pytest.raises(UserError, match="not one matrix"):
        _ = mixed.weights


def test_labels_are_columns_of_numbers(random_zoo):
    folder, _ = random_zoo
    (batch,) = ZooStream(folder, "narrow", batch_size=100)
    accuracies = batch.column("test_accuracy")
    expected = [np.nan if value is None else value for value in batch.table["test_accuracy"].to_pylist()]
    assert accuracies.isnan().any()
    assert np.array_equal(accuracies.numpy(), expected, equal_nan=True)
    assert batch.column("step").tolist() == batch.table["step"].to_pylist()


def test_a_pickled_batch_holds_its_own_rows_alone(random_zoo):
    folder, _ = random_zoo
    batch = next(iter(ZooStream(folder, "wide", batch_size=10)))
    content = pickle.dumps(batch)
    assert len(content) < 30_000
    again = pickle.loads(content)
    assert again.table.equals(batch.table)
    assert same(vectors([again]), vectors([batch]))


def test_a_batch_knows_the_layouts_of_its_networks_alone(zoo):
    for batch in ZooStream(zoo, batch_size=1):
        assert list(batch.layouts) == batch.table["arch"].to_pylist()


def test_large_networks_lie_beside_the_table_and_are_streamed_with_small_ones(tmp_path):
    torch.manual_seed(0)
    states = {
        "small": {"0.weight": torch.randn(3, 2), "0.bias": torch.randn(3)},
        "large": {"0.weight": torch.randn(2048, LARGE_PARAMETERS // 2048 + 1), "0.bias": torch.randn(2048)},
    }
    layouts = {family: Layout.of(state) for family, state in states.items()}
    labels = [
        {"id": f"{family}-{copy}", "run": f"{family}-{copy}", "family": family, "arch": layouts[family].arch}
        for family in states
        for copy in range(2)
    ]
    rows = Rows(
        labels,
        lambda index: layouts[labels[index]["family"]].flatten(states[labels[index]["family"]]) * (index + 1),
        {layout.arch: layout for layout in layouts.values()},
    )
    write_whole(tmp_path, rows, {"train": 1.0})
    assert len(list(tmp_path.glob("weights/large/*.safetensors"))) == 1
    found = vectors(ZooStream(tmp_path, batch_size=3))
    assert same(found, {label["id"]: rows.vector(index) for index, label in enumerate(labels)})


@pytest.mark.parametrize("config", ["wide", "narrow"], ids=["more row groups than ranks", "fewer"])
@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_see_disjoint_rows_that_make_up_all(random_zoo, config, world_size):
    folder, _ = random_zoo
    shares = [ids(ZooStream(folder, config, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert all(shares)
    assert sorted(name for share in shares for name in share) == sorted(ids(ZooStream(folder, config)))


@pytest.mark.parametrize(("config", "world_size"), [("wide", 1), ("wide", 2), ("narrow", 1)])
def test_workers_see_disjoint_rows_that_make_up_all(random_zoo, config, world_size):
    folder, _ = random_zoo
    found = []
    for rank in range(world_size):
        stream = ZooStream(folder, config, batch_size=100, rank=rank, world_size=world_size)
        found += ids(DataLoader(stream, batch_size=None, num_workers=2))
    assert sorted(found) == sorted(ids(ZooStream(folder, config)))


@pytest.mark.parametrize(
    ("config", "batch_size", "rank", "world_size"),
    [("wide", 300, 0, 1), ("wide", 1000, 0, 1), ("wide", 70, 1, 2), ("narrow", 4, 2, 3), ("default", 999, 0, 1)],
)
def test_resuming_is_exact_at_every_batch(random_zoo, config, batch_size, rank, world_size):
    folder, _ = random_zoo

    def stream():
        return ZooStream(folder, config, batch_size=batch_size, rank=rank, world_size=world_size)

    first, states, batches = stream(), [], []
    for batch in first:
        batches.append(ids([batch]))
        states.append(json.dumps(first.state_dict()))
    assert len(batches) > 2
    assert len(batches[0]) == batch_size
    again = stream()
    assert again.state_dict() == {}
    for done, state in enumerate(states, start=1):
        again.load_state_dict(json.loads(state))
        assert again.state_dict() == json.loads(state)
        assert [ids([batch]) for batch in again] == batches[done:]
    assert [ids([batch]) for batch in again] == batches, "the next epoch begins anew"


STREAM = """
import sys
from pathlib import Path
from hf_sne.zoo import ZooStream

def status(field):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024

stream = ZooStream(sys.argv[1], batch_size=256)
next(iter(stream))
Path("/proc/self/clear_refs").write_text("5")
before, size = status("VmRSS:"), 0
for epoch in range(3):
    for batch in stream:
        size += batch.weights.nbytes / 2**20
print(size, status("VmHWM:") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_zoo(tmp_path):
    """A zoo of 122 MiB in row groups of 9 MiB takes less than 80 MiB, however long it is streamed."""
    network = build_network("cnn_s", {"activation": "relu"}, (1, 28, 28), 10)
    layout = Layout.of(network.state_dict())
    noise = np.random.default_rng(0).normal(size=(500, layout.length)).astype(np.float32)
    labels = [{"id": str(place), "run": str(place), "family": "f", "arch": layout.arch} for place in range(13_000)]
    rows = Rows(labels, lambda index: noise[index % len(noise)], {layout.arch: layout})
    write_whole(tmp_path, rows, {"train": 1.0})
    done = subprocess.run([sys.executable, "-c", STREAM, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    streamed, growth = map(float, done.stdout.split())
    assert streamed > 360
    assert growth < 80, f"{growth:.0f} MiB"


def test_a_changed_bit_is_noticed(random_zoo, tmp_path):
    folder = shutil.copytree(random_zoo[0], tmp_path / "damaged")
    table = next(folder.glob("data/wide/train-*"))
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    stream = iter(ZooStream(folder, "wide"))
    assert len(next(stream)) == 256, "the first row group is whole"
    with pytest.raises(UserError, match=f"{folder}, split train.*integrity"):
        list(stream)
    with pytest.raises(UserError, match=str(folder)):
        read_zoo(folder)


@pytest.mark.parametrize(
    ("config", "split", "named"),
    [("cnn2", "train", "cnn2"), ("wide", "dev", "dev"), ("layouts", "test", "layouts")],
)
def test_an_unknown_config_or_split_is_named(random_zoo, config, split, named):
    folder, _ = random_zoo
    with pytest.raises(UserError, match=f"{folder}.*{named}.*Fix"):
        ZooStream(folder, config, split)


def test_what_is_no_zoo_is_named(tmp_path):
    missing = tmp_path / "none"
    for call in (lambda: ZooStream(missing), lambda: splits_of(str(missing)), lambda: read_zoo(missing)):
        with pytest.raises(UserError, match=str(missing)):
            call()
    (tmp_path / "empty").mkdir()
    for call in (lambda: ZooStream(tmp_path / "empty"), lambda: read_zoo(tmp_path / "empty")):
        with pytest.raises(UserError, match=str(tmp_path / "empty")):
            call()
    with pytest.raises(UserError, match="org/none"):
        read_zoo("org/none")
