"""The HTML report: one file, nothing fetched, nothing that names in a checkpoint could run."""

import json
import re

import pytest
import torch
from browser import needs_browser, page
from safetensors.torch import save_file

from hf_sne.cli import main
from hf_sne.pipelines import load_pipeline
from hf_sne.pipelines.html_report import html_fragment, html_page

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two scored checkpoints, one with a hostile name in it, and one refused."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    for name, width in (("good", 16), ("wide", 32)):
        state = {f"{HOSTILE}.weight": torch.randn(width, 8), "fc.weight": torch.randn(4, width)}
        save_file(state, folder / f"{name}.safetensors")
    (folder / "<b>bad.safetensors").write_text("no weights")
    return list(load_pipeline(device="cpu").iterate(sorted(folder.iterdir()), explain=True))


def test_every_figure_is_in_the_page(results):
    text = html_page(results)
    for result in (each for each in results if "score" in each):
        for shown in (f"{result['score']:.3f}", f"{result['interval']['low']:.3f} to {result['interval']['high']:.3f}"):
            assert shown in text
        assert result["checkpoint"]["files"][0]["sha256"] in text
        for layer in result["layers"]:
            assert f"{layer['attribution']:+.3f}" in text.replace("&#43;", "+")
        for neighbour in result["neighbours"]:
            assert neighbour["name"] in text
    assert "the file must hold weights" in text


def test_the_best_comes_first(results):
    shown = re.findall(r'class="score">([\d.]+)<', html_page(results))
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == 2


def test_bars_have_one_scale_that_makes_little_of_next_to_nothing(results):
    scored = next(each for each in results if "score" in each)

    def widths(*attributions):
        pages = [{**scored, "layers": [{**scored["layers"][0], "attribution": value}]} for value in attributions]
        return re.findall(r'class="(?:up|down)" style="width:([\d.]+)%"', html_page(pages))

    assert widths(0.4, -0.1) == ["50.0", "12.5"]
    assert widths(0.001) == ["0.5"]


def test_names_do_no_harm(results):
    for text in (html_page(results), html_fragment(results)):
        assert "<script" not in text
        assert "<b>bad" not in text
        assert "://" not in text


def test_without_explanations_and_of_many_layers(results):
    scored = next(each for each in results if "score" in each)
    plain = {name: value for name, value in scored.items() if name not in ("layers", "neighbours")}
    assert "What training each layer adds" not in html_page([plain])
    many = scored | {
        "layers": [
            {"name": f"layer{place}", "role": "linear", "parameters": 1, "attribution": place / 100}
            for place in range(100)
        ]
    }
    text = html_page([many])
    assert "The 60 strongest of 100 layers" in text
    assert "does not tell which layer the accuracy would miss most" in text
    assert "layer40<" in text
    assert "layer39<" not in text


def test_the_command_writes_it_and_tells_where(tmp_path, capsys):
    save_file({"fc.weight": torch.randn(4, 8), "out.weight": torch.randn(2, 4)}, tmp_path / "x.safetensors")
    with pytest.raises(SystemExit) as stop:
        main(["score", str(tmp_path / "x.safetensors"), "--json", "--html", str(tmp_path / "report.html")])
    told = capsys.readouterr()
    assert stop.value.code == 0
    assert f"{json.loads(told.out)[0]['score']:.3f}" in (tmp_path / "report.html").read_text()
    assert "report.html" in told.err
    with pytest.raises(SystemExit) as stop:
        main(["score", str(tmp_path / "x.safetensors"), "--html", str(tmp_path / "none" / "report.html")])
    assert stop.value.code == 2


@needs_browser
def test_a_browser_shows_it_without_asking_anybody(results, tmp_path):
    (tmp_path / "report.html").write_text(html_page(results), encoding="utf-8")
    with page() as opened:
        asked, errors = [], []
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("pageerror", lambda error: errors.append(error))
        opened.goto((tmp_path / "report.html").as_uri())
        assert opened.locator("section").count() == 3
        assert opened.locator(".point").first.bounding_box()["height"] > 10
        bars = opened.locator(".strip span")
        assert max(bars.nth(place).bounding_box()["width"] for place in range(bars.count())) > 50
        assert not opened.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert (len(asked), errors) == (1, [])
