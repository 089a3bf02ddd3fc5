"""Files that are there whole or not at all."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from safetensors import SafetensorError

from hf_sne.errors import UserError

# Begins the names of the folders that hold files in the making; what a killed process left of them is cleared.
_SCRATCH = ".zoo-part-"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ZooWriteError(UserError):
    """A zoo's file could not be written; what was there before is unharmed."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to; it becomes ``path`` once the block ends without an error, and survives a power cut.

    It lies in a folder of its own, for some writers make temporary files beside what they write.

    Raises:
        ZooWriteError: the disk is full or the folder cannot be written to.
    """
    make_folder(path.parent)
    with _told(path), _scratch(path.parent) as scratch:
        part = scratch / path.name
        yield part
        # safetensors lets nobody but the owner read what it writes.
        usual = scratch / "usual"
        usual.touch()
        part.chmod(usual.stat().st_mode)
        _to_disk(part)
        part.replace(path)
        _to_disk(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically."""
    with atomic_file(path) as part:
        part.write_bytes(content)


def make_folder(path: Path) -> None:
    """A folder and those above it, where there is none yet.

    Raises:
        ZooWriteError: it cannot be made, or something else has its name.
    """
    with _told(path):
        path.mkdir(parents=True, exist_ok=True)


def clear_parts(folder: Path) -> None:
    """Remove what killed processes were writing; none may be writing now."""
    for scratch in list(folder.rglob(f"{_SCRATCH}*")):
        shutil.rmtree(scratch, ignore_errors=True)


def check_space(folder: Path, wanted: int) -> None:
    """Refuse before long work what the disk cannot hold.

    Raises:
        ZooWriteError: fewer than ``wanted`` bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise ZooWriteError(
            f"{folder}: about {wanted / 2**20:,.0f} MiB are needed, {free / 2**20:,.0f} MiB are free",
            fix="free space, or name a folder on another disk",
        )


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    scratch = Path(mkdtemp(prefix=_SCRATCH, dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        full = _number(error) in _FULL
        fix = "free space and run again: finished work is kept" if full else "check that the folder can be written to"
        raise ZooWriteError(f"{path}: {'no space left' if full else error}", fix=fix) from error


def _number(error: OSError | SafetensorError) -> int | None:
    """The system's number of an error; safetensors gives it in words alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None
