"""``hf-sne score`` with the built-in encoder on real files."""

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from hub_server import HubRepo
from safetensors.torch import save_file
from torch import nn

HOSTILE = "=1+1\x1b[2J[bold red].safetensors"


def save_network(path: Path, hidden: int = 16) -> Path:
    torch.manual_seed(hidden)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    save_file(network.state_dict(), path)
    return path


@pytest.fixture
def networks(tmp_path: Path) -> list[Path]:
    return [save_network(tmp_path / f"net{hidden}.safetensors", hidden) for hidden in (8, 16, 32)]


@pytest.fixture
def web_page(tmp_path: Path) -> Path:
    path = tmp_path / "page.safetensors"
    path.write_text("<!DOCTYPE html><html>404</html>")
    return path


def test_json_holds_every_result_in_the_order_given(run_cli, networks: list[Path]) -> None:
    outcome = run_cli("score", *networks, "--json", "--device", "cpu")
    assert outcome.code == 0
    results = json.loads(outcome.out)
    assert [result["checkpoint"]["source"] for result in results] == [str(path) for path in networks]
    for result in results:
        assert 0 <= result["interval"]["low"] <= result["score"] <= result["interval"]["high"] <= 1
        assert result["coverage"]["fraction"] == 1.0
        assert len(result["checkpoint"]["files"][0]["sha256"]) == 64


def test_csv_has_one_row_a_checkpoint_and_nothing_else(run_cli, networks: list[Path], web_page: Path) -> None:
    outcome = run_cli("score", networks[0], web_page, networks[1], "--csv")
    assert outcome.code == 1
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert [row["source"] for row in rows] == [str(networks[0]), str(web_page), str(networks[1])]
    assert [bool(row["error"]) for row in rows] == [False, True, False]
    assert [bool(row["score"]) for row in rows] == [True, False, True]


def test_the_table_is_ranked(run_cli, networks: list[Path]) -> None:
    scores = {
        result["checkpoint"]["source"]: result["score"]
        for result in json.loads(run_cli("score", *networks, "--json").out)
    }
    table = run_cli("score", *networks).out
    places = {source: table.index(Path(source).stem) for source in scores}
    assert sorted(places, key=lambda source: places[source]) == sorted(scores, key=lambda source: -scores[source])


def test_a_refused_checkpoint_tells_why_and_does_not_stop_the_rest(
    run_cli, networks: list[Path], web_page: Path
) -> None:
    outcome = run_cli("score", web_page, networks[0])
    assert outcome.code == 1
    assert networks[0].name in outcome.out
    assert "Refused" in outcome.out
    assert "HTML" in outcome.out


def test_a_folder_of_checkpoints_is_scored_file_by_file(run_cli, networks: list[Path]) -> None:
    folder = networks[0].parent
    outcome = run_cli("score", folder, "--json")
    assert outcome.code == 0
    assert len(json.loads(outcome.out)) == len(networks)
    assert "3 checkpoints" in outcome.err


def test_pickles_are_refused_unless_asked_for(run_cli, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save(nn.Linear(64, 10).state_dict(), path)
    assert run_cli("score", path).code == 1
    assert run_cli("score", path, "--allow-pickle").code == 0


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)], ids=["table", "json", "csv"])
@pytest.mark.parametrize("readable", [True, False], ids=["scored", "refused"])
def test_hostile_file_names_are_escaped(run_cli, tmp_path: Path, form: tuple[str, ...], readable: bool) -> None:
    path = tmp_path / HOSTILE
    if readable:
        save_network(path)
    else:
        path.write_bytes(b"")
    outcome = run_cli("score", path, *form)
    assert outcome.code == (0 if readable else 1)
    assert "\x1b" not in outcome.out + outcome.err
    assert "[bold red]" in outcome.out


def test_a_relative_name_that_is_a_formula_is_defused_in_csv(
    run_cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_network(Path("=1+1.safetensors"))
    (row,) = csv.DictReader(io.StringIO(run_cli("score", "=1+1.safetensors", "--csv").out))
    assert row["source"] == "'=1+1.safetensors"


def test_explain_tells_layer_by_layer_what_a_score_rests_on(run_cli, networks: list[Path]) -> None:
    outcome = run_cli("score", networks[0], "--explain", "--device", "cpu")
    assert outcome.code == 0
    assert "What training each layer adds" in outcome.out
    assert "does not tell which layer the accuracy would miss most" in " ".join(outcome.out.split())
    outcome = run_cli("score", networks[0], "--explain", "--json", "--device", "cpu")
    (result,) = json.loads(outcome.out)
    assert [layer["name"] for layer in result["layers"]] == ["1", "3"]


def test_explanations_do_not_go_into_csv(run_cli, networks: list[Path]) -> None:
    outcome = run_cli("score", networks[0], "--explain", "--csv")
    assert outcome.code == 2
    assert "--json" in outcome.err


def test_explanations_are_drawn(run_cli, networks: list[Path], tmp_path: Path) -> None:
    figure = tmp_path / "why.png"
    outcome = run_cli("score", networks[0], "--explain", "--figure", figure)
    assert outcome.code == 0
    assert "Nearest networks" in outcome.out
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_figure_that_cannot_be_drawn_is_refused_before_the_work(
    run_cli, networks: list[Path], tmp_path: Path
) -> None:
    for options in (
        ["--figure", tmp_path / "why.png"],
        ["--explain", "--figure", tmp_path / "why.txt"],
        ["--explain", "--figure", tmp_path / "none" / "why.png"],
    ):
        outcome = run_cli("score", networks[0], *options)
        assert outcome.code == 2
        assert "--figure" in outcome.err
        assert not outcome.out


def test_strict_refuses_what_is_unlike_the_training_networks(run_cli, tmp_path: Path) -> None:
    save_file({name: 1e3 * torch.randn(64, 64) for name in ("0.weight", "2.weight")}, tmp_path / "odd.safetensors")
    assert run_cli("score", tmp_path / "odd.safetensors").code == 0
    outcome = run_cli("score", tmp_path / "odd.safetensors", "--strict")
    assert outcome.code == 1
    assert "percentile" in outcome.out


def test_a_budget_reads_a_part_and_tells_how_much_came_from_the_hub(run_cli, aimed_hub, networks: list[Path]) -> None:
    content = networks[0].read_bytes()
    aimed_hub.repos["org/net"] = HubRepo({"model.safetensors": content})
    whole, part = (run_cli("score", "org/net", "--json", "--max-parameters", most) for most in (10**6, 300))
    (all_of_it,), (some,) = json.loads(whole.out), json.loads(part.out)
    assert all_of_it["coverage"]["fraction"] == 1
    assert 0 < some["coverage"]["parameters_read"] <= 300
    assert some["coverage"]["bytes_fetched"] < len(content)
    assert f"org/net: {some['coverage']['bytes_fetched']:,} bytes fetched" in part.err
    (local,) = json.loads(run_cli("score", networks[0], "--json").out)
    assert local["score"] == pytest.approx(all_of_it["score"], abs=1e-6)
    assert local["coverage"]["bytes_fetched"] is None


def test_a_budget_too_small_is_refused(run_cli, networks: list[Path]) -> None:
    outcome = run_cli("score", networks[0], "--max-parameters", 2)
    assert outcome.code == 1
    assert "raise --max-parameters" in outcome.out
