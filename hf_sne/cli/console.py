"""What the commands share: the two streams, the exit codes and how an error is shown."""

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


def print_error(error: HfSneError) -> None:
    """Show an error in one line on standard error, with what came from untrusted files made visible."""
    line = visible(" ".join(str(error).split()))
    notes_console().print(Text("error: ", style="bold red") + Text(line), soft_wrap=True)
