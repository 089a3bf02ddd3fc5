"""A whole comparison on zoos of random vectors, of which size and family alone tell the accuracy."""

import json

import numpy as np
import pytest
import torch
import yaml
from random_zoos import random_rows, write_whole
from small_grids import take_first_settings

from hf_sne.errors import UserError
from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.training.comparison import ComparisonConfig, load_domains, run_comparison
from hf_sne.training.fit_module import fit_module
from hf_sne.training.predictors import hyper_parameters

SETTINGS = {
    "zoos": ["one", "two"],
    "folds": "each",
    "predictors": ["sne", "flat_mlp", "size_only"],
    "seeds": [0, 1],
    "training": {"epochs": 1, "batch_size": 16, "model": {"hidden_size": 8, "element_size": 4}},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoos")
    for name, hidden in (("one", 3), ("two", 4)):
        rows = random_rows({"narrow": 60, "wide": 60}, {"narrow": hidden, "wide": 6})
        for label in rows.labels:
            label["data"] = name
        write_whole(folder / name, rows, {"train": 0.7, "test": 0.3})
    return folder


@pytest.fixture(scope="module")
def compared(root, tmp_path_factory):
    output = tmp_path_factory.mktemp("compared")
    stages = []
    with pytest.MonkeyPatch.context() as patch:
        take_first_settings(patch)
        results = run_comparison(ComparisonConfig(**SETTINGS), root, output, lambda *stage: stages.append(stage))
    return json.loads(json.dumps(results)), output, stages


def test_every_predictor_has_every_cell_with_every_seed(compared):
    results, _, stages = compared
    assert set(results["cells"]) == {
        f"{trained}/{family} -> {tested}/{family}"
        for family in ("narrow", "wide")
        for trained in ("one", "two")
        for tested in ("one", "two")
    }
    for row in results["cells"].values():
        assert len(row["sne"]["seeds"]) == 2
        tau = row["sne"]["kendall_tau"]
        assert tau["low"] <= tau["value"] <= tau["high"]
        assert tau["value"] == pytest.approx(np.mean(row["sne"]["seeds"]))
        assert row["sne"]["tau_over_ceiling"]["value"] == pytest.approx(tau["value"] / row["ceiling"])
        assert row["size_only"]["kendall_tau"]["value"] == 0.0, "all networks of a cell are of one size"
    assert stages[-1][1:] == (24, 24)


def test_a_predictor_of_one_architecture_refuses_the_others_by_name(compared):
    cells = compared[0]["cells"]
    assert "parameters, it was built for" in cells["one/narrow -> two/narrow"]["flat_mlp"]["refused"]
    assert "kendall_tau" in cells["one/wide -> two/wide"]["flat_mlp"]


def test_averages_are_over_the_cells_that_both_have(compared):
    results = compared[0]
    averages = results["averages"]
    assert averages["same domain"]["sne"]["cells"] == averages["other domains"]["sne"]["cells"] == 4
    fixed = averages["other domains"]["flat_mlp"]
    assert fixed["cells"] == 2
    cells = [results["cells"][f"{one}/wide -> {two}/wide"] for one, two in (("one", "two"), ("two", "one"))]
    taus = [[cell[name]["kendall_tau"]["value"] for name in ("sne", "flat_mlp")] for cell in cells]
    differences = [sne - other for sne, other in taus]
    assert fixed["sne_above"]["value"] == pytest.approx(np.mean(differences))
    assert averages["same domain"]["sne"]["sne_above"]["value"] == 0.0


def test_every_cell_tells_by_how_much_sne_is_above_the_others(compared):
    for row in compared[0]["cells"].values():
        assert "sne_above" not in row["sne"]
        for name in ("size_only", "flat_mlp"):
            if "refused" not in row[name]:
                above = row[name]["sne_above"]
                taus = [row[each]["kendall_tau"]["value"] for each in ("sne", name)]
                assert above["value"] == pytest.approx(taus[0] - taus[1])
                assert above["low"] <= above["value"] <= above["high"]


def test_what_is_fitted_is_not_fitted_again(compared, root, monkeypatch):
    results, output, _ = compared
    monkeypatch.setattr("hf_sne.training.comparison.PREDICTORS", {})
    again = run_comparison(ComparisonConfig(**SETTINGS), root, output, lambda *_: None)
    assert json.loads(json.dumps(again)) == results
    changed = {**SETTINGS, "training": {**SETTINGS["training"], "epochs": 2}}
    with pytest.raises(KeyError, match="sne"):
        run_comparison(ComparisonConfig(**changed), root, output, lambda *_: None)
    baselines = {**changed, "predictors": SETTINGS["predictors"][1:]}
    run_comparison(ComparisonConfig(**baselines), root, output, lambda *_: None)


def test_predictions_are_of_the_test_networks_in_their_order(compared, root):
    results, output, _ = compared
    config = ComparisonConfig(**SETTINGS)
    for domain, splits in load_domains(config, root).items():
        (path,) = output.glob(f"predictions/{domain.data}-{domain.family}-sne-1-*.json")
        predicted = json.loads(path.read_text())[str(domain)]
        tau = kendall_tau(predicted, [entry.target for entry in splits["test"]])
        assert tau == pytest.approx(results["cells"][f"{domain} -> {domain}"]["sne"]["seeds"][1])


def test_variants_are_sne_with_other_settings(root, tmp_path):
    variants = {"no heads": {"model": {"head_members": 1}}, "longer": {"epochs": 2}}
    settings = {**SETTINGS, "zoos": ["one"], "predictors": ["sne", *variants], "seeds": [0], "variants": variants}
    config = ComparisonConfig(**settings)
    assert config.settings("no heads")["model"] == {"hidden_size": 8, "element_size": 4, "head_members": 1}
    assert config.settings("longer")["epochs"] == 2
    assert config.trained_by("no heads") != config.trained_by("sne")
    assert config.trained_by("size_only") == {}
    results = run_comparison(config, root, tmp_path, lambda *_: None)
    for row in results["cells"].values():
        taus = [row[name]["kendall_tau"]["value"] for name in ("sne", *variants)]
        assert len(set(taus)) > 1
    names = [path.name for path in (tmp_path / "predictions").iterdir()]
    assert sum("-no-heads-0-" in name for name in names) == 2
    assert not any((tmp_path / "work").iterdir()), "what training leaves is not kept"


def test_a_fraction_of_the_runs_is_a_part_of_a_larger_one(root):
    kept = {}
    for fraction in (0.3, 0.6, 1.0):
        zoos = load_domains(ComparisonConfig(**SETTINGS, data_fraction=fraction), root)
        kept[fraction] = {
            split: {(entry.zoo, entry.id) for splits in zoos.values() for entry in splits[split]}
            for split in ("train", "test")
        }
    assert kept[0.3]["test"] == kept[0.6]["test"] == kept[1.0]["test"]
    assert kept[0.3]["train"] < kept[0.6]["train"] < kept[1.0]["train"]
    assert len(kept[0.3]["train"]) == pytest.approx(0.3 * len(kept[1.0]["train"]), rel=0.4)


def test_errors_are_told_in_the_units_of_the_target(root, tmp_path):
    settings = {**SETTINGS, "zoos": ["one"], "predictors": ["log_norm"], "seeds": [0]}
    accuracy, wider = (
        run_comparison(ComparisonConfig(**settings, target=target), root, tmp_path, lambda *_: None)["cells"]
        for target in ({}, {"column": "test_accuracy", "low": -1, "high": 3})
    )
    for cell, row in accuracy.items():
        found, scaled = row["log_norm"], wider[cell]["log_norm"]
        assert scaled["kendall_tau"] == pytest.approx(found["kendall_tau"])
        for name in ("mae", "r2"):
            assert scaled[name] == pytest.approx(found[name])
        assert scaled["mse"] == pytest.approx(found["mse"])
        assert found["mse"]["low"] <= found["mse"]["value"] <= found["mse"]["high"]


def test_hyper_parameters_are_numbers_that_tell_them_apart(root):
    entries = load_domains(ComparisonConfig(**SETTINGS), root)
    entry = next(iter(entries.values()))["train"][0]
    for optimizer in ("adam", "sgd"):
        entry.labels["optimizer"] = optimizer
        found = hyper_parameters([entry])
        assert np.isfinite(found).all()
        assert (found == -1).sum() == found.size - 1, "all that the zoo does not tell"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predictors": ["oracle"]}, "'oracle' is not known"),
        ({"folds": "some"}, "'some' is not known"),
        ({"colour": "red"}, "colour"),
        ({"training": {"colour": "red"}}, "colour"),
    ],
)
def test_a_wrong_configuration_is_refused_by_file_and_field(tmp_path, changes, message):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(SETTINGS | changes))
    with pytest.raises(UserError, match=message) as error:
        ComparisonConfig.from_yaml(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zoos": ["one"], "folds": "without_data"}, "0 runs to be its train runs"),
        ({"families": ["wide"], "folds": "without_family"}, "0 runs to be its train runs"),
        ({"families": ["cnn"]}, "no networks of the families"),
    ],
)
def test_a_task_that_cannot_be_is_refused_before_any_fit(root, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        run_comparison(ComparisonConfig(**SETTINGS | changes), root, tmp_path, lambda *_: None)
    assert not list(tmp_path.iterdir())


def test_predictors_are_trained_on_other_data_and_families(root, tmp_path, monkeypatch):
    monkeypatch.setattr("hf_sne.training.predictors._BASELINE_EPOCHS", 1)
    changes = {"folds": "without_both", "predictors": ["log_norm", "deep_sets"], "seeds": [0]}
    results = run_comparison(ComparisonConfig(**SETTINGS | changes), root, tmp_path, lambda *_: None)
    assert len(results["cells"]) == 4
    assert list(results["averages"]) == ["other domains"]
    for row in results["cells"].values():
        assert all("kendall_tau" in row[name] for name in changes["predictors"])


def test_a_training_that_diverges_is_told():
    def encode(places):
        return {"rows": torch.full((len(places), 1), float("nan"))}

    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.line = torch.nn.Linear(1, 1)

        def forward(self, rows):
            return self.line(rows).squeeze(1)

    with pytest.raises(UserError, match="diverged"):
        fit_module(Broken, (encode, [0.1, 0.9]), (encode, [0.2, 0.8]), epochs=1, batch_size=2, weight_decay=0, seed=0)
