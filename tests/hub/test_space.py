"""The Space: what is pushed, and the page as a browser shows it."""

import os

import pytest
import torch
from browser import needs_browser, page
from hub_server import HubRepo
from huggingface_hub import RepoCard
from safetensors.torch import save, save_file

from hf_sne.cli import main
from hf_sne.errors import UserError
from hf_sne.hub import Destination, push
from hf_sne.pipelines import BUILT_IN_ENCODER, load_pipeline

STATE = {"fc1.weight": torch.linspace(-1, 1, 96).view(8, 12), "fc2.weight": torch.ones(3, 8)}


def test_a_space_names_its_predictor_and_shows_its_results(hub, capsys):
    push(str(BUILT_IN_ENCODER), Destination("org/sne"))
    with pytest.raises(SystemExit) as stop:
        main(["push", "org/sne", "org/app", "--space"])
    assert (stop.value.code, capsys.readouterr().out) == (0, f"{hub.url}/spaces/org/app\n")
    files = hub.spaces["org/app"].files
    card = RepoCard(files["README.md"].decode())
    assert (card.data.sdk, card.data.app_file, card.data.models) == ("gradio", "app.py", ["org/sne"])
    assert b"build_app('org/sne'" in files["app.py"]
    compile(files["app.py"], "app.py", "exec")
    assert b"hf-sne[space]==" in files["requirements.txt"]
    assert b"cifar10\\_small" in files["board.md"] or b"cifar10-small" in files["board.md"]


@pytest.mark.parametrize(("model", "told"), [("predictor", "from the Hub"), ("org/none", "404|not found|401")])
def test_a_space_of_what_is_not_on_the_hub_is_refused(hub, model, told):
    with pytest.raises(UserError, match=told):
        push(model, Destination("org/app"), space=True)
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
