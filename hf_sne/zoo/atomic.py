"""Files that are there whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hf_sne.errors import UserError


class ZooWriteError(UserError):
    """A zoo's file could not be written; what was there before is unharmed."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to; it becomes ``path`` once the block ends without an error, and survives a power cut.

    Raises:
        ZooWriteError: the disk is full or the folder cannot be written to.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        raise _told(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically."""
    with atomic_file(path) as part:
        part.write_bytes(content)


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


def _told(path: Path, error: OSError) -> ZooWriteError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    fix = "free space and run again: finished work is kept" if full else "check that the folder can be written to"
    return ZooWriteError(f"{path}: {'no space left' if full else error.strerror or error}", fix=fix)
