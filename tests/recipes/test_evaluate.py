"""recipes/evaluate.py on a folder of labelled checkpoints, as a user has one."""

import json
import re

import matplotlib.image
import pytest
import torch
import typer
from networks import mlp
from safetensors.torch import save_file

from hf_sne.evaluation.board import read_boards
from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.hub.results import pack_results
from hf_sne.models.sne import SneConfig, SneForPerformancePrediction, SneProcessor
from hf_sne.pipelines import load_pipeline

WIDTHS = (60, 90, 70, 120, 80, 110)
ACCURACIES = (0.9, 0.4, 0.6, 0.5, 0.8, 0.7)


@pytest.fixture(scope="module")
def main(recipe):
    return recipe("evaluate")


@pytest.fixture
def folder(tmp_path):
    """Four networks of one data set by two owners, two of another by one, and a file that is refused."""
    lines = ["id,data,owner,test_accuracy"]
    for number, (width, accuracy) in enumerate(zip(WIDTHS, ACCURACIES, strict=True)):
        save_file(mlp((64, width, 60, 10), seed=number).state_dict(), tmp_path / f"0{number}.safetensors")
        data, owner = ("digits", "ab"[number % 2]) if number < 4 else ("letters", "a")
        lines.append(f"0{number},{data},{owner},{accuracy}")
    (tmp_path / "broken.safetensors").write_bytes(b"\0" * 9)
    (tmp_path / "labels.csv").write_text("\n".join([*lines, "broken,digits,a,0.5"]))
    return tmp_path


def test_a_folder_of_checkpoints_is_ranked_beside_what_needs_no_training(main, folder, tmp_path, capsys):
    main(folder, folder / "labels.csv", tmp_path / "results.json", by="data", group="owner", figure=tmp_path / "it.png")
    told = capsys.readouterr().out
    assert "letters: 2 networks, of one owner alone, not ranked" in told
    assert "refused: " in told
    assert f"hf-sne results {tmp_path / 'results.json'}" in told
    results = json.loads((tmp_path / "results.json").read_text())
    (refused,) = results["refused"]
    assert "broken.safetensors" in refused["refused"]["message"]
    digits, letters = results["data"]["digits"], results["data"]["letters"]
    assert (digits["networks"], letters["networks"]) == (4, 2)
    assert "sne" not in letters, "one owner's networks tell nothing of another's"
    assert digits["log_parameters"]["kendall_tau"]["value"] == pytest.approx(kendall_tau(WIDTHS[:4], ACCURACIES[:4]))
    pipe = load_pipeline()
    scores = [pipe(folder / f"0{number}.safetensors")["score"] for number in range(4)]
    assert digits["sne"]["kendall_tau"]["value"] == pytest.approx(kendall_tau(scores, ACCURACIES[:4]))
    ends = [pipe(folder / f"0{number}.safetensors")["zoo_interval"] for number in range(4)]
    inside = [end["low"] <= truth <= end["high"] for end, truth in zip(ends, ACCURACIES, strict=False)]
    assert digits["zoo_interval_coverage"] == pytest.approx(sum(inside) / 4)
    assert digits["zoo_interval_width"] == pytest.approx(sum(end["high"] - end["low"] for end in ends) / 4)
    assert digits["interval_width"] >= digits["zoo_interval_width"]
    assert results["predictor"]["name"] == "sne-cross-arch"
    above = digits["mean_log_norm"]["sne_above"]
    assert above["low"] <= above["value"] <= above["high"]
    assert matplotlib.image.imread(tmp_path / "it.png").shape[0] > 500
    assert "sne_seeds" not in digits, "one seed has no mean"
    comparison = read_boards([tmp_path / "results.json"])[0]
    assert [heading.split(", ")[-1] for heading in comparison.headings] == ["", "digits"], "letters are not ranked"
    assert [row[0] for row in comparison.rows][:3] == ["cells", "SNE", "mean log norm"]
    pack_results(tmp_path / "results.json", "org/digits", tmp_path)
    assert "mean log norm" in (tmp_path / "README.md").read_text()


