"""How far the making of a zoo has come, shown on standard error."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hf_sne.cli.console import notes_console

if TYPE_CHECKING:
    from hf_sne.zoo import complete

# Where no one watches a bar move.
_SECONDS_BETWEEN_LINES = 30.0


def show_progress(steps: "Iterable[complete.Progress]", title: str) -> None:
    """A bar with the rate and the time left, or a line now and then where standard error is no terminal."""
    console = notes_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    clock = _Clock()
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None, rate="")
        try:
            for step in steps:
                if clock.turns_to(step, console, title):
                    bar.reset(task, description=f"{escape(title)}: {step.stage}", total=step.total, rate="")
                bar.update(task, completed=step.done, rate=clock.rate(step))
                clock.line(step, console, title)
        except KeyboardInterrupt:
            bar.stop()
            _say(console, f"{title}: stopped; run the same command again to go on")
            raise
        clock.last_line(console, title)


class _Clock:
    """When the present stage began, and what has been said of it."""

    def __init__(self) -> None:
        self._begun = self._said = time.monotonic()
        self._step: complete.Progress | None = None

    def turns_to(self, step: "complete.Progress", console: Console, title: str) -> bool:
        """Whether the step is the first of its stage."""
        if self._step is not None and self._step.stage == step.stage:
            return False
        self.last_line(console, title)
        self._begun = self._said = time.monotonic()
        self._step = step
        if not console.is_terminal:
            _say(console, f"{title}: {step.stage}, {step.done} of {step.total}")
        return True

    def rate(self, step: "complete.Progress") -> str:
        """How many a second since the stage began."""
        done = step.done - step.resumed
        return f"{done / max(1e-9, time.monotonic() - self._begun):.2f} a second" if done > 0 else ""

    def line(self, step: "complete.Progress", console: Console, title: str) -> None:
        """Say where the stage is, if it is time to."""
        self._step = step
        if not console.is_terminal and time.monotonic() - self._said > _SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            _say(console, f"{title}: {step.stage}, {step.done} of {step.total}, {self.rate(step)}")

    def last_line(self, console: Console, title: str) -> None:
        """Say how long a stage of training took, which is what one wants to know of the next zoo."""
        if self._step is not None and self._step.stage == "training":
            seconds = time.monotonic() - self._begun
            trained = self._step.done - self._step.resumed
            _say(console, f"{title}: {trained} networks trained in {seconds:.0f} s, {self.rate(self._step)}")
            self._step = None


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
