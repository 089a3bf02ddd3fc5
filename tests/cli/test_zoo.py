"""``hf-sne zoo`` on real zoos: made, converted, looked at, verified, readied for the Hub."""

import sys
import zipfile
from pathlib import Path
from subprocess import run

import pytest
import torch
from random_zoos import random_rows, write_whole
from small_cnn_zoos import write_zoo as write_small_cnn_zoo

from hf_sne.zoo.manifest import Manifest

ROOT = Path(__file__).parents[2]
PLAN = """
data: digits
families:
  mlp: {runs: 4, runs_per_architecture: 4, architecture: {widths: [8]}}
training: {epochs: 0.3, train_fraction: 0.2, batch_size: 32}
splits: {train: 0.75, test: 0.25}
"""


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    folder = tmp_path / "noise"
    write_whole(folder, random_rows({"mlp": 12, "cnn": 4}, {"mlp": 6, "cnn": 3}), {"test": 0.25, "train": 0.75})
    return folder


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ((), ("make", "info", "convert")),
        (("make",), ("PLAN.yaml", "--output", "--data", "--workers", "--device", "--population", "hf-sne[ray]")),
        (("info",), ("DIR", "--verify")),
        (("convert",), ("SOURCE", "--output", "--allow-pickle", "--license")),
    ],
    ids=lambda value: " ".join(value),
)
def test_help_names_what_a_command_takes(run_cli, command: tuple[str, ...], named: tuple[str, ...]) -> None:
    outcome = run_cli("zoo", *command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert all(name in outcome.out for name in named)


def test_a_plan_becomes_a_zoo_and_is_not_made_twice(run_cli, tmp_path: Path) -> None:
    plan, folder = tmp_path / "plan.yaml", tmp_path / "zoo"
    plan.write_text(PLAN)
    make = ("zoo", "make", plan, "--output", folder, "--workers", 1, "--device", "cpu")
    outcome = run_cli(*make)
    assert outcome.code == 0, outcome.err
    assert f"{folder}: 4 checkpoints of 4 networks" in outcome.out
    assert "zoo: training, 0 of 4" in outcome.err
    manifest = Manifest.read(folder)
    assert manifest.configs == {"mlp": {"train": {"rows": 3, "runs": 3}, "test": {"rows": 1, "runs": 1}}}
    again = run_cli(*make)
    assert (again.code, again.out) == (0, outcome.out)
    assert "zoo: complete" in again.err
    assert Manifest.read(folder) == manifest
    other = run_cli(*make, "--data", "other/images")
    assert other.code == 2
    assert "made with another plan or other images" in other.err


def test_a_plan_with_a_mistake_names_it(run_cli, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN.replace("epochs", "epoch"))
    outcome = run_cli("zoo", "make", plan, "--output", tmp_path / "zoo")
    assert (outcome.code, outcome.out) == (2, "")
    assert str(plan) in outcome.err
    assert "epoch" in outcome.err


def test_the_table_fits_a_terminal(run_cli, zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    outcome = run_cli("zoo", "info", zoo)
    assert (outcome.code, outcome.err) == (0, "")
    title, heading, _, *rows = outcome.out.splitlines()
    assert title.startswith(f"{zoo}: 16 checkpoints of 8 networks")
    assert " ".join(heading.split()) == "family networks checkpoints parameters 5 % median 95 % diverged"
    assert sorted(row.split()[:4] for row in rows[:2]) == [["cnn", "2", "4", "18"], ["mlp", "6", "12", "36"]]
    assert [row.split()[-1] for row in rows[:2]] == ["0", "0"]
    assert rows[2:] == ["train: 12 checkpoints of 6 networks", "test: 4 checkpoints of 2 networks"]


def test_a_damaged_file_is_found(run_cli, zoo: Path) -> None:
    whole = run_cli("zoo", "info", zoo, "--verify")
    assert whole.code == 0
    assert f"{len(Manifest.read(zoo).files)} files are as the manifest says" in whole.out
    table = next(zoo.glob("data/mlp/train-*"))
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    (zoo / "layouts.parquet").unlink()
    unread = run_cli("zoo", "info", zoo)
    assert (unread.code, unread.out) == (2, "")
    assert str(table) in unread.err
    damaged = run_cli("zoo", "info", zoo, "--verify")
    assert damaged.code == 1
    assert f"{table.relative_to(zoo)}: SHA-256 " in damaged.out
    assert "layouts.parquet: missing" in damaged.out


def test_what_is_no_zoo_is_told(run_cli, tmp_path: Path) -> None:
    outcome = run_cli("zoo", "info", tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"{tmp_path}: no manifest.json" in outcome.err


@pytest.mark.parametrize("terminal", [False, True])
def test_a_published_zoo_is_converted(
    run_cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    if terminal:
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
    write_small_cnn_zoo(tmp_path / "published", count=60)
    folder = tmp_path / "zoo"
    outcome = run_cli("zoo", "convert", tmp_path / "published", "--output", folder, "--license", "mit")
    assert outcome.code == 0
    assert "60 checkpoints of 20 networks" in outcome.out
    assert ("60/60" in outcome.err) == terminal
    assert "zoo: writing" in outcome.err
    assert Manifest.read(folder).source == {"converted_from": "published", "license": "mit"}
    again = run_cli("zoo", "convert", tmp_path / "published", "--output", folder)
    assert again.code == 2
    assert "holds a zoo already" in again.err


def test_pickles_are_read_on_request_only(run_cli, tmp_path: Path) -> None:
    """In the layout of Model Zoos, here of a run without results, so that no pickle is read in the end."""
    checkpoint = tmp_path / "published" / "run0" / "checkpoint_000001"
    checkpoint.mkdir(parents=True)
    (checkpoint.parent / "params.json").write_text("{}")
    torch.save({"weight": torch.ones(2, 2)}, checkpoint / "checkpoints")
    convert = ("zoo", "convert", tmp_path / "published", "--output", tmp_path / "zoo")
    refused = run_cli(*convert)
    assert (refused.code, refused.out) == (2, "")
    assert "--allow-pickle" in refused.err
    asked = run_cli(*convert, "--allow-pickle")
    assert (asked.code, asked.out) == (2, "")
    assert "run0/checkpoint_000001: no line of result.json" in asked.err
    assert not (tmp_path / "zoo").exists()


def test_a_dry_run_of_a_push_says_what_would_go(run_cli, zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    outcome = run_cli("push", zoo, "org/noise", "--dry-run")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("would push the zoo, 7 files, ")
    assert run_cli("zoo", "info", zoo, "--verify").code == 0


def test_a_wheel_holds_the_card_templates(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, ROOT]
    done = run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        for template in (ROOT / "hub_cards").iterdir():
            assert content.read(f"hf_sne/hub_cards/{template.name}") == template.read_bytes()


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:x"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_written(run_cli, tmp_path, device):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    plan = tmp_path / "plan.yaml"
    plan.write_text("data: digits\nfamilies: {mlp: {runs: 10}}\n")
    outcome = run_cli("zoo", "make", plan, "--output", tmp_path / "zoo", "--device", device)
    assert outcome.code == 2
    assert "--device" in outcome.err
    assert not (tmp_path / "zoo").exists()
