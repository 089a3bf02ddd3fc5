"""The card of a zoo: it says what the rows say, its snippets run, and it reads well."""

import json
import re
import shutil
import struct
import subprocess
import sys

import pytest
import torch
import yaml
from hub_server import HubServer
from huggingface_hub import DatasetCard, constants
from networks import cnn
from random_zoos import random_rows, write_whole
from safetensors.torch import save_file
from small_cnn_zoos import write_zoo as write_small_cnn_zoo

from hf_sne.zoo import ZooStream
from hf_sne.zoo.adapters import read_rows
from hf_sne.zoo.card import CARD, PICTURE, read_labels, split_order, write_card
from hf_sne.zoo.convert import convert_zoo
from hf_sne.zoo.large import LARGE_PARAMETERS
from hf_sne.zoo.manifest import Manifest
from hf_sne.zoo.schema import Layout, Rows

RUN = """
import json, sys
for snippet in json.loads(sys.stdin.read()):
    names = {}
    exec(snippet, names)
    labels = names.get("row") or names["labels"]
    print(json.dumps([labels["id"], {name: tensor.tolist() for name, tensor in names["tensors"].items()}]))
"""


@pytest.fixture
def hub(monkeypatch):
    with HubServer().running() as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        yield server


@pytest.fixture
def converted(tmp_path):
    write_small_cnn_zoo(tmp_path / "published", count=60)
    list(convert_zoo(tmp_path / "published", tmp_path / "zoo", "cc0-1.0", skipped=[]))
    return tmp_path / "zoo"


def tables_of(card):
    """The cells of every row of every table, without its heading."""
    tables = re.findall(r"(?:^\|.*\|\n)+", card, flags=re.MULTILINE)
    found = [[re.split(r" ?\| ?", line.strip("| ")) for line in table.splitlines()] for table in tables]
    assert all(len({len(line) for line in table}) == 1 for table in found), "every row has as many cells as the heading"
    return [table[2:] for table in found]


def ranges_in(section):
    return dict(line[2:].split(": ", 1) for line in section.splitlines())


def check_form(card):
    assert card.endswith("\n")
    assert not card.endswith("\n\n")
    for number, line in enumerate(card.splitlines(), start=1):
        assert line == line.rstrip(), f"line {number} ends with a space"
    assert "\n\n\n" not in card
    assert "{" not in re.sub(r"```.*?```", "", card, flags=re.DOTALL)
    for heading in re.findall(r"^#+ .*", card, flags=re.MULTILINE):
        assert f"\n\n{heading}\n\n" in card


def test_the_metadata_tell_the_hub_what_is_there(zoo, hub):
    card = DatasetCard.load(zoo / CARD)
    card.validate(repo_type="dataset")
    assert hub.requests == ["POST /api/validate-yaml"]
    data = card.data.to_dict()
    manifest = Manifest.read(zoo)
    assert (data["license"], data["pretty_name"], data["size_categories"]) == ("cc-by-4.0", "zoo", ["n<1K"])
    configs = {config["config_name"]: config for config in data["configs"]}
    assert set(configs) == {"default", *manifest.configs, "layouts"}
    assert [name for name, config in configs.items() if config.get("default")] == ["default"]
    for name, splits in manifest.configs.items():
        files = {part["split"]: part["path"] for part in configs[name]["data_files"]}
        assert list(files) == sorted(splits, key=split_order)
        for split, pattern in files.items():
            expected = {file for file in manifest.files if file.startswith(f"data/{name}/{split}-")}
            assert {str(path.relative_to(zoo)) for path in zoo.glob(pattern)} == expected != set()


def test_the_tables_count_the_rows(zoo):
    card, labels = (zoo / CARD).read_text(), read_labels(zoo, Manifest.read(zoo))
    families, splits = tables_of(card)
    assert f"{len(labels)} checkpoints of {labels['run'].nunique()} neural networks trained on `digits`" in card
    assert f"{int(labels['diverged'].sum())} rows" in card
    assert f"{int((labels['damage'] == 'shuffled').sum())} rows" in card
    assert {row[0] for row in families} == {f"`{name}`" for name in labels["family"]}
    for name, runs, rows, architectures, parameters, low, median, high, diverged in families:
        part = labels[labels["family"] == name.strip("`")]
        assert (int(runs), int(rows)) == (part["run"].nunique(), len(part))
        assert (int(architectures), int(diverged)) == (part["architecture"].nunique(), part["diverged"].sum())
        sizes = sorted({f"{part['parameters'].min():,}", f"{part['parameters'].max():,}"}, key=len)
        assert sorted(parameters.split(" to "), key=len) == sizes
        quantiles = part["test_accuracy"].quantile([0.05, 0.5, 0.95])
        assert [float(low), float(median), float(high)] == pytest.approx(list(quantiles), abs=5e-4)
    for name, runs, rows in splits:
        part = labels[labels["split"] == name.strip("`")]
        assert (int(runs), int(rows)) == (part["run"].nunique(), len(part))
    assert [row[0] for row in splits] == ["`train`", "`validation`", "`test`"]


