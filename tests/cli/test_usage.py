"""What cannot be run as typed leaves with 2, says why on standard error and prints no result."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), ""),
        (("score",), "PATH_OR_REPO"),
        (("inspect",), "PATH_OR_REPO"),
        (("inspect", "a", "b"), "unexpected extra argument"),
        (("rank", "a"), "No such command"),
        (("score", "a", "--json", "--csv"), "exclude each other"),
        (("score", "a", "--model-revision", "main"), "needs --model"),
        (("score", "a", "--device", "gpu7"), "use one of auto, cpu"),
        (("demo", "--networks", "2"), "networks"),
    ],
)
def test_usage_errors(run_cli, arguments: tuple[str, ...], reason: str) -> None:
    outcome = run_cli(*arguments)
    assert outcome.code == 2
    assert reason in outcome.err
    assert reason == "" or outcome.out == ""


def test_a_model_that_is_not_there_is_a_usage_error(run_cli, tmp_path) -> None:
    outcome = run_cli("score", tmp_path / "net.safetensors", "--model", tmp_path / "no-model")
    assert outcome.code == 2
    assert "no-model" in outcome.err
    assert outcome.out == ""
