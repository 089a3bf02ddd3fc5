import subprocess
import sys

import pytest

from hf_sne.version import __version__

COMMANDS = ("score", "inspect", "demo", "push", "results", "zoo")
HEAVY = {"torch", "transformers", "datasets", "evaluate", "sklearn", "scipy", "matplotlib", "numpy", "pandas"}
PROBE = """
import sys
from hf_sne.cli import main
try:
    main(sys.argv[1:])
finally:
    print("IMPORTED", *{name.partition(".")[0] for name in sys.modules})
"""


@pytest.mark.parametrize(
    "arguments",
    [("--help",), *((command, "--help") for command in COMMANDS), ("zoo", "make", "--help")],
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    text, _, imported = done.stdout.rpartition("IMPORTED")
    assert "Usage:" in text
    assert HEAVY.isdisjoint(imported.split())


def test_help_names_every_command(run_cli) -> None:
    outcome = run_cli("--help")
    assert outcome.code == 0
    assert all(command in outcome.out for command in COMMANDS)


def test_version(run_cli) -> None:
    assert run_cli("--version").out == f"hf-sne {__version__}\n"


def test_help_of_a_push_names_where_and_how(run_cli) -> None:
    outcome = run_cli("push", "--help")
    assert outcome.code == 0
    for name in ("SOURCE", "ORG/NAME", "--private", "--revision", "--create-pr", "--space", "--dry-run"):
        assert name in outcome.out
