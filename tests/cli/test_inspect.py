import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    modules = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    save_file(modules.state_dict(), path)
    return path


def test_json_lists_layers_in_order_and_what_is_skipped(run_cli, network: Path) -> None:
    outcome = run_cli("inspect", network, "--json")
    assert outcome.code == 0
    described = json.loads(outcome.out)
    assert described["checkpoint"] == {"source": str(network), "commit": None}
    convolution, dense = described["layers"][0], described["layers"][-1]
    assert convolution["tensors"]["weight"]["shape"] == [8, 1, 3, 3]
    assert dense["tensors"]["weight"]["shape"] == [10, 288]
    assert dense["tensors"]["bias"]["shape"] == [10]
    assert dense["parameters"] == 2890
    assert {item["name"] for item in described["coverage"]["skipped"]} >= {"1.num_batches_tracked"}
    assert all(item["reason"] for item in described["coverage"]["skipped"])


def test_tables_show_layers_and_reasons(run_cli, network: Path) -> None:
    outcome = run_cli("inspect", network)
    assert outcome.code == 0
    assert "10x288" in outcome.out
    assert "2,890" in outcome.out
    assert "num_batches_tracked" in outcome.out


def test_an_unreadable_file_is_refused_with_a_fix(run_cli, tmp_path: Path) -> None:
    path = tmp_path / "empty\x1b[2J.safetensors"
    path.write_bytes(b"")
    outcome = run_cli("inspect", path)
    assert outcome.code == 1
    assert outcome.out == ""
    assert "Fix:" in outcome.err
    assert "\x1b[2J" not in outcome.err


def test_tensor_names_are_text_not_markup(run_cli, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({"[bold red]layer.weight": torch.randn(10, 64)}, path)
    assert "[bold red]layer" in run_cli("inspect", path).out
