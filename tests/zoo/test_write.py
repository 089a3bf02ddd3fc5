"""The published form of a zoo: splits, files, layouts, and networks too large for a table."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from random_zoos import random_rows
from zoo_making import files_of, layouts_in, networks_in, tables_of, tiny_plan

from hf_sne.errors import UserError
from hf_sne.zoo.card import write_card
from hf_sne.zoo.manifest import Manifest, ManifestError
from hf_sne.zoo.schema import LABELS, Layout, Rows, layouts_of
from hf_sne.zoo.stream import ZooStream
from hf_sne.zoo.write import write_zoo

SPLITS = {"train": 0.6, "test": 0.4}
NOT_A_NUMBER = torch.tensor([0x7FC00001, 0x7F800000, -0x800000, 1], dtype=torch.int32).view(torch.float32)


def state_dict(seed: int, width: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "0.weight": torch.randn(width, 3, generator=generator),
        "0.bias": torch.randn(width, generator=generator),
        "1.running_mean": torch.randn(width, generator=generator),
        "2.weight": torch.randn(4, width, generator=generator),
    }


def rows_of(runs: int = 10, checkpoints: int = 3) -> tuple[Rows, dict[str, dict[str, torch.Tensor]]]:
    """Two families, two architectures; some weights are not finite."""
    networks, labels, layouts = {}, [], {}
    for number in range(runs * checkpoints):
        run = number // checkpoints
        tensors = state_dict(number, (5, 8)[run % 2])
        if number % 4 == 0:
            tensors["2.weight"][0, :4] = NOT_A_NUMBER
        layout = Layout.of(tensors)
        layouts[layout.arch] = layout
        name = f"run{run}-{number}"
        networks[name] = tensors
        labels.append({"id": name, "run": f"run{run}", "family": f"family{run % 3 % 2}", "arch": layout.arch})
    vectors = [layouts[label["arch"]].flatten(networks[label["id"]]) for label in labels]
    return Rows(labels, lambda row: vectors[row], layouts), networks


def written(folder: Path, rows: Rows, **options: object) -> Manifest:
    assert sum(write_zoo(folder, rows, {"origin": "test"}, SPLITS, **options)) == len(rows.labels)
    return Manifest.read(folder)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Bit for bit, NaNs too."""
    return [*first] == [*second] and all(
        value.contiguous().view(torch.int32).equal(second[name].contiguous().view(torch.int32))
        for name, value in first.items()
    )


def test_every_row_is_written_once_and_bit_for_bit(tmp_path):
    rows, networks = rows_of()
    written(tmp_path, rows)
    found = {labels["id"]: (labels, tensors) for labels, tensors in networks_in(tmp_path)}
    assert found.keys() == networks.keys()
    for label in rows.labels:
        labels, tensors = found[label["id"]]
        assert same(tensors, networks[label["id"]])
        assert {name: labels[name] for name in label} == label
        assert all(labels[name] is None for name in LABELS if name not in label)


def test_splits_are_by_run_and_told_in_the_manifest(zoo, tmp_path):
    written(tmp_path, rows_of()[0])
    for folder, names in ((tmp_path, list(SPLITS)), (zoo, ["train", "validation", "test"])):
        runs, counts = {}, {}
        for path in tables_of(folder):
            table = pq.read_table(path, columns=["run", "family"])
            config, split = path.parent.name, path.name.split("-")[0]
            assert set(table.column("family").to_pylist()) == {config}
            runs.setdefault(split, set()).update(table.column("run").to_pylist())
            counts.setdefault(config, {})[split] = {
                "rows": table.num_rows,
                "runs": len(set(table.column("run").to_pylist())),
            }
        assert sorted(runs) == sorted(names)
        assert sum(map(len, runs.values())) == len(set.union(*runs.values()))
        assert counts == Manifest.read(folder).configs


def test_a_split_without_runs_is_refused(tmp_path):
    with pytest.raises(UserError, match="'test' would be empty"):
        list(write_zoo(tmp_path, rows_of(runs=1)[0], {}, SPLITS))
    assert not files_of(tmp_path)


def test_the_order_of_rows_is_mixed_and_of_the_seed(tmp_path):
    rows, _ = rows_of()
    contents = []
    for place, seed in enumerate((0, 0, 1)):
        written(tmp_path / str(place), rows, seed=seed)
        contents.append(files_of(tmp_path / str(place)))
    assert contents[0] == contents[1] != contents[2]
    table = pq.read_table(max(tables_of(tmp_path / "0"), key=lambda path: path.stat().st_size))
    runs = table.column("run").to_pylist()
    assert any(first != second for first, second in zip(runs, sorted(runs), strict=True))


def test_row_groups_are_as_small_as_asked_and_hold_all(monkeypatch, tmp_path):
    monkeypatch.setattr("hf_sne.zoo.write._GROUP_ROWS", 4)
    rows, networks = rows_of()
    written(tmp_path, rows)
    assert {labels["id"] for labels, _ in networks_in(tmp_path)} == networks.keys()
    for path in tables_of(tmp_path):
        about = pq.ParquetFile(path).metadata
        sizes = [about.row_group(place).num_rows for place in range(about.num_row_groups)]
        assert sum(sizes) == about.num_rows
        assert max(sizes) <= 4
        assert max(sizes) - min(sizes) <= 1


def test_wide_rows_go_in_smaller_groups(monkeypatch, tmp_path):
    monkeypatch.setattr("hf_sne.zoo.write._GROUP_BYTES", 700)
    rows, _ = rows_of()
    written(tmp_path, rows)
    largest = max(
        pq.ParquetFile(path).metadata.row_group(0).num_rows * widest(path, rows) for path in tables_of(tmp_path)
    )
    assert 350 < largest <= 700


