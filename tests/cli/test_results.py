"""``hf-sne results``: the tables of results files."""

import json
from pathlib import Path

import pytest

from hf_sne.pipelines import BUILT_IN_ENCODER

ROOT = Path(__file__).parents[2]
TRAINING = BUILT_IN_ENCODER / "results.json"
COMPARISON = ROOT / "recipes" / "in-dataset" / "results" / "results.json"


def test_every_zoo_of_a_training_has_a_row(run_cli):
    outcome = run_cli("results", TRAINING, "--markdown")
    lines = outcome.out.splitlines()
    results = json.loads(TRAINING.read_text())
    assert outcome.code == 0
    assert len(lines[2:-1]) == len(results["test"]) + sum(len(rows) for rows in results["left_out"].values())
    for zoo, row in results["test"].items():
        (line,) = (each for each in lines if f"| {zoo} |".replace("_", "\\_") in each and "without" not in each)
        assert f"| {row['sne']['kendall_tau']['value']:.3f} (" in line


def test_comparisons_stand_side_by_side(run_cli):
    outcome = run_cli("results", COMPARISON, TRAINING, "--markdown")
    averages = json.loads(COMPARISON.read_text())["averages"]
    assert outcome.code == 0
    assert outcome.out.count("| in-dataset, same domain |") == 1
    rows = outcome.out.partition("| in-dataset, same domain |")[2].partition("\n\n")[0].replace("\\", "")
    for name in averages["same domain"]:
        assert f"| {name} |" not in rows, "they are called as people call them"
    for name in ("SNE", "NFN_HNP", "boosting, pooled statistics", "mean log norm", "size alone"):
        assert rows.count(f"| {name} |") == 1
    assert f"{averages['same domain']['sne']['kendall_tau']['value']:.2f} (" in outcome.out


def test_comparisons_are_drawn(run_cli, tmp_path):
    figure = tmp_path / "margins.png"
    outcome = run_cli("results", COMPARISON, "--figure", figure)
    assert outcome.code == 0
    assert str(figure) in outcome.err
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((TRAINING, "--figure", "margins.png"), "none of these tells it"),
        ((COMPARISON, "--figure", "margins.svg"), "must be a file that ends in .png"),
        ((COMPARISON, "--figure", "none/margins.png"), "is not there"),
    ],
    ids=["no-comparison", "other-ending", "no-folder"],
)
def test_what_cannot_be_drawn_is_refused(run_cli, tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    outcome = run_cli("results", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert reason in " ".join(outcome.err.replace("│", "").split())
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(run_cli, tmp_path):
    (tmp_path / "other.json").write_text("[1]")
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "shape.json").write_text('{"test": {"acc": 0.9}, "left_out": {}}')
    (tmp_path / "averages.json").write_text('{"averages": {"task": {}}}')
    for name in ("other.json", "empty.json", "none.json", "shape.json", "averages.json"):
        outcome = run_cli("results", tmp_path / name)
        assert (outcome.code, outcome.out) == (2, "")
        assert name in outcome.err
        assert "recipes/train.py, compare.py or evaluate.py" in outcome.err
