"""Pickle files: read by a process of their own, under limits, whose result is read as an untrusted safetensors file."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hf_sne.errors import CheckpointError
from hf_sne.limits import Limits
from hf_sne.weights import errors
from hf_sne.weights.checks import Totals, check_name
from hf_sne.weights.errors import (
    PickleCrashError,
    PickleFormatError,
    PickleMemoryError,
    PickleSandboxError,
    PickleSecondsError,
)
from hf_sne.weights.safetensors_file import open_safetensors
from hf_sne.weights.strict_json import parse_object
from hf_sne.weights.tensors import LazyTensor, Skipped

_OUT_OF_MEMORY = ("MemoryError", "can't allocate memory", "bad_alloc", "Cannot allocate memory")
# The line of a traceback that says what is wrong; torch hides its reason in the middle of a long text, before advice
# that is no help here.
_TOLD = re.compile(
    r"WeightsUnpickler error: .*?(?=\.? Please use|$)"
    r"|^Trying to load unsupported GLOBAL .*|^[\w.]+(?:Error|BadZipFile): (?!Weights only).*",
    re.MULTILINE,
)
_ERROR_TAIL = 4096  # bytes of the child's error stream that are looked at
# All that the child needs: no token, no proxy and no cache of the parent's.
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "SYSTEMROOT")


def open_pickle(
    path: Path, file: str, totals: Totals, stack: ExitStack
) -> tuple[dict[str, LazyTensor], tuple[Skipped, ...]]:
    """The tensors of the pickle file at ``path``, called ``file`` in messages, readable until ``stack`` closes.

    Raises:
        CheckpointError: of the class of the rule that the file breaks.
    """
    if sys.platform != "linux":
        raise PickleSandboxError(file, found=sys.platform, allowed="linux")
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="hf_sne-pickle-")))
    _run_child(path, file, folder, totals.limits)
    report = parse_object((folder / "report.json").read_bytes(), file, PickleFormatError)
    if "rule" in report:
        raise _broken_rule(file, report)
    skipped = tuple(Skipped(*fields) for fields in report["skipped"])
    for tensor in skipped:
        check_name(tensor.name, file, totals.limits)
    return open_safetensors(folder / "weights.safetensors", file, totals, stack), skipped


def _broken_rule(file: str, report: dict[str, Any]) -> CheckpointError:
    kind: type[CheckpointError] = getattr(errors, report["rule"])
    assert issubclass(kind, CheckpointError)
    return kind(file, found=report["found"], allowed=report["allowed"], fix=report["fix"])


def _run_child(path: Path, file: str, folder: Path, limits: Limits) -> None:
    # A path of its own keeps the working folder out of the child's imports.
    command = [sys.executable, "-P", "-m", "hf_sne.weights.pickle_child"]
    arguments = [str(path.absolute()), file, str(folder), json.dumps(asdict(limits))]
    stderr = folder / "stderr.txt"
    with stderr.open("wb") as stream:
        try:
            # This interpreter runs this package; only the file's name comes from outside, as one argument.
            process = subprocess.run(  # noqa: S603
                command + arguments,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                timeout=limits.pickle_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PickleSecondsError(
                file, found=f"more than {limits.pickle_seconds} s", allowed=limits.pickle_seconds
            ) from None
    if process.returncode != 0:
        raise _failure(process.returncode, stderr, file, limits)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    # One thread, as each of them reserves address space; the import path is the parent's.
    paths = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}


def _failure(code: int, stderr: Path, file: str, limits: Limits) -> CheckpointError:
    """What a child that ended with ``code`` means."""
    with stderr.open("rb") as stream:
        stream.seek(max(0, stderr.stat().st_size - _ERROR_TAIL))
        words = stream.read().decode("utf-8", "replace")
    if any(sign in words for sign in _OUT_OF_MEMORY):
        return PickleMemoryError(
            file, found="more", allowed=f"{limits.pickle_memory_bytes} bytes beside the interpreter"
        )
    if code == -signal.SIGXCPU:
        return PickleSecondsError(file, found="more processor time", allowed=f"{limits.pickle_seconds} s")
    if code < 0:
        return PickleCrashError(file, found=f"ended by {signal.Signals(-code).name}", allowed="a normal end")
    told = _TOLD.findall(words) or ["an error without a reason"]
    return PickleFormatError(file, found=told[-1], allowed="a dictionary of tensors")
