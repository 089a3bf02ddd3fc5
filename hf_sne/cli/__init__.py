"""The command line ``hf-sne``; each command imports what it needs when it runs, so that ``--help`` answers at once."""

from collections.abc import Sequence
from typing import Annotated

import typer

from hf_sne.cli.console import USAGE, print_error
from hf_sne.cli.demo import demo_command
from hf_sne.cli.inspect import inspect_command
from hf_sne.cli.push import push_command
from hf_sne.cli.results import results_command
from hf_sne.cli.score import score_command
from hf_sne.cli.zoo import app as zoo_app
from hf_sne.errors import HfSneError
from hf_sne.version import __version__

app = typer.Typer(
    name="hf-sne",
    help="Predict a neural network's test accuracy from its weights alone.",
    no_args_is_help=True,
    add_completion=False,
    # Typer's own tracebacks print local variables, which may hold names from untrusted files.
    pretty_exceptions_enable=False,
)
app.command("score")(score_command)
app.command("inspect")(inspect_command)
app.command("demo")(demo_command)
app.command("push")(push_command)
app.command("results")(results_command)
app.add_typer(zoo_app, name="zoo")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hf-sne {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Predict a neural network's test accuracy from its weights alone."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line on ``arguments`` (default: the process's own) and leave with its exit code."""
    try:
        app(args=arguments)
    except HfSneError as error:
        print_error(error)
        raise SystemExit(USAGE) from None
