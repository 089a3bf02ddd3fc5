"""The recipes that measure an encoder and compare predictors, on zoos of digits."""

import json

import pytest
import yaml

SPLITS = {"train": 0.5, "validation": 0.15, "calibration": 0.15, "test": 0.2}


def written(folder, **content):
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder / "config.yaml"


def test_changes_that_keep_the_function_are_told_from_those_that_break_it(recipe, digit_zoos, tmp_path):
    recipe("symmetries")([digit_zoos / "digits-mlp"], tmp_path / "moves.json", most=4)
    changes = json.loads((tmp_path / "moves.json").read_text())["changes"]
    assert changes["permutation"]["mean_move"] < 1e-5 < changes["one_sided_shuffle"]["mean_move"]
    assert changes["permutation"]["networks"] == changes["one_sided_shuffle"]["networks"] == 4
    assert 0 < changes["one_sided_shuffle"]["mean_fall"] <= changes["one_sided_shuffle"]["mean_move"]
    assert changes["one_sided_shuffle"]["falls"] > 0.5


def test_what_reading_a_part_costs_is_told_for_every_budget(recipe, digit_zoos, tmp_path):
    recipe("sampling")([digit_zoos / "digits-mlp"], tmp_path / "parts.json", shares=[1.0, 0.3], most=4, smallest=500)
    whole, part = json.loads((tmp_path / "parts.json").read_text())["zoos"]["digits-mlp"].values()
    assert (whole["networks"], whole["read"], whole["kendall_tau"]) == (4, 1.0, 1.0)
    assert whole["largest_distance"] == pytest.approx(0, abs=1e-6)
    assert part["read"] <= 0.3
    assert part["largest_distance"] >= part["mean_distance"] > 0


def test_re_initialised_layers_cost_accuracy_and_score(recipe, digit_zoos, tmp_path):
    recipe("interventions")(digit_zoos / "digits-mlp", "digits", tmp_path / "falls.json", most=3, images=200)
    told = json.loads((tmp_path / "falls.json").read_text())
    assert 2 <= told["networks"] <= 3
    assert told["mean_fall"] > 0.1
    assert set(told["kendall_tau"]) == {"attribution", "depth", "parameters"}
    assert told["falls"] > 0.8, "lost layers cost accuracy"
    assert told["score_falls"] > 0.5
    assert told["mean_attribution"] > 0


def test_a_comparison_prints_a_row_a_cell_and_the_averages(recipe, digit_zoos, tmp_path, capsys):
    zoos, training = ["digits-mlp", "digits-cnn"], {"splits": SPLITS}
    config = written(tmp_path, zoos=zoos, folds="each", predictors=["log_norm"], seeds=[0], training=training)
    recipe("compare")(config, digit_zoos, tmp_path / "out")
    rows = capsys.readouterr().out.splitlines()
    cells = json.loads((tmp_path / "out" / "results.json").read_text())["cells"]
    assert [row.split(" | ")[0] for row in rows[2:4]] == [f"| {cell.replace('>', chr(92) + '>')}" for cell in cells]
    assert sum(row.startswith("| mean, ") for row in rows) == 1