def test_hyper_parameters_are_those_of_the_rows(zoo):
    card, labels = (zoo / CARD).read_text(), read_labels(zoo, Manifest.read(zoo))
    sections = dict(re.findall(r"^### `(\w+)`\n\n((?:- .*\n)+)", card, flags=re.MULTILINE))
    assert set(sections) == set(labels["family"])
    for family, section in sections.items():
        part = labels[labels["family"] == family]
        ranges = ranges_in(section)
        assert ranges["optimizer"].split(", ") == sorted(part["optimizer"].unique())
        assert ranges["augmentation"].split(", ") == sorted(part["augmentation"].unique())
        assert [float(value) for value in ranges["label_noise"].split(", ")] == pytest.approx(
            sorted(part["label_noise"].unique())
        )
        assert "seed" not in ranges
    values = labels.loc[labels["family"] == "mlp", "weight_decay"]
    numbers = [float(number) for number in re.findall(r"[\d.e-]+\d", ranges_in(sections["mlp"])["weight_decay"])]
    assert min(numbers) == pytest.approx(values.min(), rel=1e-3)
    assert max(numbers) == pytest.approx(values.max(), rel=1e-3)


def test_the_plan_is_whole(zoo):
    (plan,) = re.findall(r"```yaml\n(.*?)```", (zoo / CARD).read_text(), flags=re.DOTALL)
    assert yaml.safe_load(plan) == Manifest.read(zoo).source["plan"]


def test_the_snippets_run_as_printed(zoo):
    """In the folder that holds the zoo, for its name is a relative path."""
    snippets = re.findall(r"```python\n(.*?)```", (zoo / CARD).read_text(), flags=re.DOTALL)
    assert len(snippets) == 2
    run = [sys.executable, "-c", RUN]
    done = subprocess.run(run, input=json.dumps(snippets), cwd=zoo.parent, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr[-2000:]
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    family, split = re.findall(r'ZooStream\("zoo", "(\w+)", split="(\w+)"', snippets[1])[0]
    expected = {
        labels["id"]: {name: tensor.tolist() for name, tensor in tensors.items()}
        for batch in ZooStream(zoo, family, split)
        for labels, tensors in batch.networks()
    }
    assert [name for name, _ in results] == [next(iter(expected))] * 2
    for name, tensors in results:
        assert str(tensors) == str(expected[name]), "as text, for networks that diverged have NaN"


def test_it_reads_well_and_is_always_the_same(zoo, tmp_path):
    check_form((zoo / CARD).read_text())
    copy = tmp_path / "elsewhere" / "zoo"
    shutil.copytree(zoo, copy)
    write_card(copy)
    assert {name: (copy / name).read_bytes() for name in (CARD, PICTURE)} == {
        name: (zoo / name).read_bytes() for name in (CARD, PICTURE)
    }
    assert Manifest.read(copy) == Manifest.read(zoo)
    assert list(Manifest.read(copy).faults(copy)) == []
    assert "pypi.org" not in (zoo / CARD).read_text()


def test_a_histogram_is_drawn(zoo):
    content = (zoo / PICTURE).read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (1050, 525)
    assert f"]({PICTURE})" in (zoo / CARD).read_text()


def test_a_converted_zoo_names_its_source_and_licence(converted):
    card = (converted / CARD).read_text()
    check_form(card)
    assert "Converted from `published` with `hf-sne zoo convert`" in card
    assert "Licence: cc0-1.0, as given" in card
    assert DatasetCard.load(converted / CARD).data.license == "cc0-1.0"
    assert "- learning_rate: 0.002\n" in card
    assert "- epochs: 86\n" in card
    assert all(word not in card for word in ("```yaml", "shuffled", "diverged` is", "widely on"))


def test_one_of_a_thing_is_not_called_several(tmp_path):
    write_whole(tmp_path / "one", random_rows({"tiny": 1}, {"tiny": 2}), {"test": 1.0}, converted_from="x")
    card = (tmp_path / "one" / CARD).read_text()
    check_form(card)
    assert "1 checkpoint of 1 neural network trained on `noise`" in card
    assert 'split="test"' in card
    assert "train-*" not in card
    assert "The source tells none." in card


def test_what_a_source_says_cannot_break_the_card(tmp_path):
    folder = tmp_path / "wild\n# zoo"
    folder.mkdir()
    save_file(cnn().state_dict(), folder / "a.safetensors")
    row = 'a,0.5,"adam\n# broken","x`\n---\n","\\<img src=x> | [a](b)"'
    table = f"id,test_accuracy,optimizer,data,activation\n{row}\n"
    (folder / "labels.csv").write_text(table)
    write_whole(tmp_path / "zoo", read_rows(folder), {"train": 1.0}, converted_from=folder.name)
    card = (tmp_path / "zoo" / CARD).read_text()
    check_form(card)
    assert not re.search(r"^# (broken|zoo)", card.replace("# zoo\n", "", 1), flags=re.MULTILINE)
    assert "- optimizer: adam\\n# broken\n" in card
    assert r"- activation: \\\<img src=x\> \| \[a\](b)" in card
    assert r"`x'\n---\n`" in card


def test_the_snippet_that_reads_rows_is_of_a_family_that_lies_in_rows(tmp_path):
    layout = Layout.of({"0.weight": torch.zeros(1024, LARGE_PARAMETERS // 1024 + 1)})
    label = {"id": "a", "run": "a", "family": "large", "arch": layout.arch, "parameters": layout.length}
    rows = Rows([label], lambda _: torch.zeros(layout.length).numpy(), {layout.arch: layout})
    write_whole(tmp_path / "zoo", rows, {"train": 1.0})
    card = (tmp_path / "zoo" / CARD).read_text()
    check_form(card)
    assert len(re.findall("```python", card)) == 1
    assert "- `file`: of a large network" in card
