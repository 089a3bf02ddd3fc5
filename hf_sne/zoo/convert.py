"""Convert a published zoo in another layout to this one."""

from collections.abc import Iterator
from pathlib import Path

from hf_sne.errors import UserError
from hf_sne.zoo.adapters import read_rows
from hf_sne.zoo.complete import Progress, complete_zoo
from hf_sne.zoo.make import is_begun
from hf_sne.zoo.plan import SPLITS
from hf_sne.zoo.workspace import is_whole, workspace


def convert_zoo(
    source: Path,
    folder: Path,
    license: str,  # noqa: A002
    *,
    allow_pickle: bool = False,
    skipped: list[str],
) -> Iterator[Progress]:
    """Write the checkpoints of ``source`` as a zoo folder; iterate to let it work.

    Args:
        source: Folder in a layout of :mod:`hf_sne.zoo.adapters`.
        folder: To write, without a zoo in it.
        license: On the card, as the Hub names it.
        allow_pickle: Read torch pickles, confined.
        skipped: Takes a line for every checkpoint that could not be read.

    Raises:
        UserError: the source is of no known layout, or the folder holds a zoo already.
    """
    if is_whole(folder) or is_begun(folder):
        raise UserError(f"{folder}: holds a zoo already, or one in the making", fix="name another folder")
    rows = read_rows(source, allow_pickle=allow_pickle, skipped=skipped)
    with workspace(folder):
        yield from complete_zoo(folder, rows, {"converted_from": source.resolve().name, "license": license}, SPLITS)
