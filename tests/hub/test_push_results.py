"""Results of comparisons and trainings on a Hub that runs here, and back in one line."""

import json
from pathlib import Path

import pytest
from hub_server import HubRepo
from hub_server.clients import aim_clients
from huggingface_hub import DatasetCard

from hf_sne.cli import main
from hf_sne.errors import UserError
from hf_sne.hub import Destination, push
from hf_sne.pipelines import BUILT_IN_ENCODER

COMPARISON = Path(__file__).parents[2] / "recipes" / "in-dataset" / "results" / "results.json"


@pytest.fixture
def folder(tmp_path):
    """A comparison as recipes/compare.py leaves it."""
    made = tmp_path / "runs" / "in-dataset"
    made.mkdir(parents=True)
    (made / "results.json").write_bytes(COMPARISON.read_bytes())
    return made


def _shown(capsys, *sources):
    with pytest.raises(SystemExit) as stopped:
        main(["results", *map(str, sources), "--markdown"])
    out, err = capsys.readouterr()
    return stopped.value.code, out, err


@pytest.mark.parametrize("source", ["folder", "file"])
def test_a_comparison_goes_to_the_hub_and_comes_back_as_the_same_table(source, folder, hub, capsys):
    push(str(folder if source == "folder" else folder / "results.json"), Destination("org/in-dataset"))
    own, there = _shown(capsys, folder / "results.json"), _shown(capsys, "org/in-dataset")
    assert own == there
    assert own[0] == 0
    table = own[1].splitlines()
    assert any(line.startswith("| boosting, pooled statistics | ") for line in table)
    card = DatasetCard.load("org/in-dataset")
    for line in table:
        assert line in card.text
    assert "hf-sne results org/in-dataset" in card.text
    assert card.data.tags == ["hf_sne", "results", "weight-space"]


def test_the_results_of_a_predictor_on_the_hub_are_shown_beside_others(hub, capsys):
    push(str(BUILT_IN_ENCODER), Destination("org/encoder"))
    push(str(COMPARISON), Destination("org/board"))
    code, out, _ = _shown(capsys, "org/encoder", "org/board", COMPARISON)
    assert code == 0
    assert "| encoder | mnist-small |" in out
    headings = next(line for line in out.splitlines() if "same domain" in line)
    assert headings.count("same domain") == 2


def test_a_repository_without_results_is_refused(hub, capsys):
    code, out, err = _shown(capsys, "org/nothing")
    assert (code, out) == (2, "")
    assert "org/nothing: no results on the Hub" in " ".join(err.split())


def test_the_results_of_a_predictor_whose_configuration_is_lost_are_not_pushed_alone(tmp_path, hub):
    for name in ("results.json", "model.safetensors"):
        (tmp_path / name).write_bytes((BUILT_IN_ENCODER / name).read_bytes())
    with pytest.raises(UserError, match="neither a zoo"):
        push(str(tmp_path), Destination("org/other"))


def test_json_that_holds_no_results_is_not_pushed(tmp_path, hub):
    (tmp_path / "other.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(UserError, match=r"other.json: results of no training, comparison or evaluation"):
        push(str(tmp_path / "other.json"), Destination("org/other"))
    assert not hub.repos


def test_a_hub_that_cannot_be_reached_is_said(tmp_path, capsys, monkeypatch):
    aim_clients(monkeypatch, "http://127.0.0.1:9", tmp_path)
    code, _, err = _shown(capsys, "org/board")
    assert code == 2
    assert "error: org/board: " in err
    assert "network" in err


def test_results_in_the_cache_are_shown_offline_whichever_kind_they_are_of(hub, capsys, monkeypatch):
    push(str(BUILT_IN_ENCODER), Destination("org/encoder"))
    push(str(COMPARISON), Destination("org/board"))
    capsys.readouterr()  # the bars of the first push in a process
    online = _shown(capsys, "org/encoder", "org/board")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert _shown(capsys, "org/encoder", "org/board") == online
    code, _, err = _shown(capsys, "org/other")
    assert code == 2
    assert "org/other: " in err


@pytest.mark.parametrize("source", ["runs/reslts.json", "../results.json", "./x"])
def test_a_mistyped_path_is_no_name_on_the_hub(hub, capsys, source):
    code, _, err = _shown(capsys, source)
    assert code == 2
    assert f"error: {Path(source)}: " in err
    assert "No such file" in err
    assert hub.requests == []


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a": 1}'])
def test_published_results_are_not_trusted(hub, capsys, content):
    hub.datasets["org/deep"] = HubRepo({"hf_sne_results.json": content})
    code, _, err = _shown(capsys, "org/deep")
    assert code == 2
    assert err.startswith("error: org/deep: ")
    assert err.count("\n") == 1
