"""``hf-sne demo`` from training to picture, on the fewest networks it takes."""

import json
from pathlib import Path

import pytest

from hf_sne.cli.demo_report import summarise


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


def test_demo_trains_scores_compares_and_draws(run_cli, output: Path) -> None:
    outcome = run_cli("demo", "--networks", 6, "--output", output)
    assert outcome.code == 0
    assert (output / "predicted_vs_measured.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads((output / "results.json").read_text())
    assert {point["family"] for point in results["points"]} >= {"cnn", "mlp", "resnet"}
    assert results["metrics"]["runs"] == 6
    assert all(0 <= point["predicted"] <= 1 and 0 <= point["measured"] <= 1 for point in results["points"])
    for shown in ("Kendall tau", "Spearman", "mean absolute error", "results.json"):
        assert shown in outcome.out


def test_a_second_demo_reuses_the_networks(run_cli, output: Path) -> None:
    files = sorted((output / "zoo").rglob("*.parquet"))
    assert files
    before = [path.stat().st_mtime_ns for path in files]
    assert run_cli("demo", "--networks", 6, "--output", output).code == 0
    assert [path.stat().st_mtime_ns for path in files] == before


def result(score: float) -> dict[str, object]:
    return {
        "score": score,
        "interval": {"low": score - 0.1, "high": score + 0.1, "level": 0.9},
        "in_distribution": {"verdict": True, "percentile": 50.0},
        "predictor": {"name": "sne", "version": "1"},
    }


def test_the_summary_counts_refusals_apart_and_measures_interval_coverage() -> None:
    labels = [
        {"id": str(i), "run": str(i), "family": "mlp", "damage": "none", "parameters": 9, "test_accuracy": accuracy}
        for i, accuracy in enumerate((0.2, 0.5, 0.9, 0.1))
    ]
    refusal = {"refused": {"error": "E", "message": "m", "fix": "f"}}
    summary = summarise(labels, [result(0.25), result(0.45), result(0.5), refusal])
    assert [point["id"] for point in summary["points"]] == ["0", "1", "2"]
    assert summary["refused"] == [{"id": "3", "error": "E", "message": "m", "fix": "f"}]
    assert summary["interval"] == {"level": 0.9, "coverage": pytest.approx(2 / 3)}
    assert summary["metrics"]["kendall_tau"]["value"] == pytest.approx(1.0)
    assert summary["metrics"]["mae"]["value"] == pytest.approx(0.5 / 3)
    assert summary["by_family"]["mlp"]["networks"] == 3
