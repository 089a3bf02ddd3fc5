"""The card of a trained predictor: every figure from its results, whatever the zoos are called."""

import copy
import json
from shutil import copyfile

from huggingface_hub import ModelCard

from hf_sne.escape import markdown
from hf_sne.pipelines import BUILT_IN_ENCODER
from hf_sne.training.card import CARD, FIGURES, write_model_card

RESULTS = json.loads((BUILT_IN_ENCODER / "results.json").read_text())


def test_every_figure_is_that_of_the_results(tmp_path):
    write_model_card(tmp_path, RESULTS, "org/mine")
    card = ModelCard.load(tmp_path / CARD)
    for metric, who in (("kendall_tau", "sne"), ("kendall_tau_baseline", "weight_statistics")):
        told = [each for each in card.data.eval_results if each.metric_type == metric]
        taus = {zoo: row[who]["kendall_tau"] for zoo, row in RESULTS["test"].items()}
        values = {zoo: round(tau["value"], 3) for zoo, tau in taus.items()}
        assert {each.dataset_type: each.metric_value for each in told} == values
        assert [each.metric_args["low"] for each in told] == [round(tau["low"], 3) for tau in taus.values()]
    lines = card.text.splitlines()
    for zoo, row in RESULTS["test"].items():
        line, split = (line for line in lines if line.startswith(f"| {markdown(zoo)} |"))
        counts = RESULTS["networks"][zoo]
        assert split == "| " + " | ".join([markdown(zoo), *(f"{count:,}" for count in counts.values())]) + " |"
        tau, coverage = row["sne"]["kendall_tau"], row["sne"]["zoo_interval_coverage"]
        assert f"| {tau['value']:.2f} ({tau['low']:.2f} to {tau['high']:.2f}) |" in line
        assert line.endswith(f"| {coverage:.0%} |")
    for group, rows in RESULTS["left_out"].items():
        assert sum(line.startswith(f"| {markdown(group)} |") for line in lines) == len(rows)
    assert 'model="org/mine"' in card.text
    assert f"{RESULTS['parameters']:,} parameters" in card.text


def test_the_card_of_the_built_in_encoder_is_that_of_its_results(tmp_path):
    for figure in FIGURES:
        copyfile(BUILT_IN_ENCODER / figure, tmp_path / figure)
    write_model_card(tmp_path, RESULTS)
    assert (tmp_path / CARD).read_text() == (BUILT_IN_ENCODER / CARD).read_text()


def test_emissions_are_told_where_they_were_measured(tmp_path):
    write_model_card(tmp_path, RESULTS)
    card = ModelCard.load(tmp_path / CARD)
    assert "The energy was not measured." in card.text
    assert card.data.get("co2_eq_emissions") is None
    measured = {"co2_grams": 12.3456, "energy_kwh": 0.25, "seconds": 5400, "country": "FRA", "codecarbon": "3.3.2"}
    write_model_card(tmp_path, RESULTS | {"emissions": measured})
    card = ModelCard.load(tmp_path / CARD)
    assert "0.25 kWh in 1.5 hours,\n12.3 g of CO2 equivalents with the electricity of FRA" in card.text
    assert card.data["co2_eq_emissions"]["emissions"] == 12.346


def test_where_the_baseline_ranks_better_is_said(tmp_path):
    results = copy.deepcopy(RESULTS)
    zoo, row = next(iter(results["test"].items()))
    results["test"] = {zoo: row | {"weight_statistics": row["sne"]}}
    write_model_card(tmp_path, results)
    assert "rank better" not in (tmp_path / CARD).read_text()
    results["test"][zoo]["sne"] = copy.deepcopy(row["sne"])
    results["test"][zoo]["sne"]["kendall_tau"]["value"] -= 0.1
    write_model_card(tmp_path, results)
    assert f"Weight statistics rank better than it on {zoo}." in (tmp_path / CARD).read_text()


def test_a_predictor_without_groups_left_out_says_so_and_names_do_no_harm(tmp_path):
    results = copy.deepcopy(RESULTS)
    hostile = "my zoo|<b>\n# heading"
    results["test"] = {hostile: next(iter(results["test"].values())) | {"best_third": None}}
    results["left_out"] = {}
    write_model_card(tmp_path, results)
    card = ModelCard.load(tmp_path / CARD)
    assert "No group of networks was left out" in card.text
    assert "<b>" not in card.text
    assert "\n# heading" not in card.text
    assert {each.dataset_type for each in card.data.eval_results} == {"my-zoo-b-heading"}
