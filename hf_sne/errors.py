"""Every error the package raises on purpose: one class a broken rule, all under ``HfSneError``.

The rules of reading a checkpoint are in :mod:`hf_sne.weights.errors`.
"""

from functools import partial
from typing import Any, ClassVar

from hf_sne.escape import visible

_SHOWN = 400  # characters of a value that a message repeats


class HfSneError(Exception):
    """Base of every error that ``hf_sne`` raises on purpose."""


class UserError(HfSneError):
    """Something the user asked for cannot be done as asked; the message tells what was found and the fix."""

    def __init__(self, message: str, *, fix: str) -> None:
        self.message = message
        self.fix = fix
        super().__init__(f"{message}. Fix: {fix}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Without this an error raised in a worker process cannot travel back: ``fix`` is a keyword.
        return partial(type(self), fix=self.fix), (self.message,)


class CheckpointError(UserError):
    """Base of every refusal to read a checkpoint; each subclass is one broken rule.

    ``file`` is the file, repository or object concerned; ``found`` and ``allowed`` are the two values.
    """

    rule: ClassVar[str] = "a checkpoint must be readable"
    advice: ClassVar[str] = "name another checkpoint"

    def __init__(self, file: object, *, found: object, allowed: object, fix: str | None = None) -> None:
        self.file = _shown(file)
        self.found = _shown(found)
        self.allowed = _shown(allowed)
        super().__init__(
            f"{self.file}: {self.rule}: found {self.found}, allowed {self.allowed}", fix=fix or self.advice
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.file, self.found, self.allowed, self.fix)


def _rebuild(kind: type[CheckpointError], file: str, found: str, allowed: str, fix: str) -> CheckpointError:
    return kind(file, found=found, allowed=allowed, fix=fix)


def _shown(value: object) -> str:
    text = str(value)
    return visible(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)")
