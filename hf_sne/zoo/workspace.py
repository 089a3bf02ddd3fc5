"""The folder of a zoo in the making: claimed by one process, and known from other folders by what lies in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hf_sne.errors import UserError
from hf_sne.zoo.atomic import make_folder
from hf_sne.zoo.card import CARD
from hf_sne.zoo.manifest import MANIFEST, Manifest

# What is not yet a zoo; gone once the zoo is whole.
WORK = "work"
_LOCK = "lock"
# What an interrupted making may leave beside it.
_TABLES = ("data", "weights")


def is_whole(folder: Path) -> bool:
    """Whether all of a zoo has been written: its card is the last."""
    return (folder / MANIFEST).exists() and CARD in Manifest.read(folder).files


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """A folder for unfinished work inside that of the zoo, for one process at a time; removed after the block.

    Raises:
        UserError: the folder holds other files than a zoo in the making, or another process works in it.
    """
    work = folder / WORK
    if folder.is_dir() and not (work / _LOCK).exists() and _holds_files(folder) and not is_whole(folder):
        raise UserError(f"{folder}: holds other files", fix="name a new or an empty folder for the zoo")
    make_folder(work)
    try:
        with FileLock(work / _LOCK, timeout=0):
            yield work
            shutil.rmtree(work)
    except Timeout as error:
        raise UserError(f"{folder}: another process is making this zoo", fix="wait for it, or stop it") from error


def _holds_files(folder: Path) -> bool:
    """Whether there is more than the empty folder that a making leaves which was killed before its first file."""
    return any(path != folder / WORK or path.is_file() or any(path.iterdir()) for path in folder.iterdir())


def clear_tables(folder: Path) -> None:
    """Remove the tables of an interrupted writing: a zoo's configs take in every table that is there."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in _TABLES:
        shutil.rmtree(folder / name, ignore_errors=True)
