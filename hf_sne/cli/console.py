"""What the commands share: the two streams, the exit codes, places for files, and how an error is shown."""

from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from hf_sne.errors import HfSneError
from hf_sne.escape import visible

REFUSED = 1
USAGE = 2


def results_console() -> Console:
    """Standard output: results alone, so that it can be piped."""
    return Console()


def notes_console() -> Console:
    """Standard error: progress, notes and errors."""
    return Console(stderr=True)


def check_place(path: Path, option: str, suffix: str) -> None:
    """Refuse before the work, not after it, a place for a file that is plainly wrong.

    Raises:
        typer.BadParameter: the ending is another one, it is a folder, or its folder is not there.
    """
    if path.suffix.lower() != suffix or path.is_dir():
        raise typer.BadParameter(f"{option} {path} must be a file that ends in {suffix}")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"{option} {path}: the folder {path.parent} is not there")


def print_error(error: HfSneError) -> None:
    """Show an error in one line on standard error, with what came from untrusted files made visible."""
    line = visible(" ".join(str(error).split()))
    notes_console().print(Text("error: ", style="bold red") + Text(line), soft_wrap=True)
