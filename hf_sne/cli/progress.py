"""How far the making of a zoo has come, shown on standard error."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hf_sne.cli.console import notes_console

if TYPE_CHECKING:
    from hf_sne.zoo import make


def show_progress(steps: "Iterable[make.Progress]", title: str) -> None:
    """A bar with networks a second and the time left; one line a stage where standard error is no terminal."""
    console = notes_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task, stage, begun = progress.add_task("", total=None, rate=""), "", time.monotonic()
        for step in steps:
            if step.stage != stage:
                stage, begun = step.stage, time.monotonic()
                progress.reset(task, description=f"{escape(title)}: {stage}", total=step.total, rate="")
                if not console.is_terminal:
                    console.print(f"{title}: {stage}, {step.done} of {step.total}", highlight=False, markup=False)
            done = step.done - step.resumed
            rate = f"{done / max(1e-9, time.monotonic() - begun):.2f} a second" if done else ""
            progress.update(task, completed=step.done, rate=rate)
        if stage == "complete":
            console.print(f"{title}: complete already", highlight=False, markup=False)