def widest(path, rows):
    archs = pq.read_table(path, columns=["arch"]).column("arch").to_pylist()
    return 4 * max(rows.layouts[arch].length for arch in archs)


def test_a_large_zoo_is_written_in_shards(monkeypatch, tmp_path):
    monkeypatch.setattr("hf_sne.zoo.write._SHARD_BYTES", 1000)
    rows, networks = rows_of()
    manifest = written(tmp_path, rows)
    names = [name for name in manifest.files if name.startswith("data/family0/train-")]
    assert len(names) > 2
    assert names == [f"data/family0/train-{n:05d}-of-{len(names):05d}.parquet" for n in range(len(names))]
    assert {labels["id"] for labels, _ in networks_in(tmp_path)} == networks.keys()


def test_the_layouts_cover_every_row_without_gaps(zoo):
    layouts = layouts_in(zoo)
    archs = {labels["arch"] for labels, _ in networks_in(zoo)}
    assert archs == set(layouts)
    for layout in layouts.values():
        ends = np.cumsum([place.length for place in layout.tensors])
        assert [place.offset for place in layout.tensors] == [0, *ends[:-1]]
        assert {place.role for place in layout.tensors} <= {"linear", "conv", "norm", "bias", "buffer"}
        assert {name.rsplit(".")[-1] for name in layout.buffers} <= {"running_mean", "running_var"}


@pytest.mark.parametrize("kind", ["flipped", "cut", "missing"])
def test_a_damaged_file_is_a_fault(kind, zoo, tmp_path):
    folder = tmp_path / "zoo"
    shutil.copytree(zoo, folder)
    manifest = Manifest.read(folder)
    assert not list(manifest.faults(folder))
    for name in manifest.files:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).unlink()
        if kind != "missing":
            (folder / name).write_bytes(content if kind == "flipped" else content[:-1])
    told = {"flipped": "SHA-256", "cut": "bytes, the manifest has", "missing": "missing"}[kind]
    faults = list(manifest.faults(folder))
    assert [fault.split(": ")[0] for fault in faults] == list(manifest.files)
    assert all(told in fault for fault in faults)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "files": {"a": 3}}', "\x00"])
def test_a_file_that_is_no_manifest_is_refused(content, tmp_path):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ManifestError, match=r"manifest\.json: not a zoo's manifest"):
        Manifest.read(tmp_path)


def test_a_zoo_without_manifest_or_of_a_later_format_is_refused(zoo, tmp_path):
    with pytest.raises(ManifestError, match="no such folder"):
        Manifest.read(tmp_path / "none")
    with pytest.raises(ManifestError, match=r"no manifest\.json"):
        Manifest.read(tmp_path)
    replace(Manifest.read(zoo), format=2).write(tmp_path)
    with pytest.raises(ManifestError, match="format 2, this version reads 1"):
        Manifest.read(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 2, "configurations": {}, "files": {}}')
    with pytest.raises(ManifestError, match="format 2, this version reads 1"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("name", ["default", "layouts", "a/b", "..", "a b", "", "a\n"])
def test_a_family_whose_name_is_none_for_a_config_is_refused(name, tmp_path):
    with pytest.raises(UserError, match="a family is named"):
        list(write_zoo(tmp_path / "zoo", random_rows({name: 4}, {name: 2}), {}, {"train": 1.0}))
    assert not (tmp_path / "zoo").exists()


def test_the_manifest_tells_where_a_zoo_comes_from(zoo):
    manifest = Manifest.read(zoo)
    plan = tiny_plan()
    assert manifest.source == {"plan": plan.as_json(), "fingerprint": plan.fingerprint, "license": "cc-by-4.0"}


def test_large_networks_lie_in_shards_of_their_own_and_read_back_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr("hf_sne.zoo.write.LARGE_PARAMETERS", 50)
    monkeypatch.setattr("hf_sne.zoo.large._SHARD_BYTES", 1000)
    rows, networks = rows_of()
    manifest = written(tmp_path, rows)
    write_card(tmp_path)
    assert sum(name.startswith("weights/") for name in manifest.files) > 4
    assert not list(manifest.faults(tmp_path))
    found = {
        labels["id"]: tensors
        for split in SPLITS
        for batch in ZooStream(str(tmp_path), split=split, batch_size=7)
        for labels, tensors in batch.networks()
    }
    assert found.keys() == networks.keys()
    assert all(same(tensors, networks[name]) for name, tensors in found.items())


names = st.text("abc.", min_size=1, max_size=6)
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@given(st.dictionaries(names, shapes, min_size=1, max_size=6), st.integers(0, 2**16))
def test_flattening_and_unflattening_is_the_identity(shapes_of, seed):
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in shapes_of.items()}
    layout = Layout.of({**tensors, "steps": torch.tensor(3)})
    vector = layout.flatten(tensors)
    assert vector.shape == (layout.length,)
    assert same(layout.unflatten(torch.from_numpy(vector)), tensors)
    assert layouts_of(layout.as_rows()) == {layout.arch: layout}


def test_networks_of_one_shape_have_one_layout():
    first, second, wider = (Layout.of(state_dict(seed, width)) for seed, width in ((0, 5), (1, 5), (0, 6)))
    assert first == second
    assert first.arch != wider.arch
    assert Layout.of({"other": torch.zeros(5)}).arch != Layout.of({"one": torch.zeros(5)}).arch