def test_labels_of_two_columns_are_one_data_set(main, folder, tmp_path):
    rows = [f"0{number},{accuracy}" for number, accuracy in enumerate(ACCURACIES)]
    (tmp_path / "two.csv").write_text("\n".join(["id,test_accuracy", *rows]))
    main(folder, tmp_path / "two.csv", tmp_path / "it.json")
    (part,) = json.loads((tmp_path / "it.json").read_text())["data"].values()
    assert part["sne"]["networks"] == part["sne"]["runs"] == 6


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"group": "run"}, r"no column 'run'.*id, data, owner, test_accuracy"),
        ({"by": "zoo"}, "no column 'zoo'"),
        ({"labels": "nowhere.csv"}, "nowhere.csv"),
    ],
    ids=["group", "by", "labels"],
)
def test_labels_that_cannot_be_read_are_refused_before_the_work(main, folder, tmp_path, capsys, asked, told):
    labels = folder / asked.pop("labels", "labels.csv")
    with pytest.raises(typer.Exit):
        main(folder, labels, tmp_path / "it.json", **asked)
    assert re.search(told, capsys.readouterr().err)
    assert not (tmp_path / "it.json").exists()


def test_without_weightwatcher_its_alphas_are_left_out(main, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(main.__globals__, "find_spec", lambda _: None)
    main(folder, folder / "labels.csv", tmp_path / "it.json", group="owner")
    assert "pip install 'hf-sne[bench]'" in capsys.readouterr().out
    digits = json.loads((tmp_path / "it.json").read_text())["data"]["digits"]
    assert "mean_log_norm" in digits
    assert "weightwatcher_alpha" not in digits


def test_the_commonest_value_of_a_column_is_told_apart(main, folder, tmp_path):
    lines = (folder / "labels.csv").read_text().splitlines()
    widths = ["width", "wide", "wide", "narrow", "wide", "narrow", "narrow", "wide"]
    (folder / "labels.csv").write_text("\n".join(f"{line},{width}" for line, width in zip(lines, widths, strict=True)))
    main(folder, folder / "labels.csv", tmp_path / "it.json", by="data", group="owner", commonest="width")
    parts = {name: part["networks"] for name, part in json.loads((tmp_path / "it.json").read_text())["data"].items()}
    assert parts == {
        "digits": 4,
        "digits, wide": 3,
        "digits, other width": 1,
        "letters": 2,
        "letters, narrow": 2,
    }


def test_other_seeds_are_told_beside_the_first(main, folder, tmp_path):
    torch.manual_seed(0)
    config = SneConfig(hidden_size=16, element_size=8)
    SneForPerformancePrediction(config).save_pretrained(tmp_path / "other")
    SneProcessor.from_config(config).save_pretrained(tmp_path / "other")
    files = [folder / f"0{number}.safetensors" for number in range(4)]
    models = [None, str(tmp_path / "other")]
    taus = [kendall_tau([load_pipeline(model)(file)["score"] for file in files], ACCURACIES[:4]) for model in models]
    built_in = load_pipeline().model.config.name_or_path
    main(folder, folder / "labels.csv", tmp_path / "it.json", model=[built_in, models[1]], by="data", group="owner")
    digits = json.loads((tmp_path / "it.json").read_text())["data"]["digits"]
    assert digits["sne_seeds"]["seeds"] == pytest.approx(taus)
    assert digits["sne_seeds"]["kendall_tau"]["value"] == pytest.approx(sum(taus) / 2)
    assert digits["sne"]["kendall_tau"]["value"] == pytest.approx(taus[0])
    norm = digits["mean_log_norm"]
    assert norm["sne_above"]["value"] == pytest.approx(taus[0] - norm["kendall_tau"]["value"])
    assert norm["sne_seeds_above"]["value"] == pytest.approx(sum(taus) / 2 - norm["kendall_tau"]["value"])
