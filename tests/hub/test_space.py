"""The Space: what is pushed, and the page as a browser shows it."""

import os
import re
from pathlib import Path

import pytest
import torch
from browser import needs_browser, page
from hub_server import HubRepo
from huggingface_hub import RepoCard
from safetensors.torch import save, save_file

from hf_sne.cli import main
from hf_sne.errors import UserError
from hf_sne.hub import Destination, push, space_app
from hf_sne.hub.space_app import score_page
from hf_sne.pipelines import BUILT_IN_ENCODER, load_pipeline

ROOT = Path(__file__).parents[2]
STATE = {"fc1.weight": torch.linspace(-1, 1, 96).view(8, 12), "fc2.weight": torch.ones(3, 8)}


def test_a_space_names_its_predictor_and_shows_its_results(hub, capsys):
    push(str(BUILT_IN_ENCODER), Destination("org/sne"))
    with pytest.raises(SystemExit) as stop:
        main(["push", "org/sne", "org/app", "--space"])
    assert (stop.value.code, capsys.readouterr().out) == (0, f"{hub.url}/spaces/org/app\n")
    files = hub.spaces["org/app"].files
    card = RepoCard(files["README.md"].decode())
    assert (card.data.sdk, card.data.app_file, card.data.models) == ("gradio", "app.py", ["org/sne"])
    requires = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert card.data.python_version == requires[1]
    assert b"build_app('org/sne'" in files["app.py"]
    assert b"hf-sne score ORG/NAME --model org/sne --html report.html" in files["README.md"]
    compile(files["app.py"], "app.py", "exec")
    assert b"hf-sne[space]==" in files["requirements.txt"]
    assert b"cifar10\\_small" in files["board.md"] or b"cifar10-small" in files["board.md"]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("predictor", "not from a folder here"),
        ("zoos/mine", "not from a folder here"),
        ("org/none", "404|not found|401"),
        ("org/other", r"no predictor with its results \(no results\.json\)"),
    ],
)
def test_a_space_of_what_is_no_predictor_on_the_hub_is_refused(hub, model, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zoos" / "mine").mkdir(parents=True)
    hub.repos["org/other"] = HubRepo({"model.safetensors": save(STATE)})
    with pytest.raises(UserError, match=told):
        push(model, Destination("org/app"), space=True)
    assert hub.spaces == {}


def test_a_private_predictor_has_no_space(hub):
    push(str(BUILT_IN_ENCODER), Destination("org/secret", private=True))
    with pytest.raises(UserError, match="private"):
        push("org/secret", Destination("org/app"), space=True)
    assert hub.spaces == {}


@pytest.fixture(scope="module")
def pipe():
    return load_pipeline(device="cpu")


def test_a_visitor_does_not_see_what_the_owner_may(hub, pipe):
    hub.repos["org/secret"] = HubRepo({"model.safetensors": save(STATE)}, private=True)
    told = score_page(pipe, "org/secret", None)
    assert "Refused" in told
    assert "fc1" not in told


def test_a_visitor_learns_nothing_of_the_machine(hub, pipe, tmp_path, monkeypatch):
    (tmp_path / "net.safetensors").write_bytes(save(STATE))
    there, gone = (score_page(pipe, str(tmp_path / name), None) for name in ("net.safetensors", "none.safetensors"))
    assert there == gone.replace("none.safetensors", "net.safetensors")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there" / "file").write_bytes(b"")
    here, nowhere = (score_page(pipe, name, None) for name in ("there/file", "there/none"))
    assert here == nowhere.replace("there/none", "there/file")
    for name in ("", "a" * 5000, "a/" + "b" * 300, "\0", "../..", "org/none"):
        assert "Refused" in score_page(pipe, name, None)


def test_a_large_network_is_scored_without_explanations(hub, pipe, tmp_path, monkeypatch):
    monkeypatch.setattr(space_app, "MAX_EXPLAINED", 100)
    (tmp_path / "net.safetensors").write_bytes(save(STATE))
    told = score_page(pipe, "", str(tmp_path / "net.safetensors"))
    assert 'class="score"' in told
    assert "What training each layer adds" not in told
    assert str(tmp_path) not in told


@pytest.mark.parametrize(
    "results", [b"no JSON", b"[]", b'{"accuracy": 0.9}', b'{"test": {"acc": 0.9}, "left_out": {}}']
)
def test_results_of_another_kind_are_refused(hub, results):
    hub.repos["org/sne"] = HubRepo({"results.json": results})
    with pytest.raises(UserError, match=r"results\.json"):
        push("org/sne", Destination("org/app"), space=True)
    assert hub.spaces == {}


@needs_browser
def test_the_page_scores_an_upload_and_a_repository_and_refuses_what_is_neither(hub, tmp_path):
    from hf_sne.hub.space_app import build_app

    hub.repos["org/checkpoint"] = HubRepo({"model.safetensors": save(STATE)})
    save_file(STATE, tmp_path / "mine.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"\xff" * 100)
    score = f"{load_pipeline()(STATE)['score']:.3f}"
    app = build_app(board="| zoo | tau |\n|---|---|\n| digits | 0.5 |")
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True, inbrowser=False)
    try:
        with page() as opened:
            opened.goto(address)
            opened.locator("#file input[type=file]").set_input_files(tmp_path / "mine.safetensors")
            opened.get_by_text("mine.safetensors").or_(opened.get_by_text("mine")).first.wait_for()
            opened.locator("#predict").click()
            opened.locator("#report .score").wait_for(timeout=60_000)
            assert opened.locator("#report .score").inner_text() == score
            assert opened.locator("#report h2").inner_text() == "1. mine.safetensors"
            assert opened.locator("#report .strip").count() == 2
            if shot := os.environ.get("HF_SNE_SCREENSHOT"):
                opened.screenshot(path=shot, full_page=True)

            opened.reload()
            opened.locator("#file input[type=file]").set_input_files(tmp_path / "broken.safetensors")
            opened.get_by_text("broken").first.wait_for()
            opened.locator("#predict").click()
            opened.locator("#report").get_by_text("Refused").wait_for(timeout=60_000)
            assert "must hold weights" in opened.locator("#report").inner_text()
            assert str(tmp_path) not in opened.locator("#report").inner_text()

            opened.reload()
            opened.locator("#repo textarea, #repo input").first.fill("org/checkpoint")
            opened.locator("#predict").click()
            opened.locator("#report .score").wait_for(timeout=60_000)
            assert opened.locator("#report .score").inner_text() == score
            assert "bytes fetched from the Hub" in opened.locator("#report").inner_text()

            opened.get_by_role("tab", name="How well it ranks").click()
            opened.get_by_role("cell", name="digits").wait_for()
    finally:
        app.close()
