"""recipes/seeds.py on the predictions of two trainings."""

import json

import numpy as np
import pandas as pd
import pytest
import typer

from hf_sne.evaluation.board import read_boards
from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.hub.results import pack_results
from hf_sne.training.system_info import system_info

LEAVE_OUT = {"digits": {"data": ["digits"]}, "perceptrons": {"family": ["mlp"]}}
# left_out, zoo
TESTS = [("", "small"), ("", "large"), ("digits", "small"), ("perceptrons", "small")]


@pytest.fixture(scope="module")
def main(recipe):
    return recipe("seeds")


def _write_run(folder, seed):
    """A training whose predictions are noise on the accuracies; the rows of each seed are in an order of their own."""
    rng = np.random.default_rng(seed)
    rows = []
    for left_out, zoo in TESTS:
        for number in range(20):
            noisy = rng.normal(number / 20, 0.2, size=2)
            run = {"id": f"{number:02}", "run": f"{number // 2}", "accuracy": number / 20}
            rows.append({"left_out": left_out, "zoo": zoo, **run, "score": noisy[0], "weight_statistics": noisy[1]})
    (folder / "predictor").mkdir(parents=True)
    pd.DataFrame(rows).sample(frac=1, random_state=seed).to_csv(folder / "predictions.csv", index=False)
    results = {
        "config": {"seed": seed, "leave_out": LEAVE_OUT},
        "system": system_info(),
        "norm_weight": {"": seed / 4, "digits": 1.0, "perceptrons": 2.0},
        "coverage": {"left out": {"digits": {"interval_coverage": 0.9}}},
    }
    (folder / "predictor" / "results.json").write_text(json.dumps(results))
    return folder


@pytest.fixture
def runs(tmp_path):
    return [_write_run(tmp_path / str(seed), seed) for seed in (3, 4)]


def test_each_cell_is_the_mean_over_the_seeds(main, runs, tmp_path):
    main(runs, tmp_path / "seeds.json")
    results = json.loads((tmp_path / "seeds.json").read_text())
    assert [(each["seed"], each["norm_weight"][""]) for each in results["trainings"]] == [(3, 0.75), (4, 1.0)]
    assert results["trainings"][1]["coverage"]["left out"]["digits"] == {"interval_coverage": 0.9}
    assert {name: row["sne"]["cells"] for name, row in results["averages"].items()} == {
        "test runs": 2,
        "data sets left out": 1,
        "families left out": 1,
    }
    cell = results["cells"]["without digits -> digits of small"]
    tables = [pd.read_csv(run / "predictions.csv", keep_default_na=False).query("left_out == 'digits'") for run in runs]
    for name, column in (("sne", "score"), ("statistics_boosting", "weight_statistics")):
        taus = [kendall_tau(table[column], table["accuracy"]) for table in tables]
        assert cell[name]["seeds"] == pytest.approx(taus)
        assert cell[name]["kendall_tau"]["value"] == pytest.approx(np.mean(taus))
    assert read_boards([tmp_path / "seeds.json"])[0].headings[1:] == [
        "seeds, test runs",
        "seeds, data sets left out",
        "seeds, families left out",
    ]
    pack_results(tmp_path / "seeds.json", "org/seeds", tmp_path)
    assert "families left out" in (tmp_path / "README.md").read_text()


def test_seeds_tested_on_other_networks_are_refused(main, runs, tmp_path, capsys):
    table = pd.read_csv(runs[1] / "predictions.csv", keep_default_na=False)
    table[:-1].to_csv(runs[1] / "predictions.csv", index=False)
    with pytest.raises(typer.Exit):
        main(runs, tmp_path / "seeds.json")
    assert "79 predictions, of other networks than the 80" in capsys.readouterr().err
    assert not (tmp_path / "seeds.json").exists()


def test_a_folder_that_is_no_training_is_refused(main, tmp_path, capsys):
    with pytest.raises(typer.Exit):
        main([tmp_path], tmp_path / "seeds.json")
    assert "results.json" in capsys.readouterr().err


def test_a_training_without_predictions_is_refused(main, runs, tmp_path, capsys):
    (runs[1] / "predictions.csv").unlink()
    with pytest.raises(typer.Exit):
        main(runs, tmp_path / "seeds.json")
    assert "predictions.csv" in capsys.readouterr().err
