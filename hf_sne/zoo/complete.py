"""The last stage of making or converting a zoo: its tables and manifest, then the card."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_sne.zoo.card import write_card
from hf_sne.zoo.schema import Rows
from hf_sne.zoo.workspace import clear_tables
from hf_sne.zoo.write import write_zoo


@dataclass(frozen=True)
class Progress:
    """How far a zoo has come: things done of how many, and how many of them before this call."""

    stage: str
    done: int
    total: int
    resumed: int = 0


def complete_zoo(
    folder: Path, rows: Rows, source: dict[str, Any], splits: Mapping[str, float], seed: int = 0
) -> Iterator[Progress]:
    """Write the published form of all rows, in place of what an interrupted writing left; iterate to let it work.

    Raises:
        ZooWriteError: the disk is full or the folder cannot be written to.
        UserError: a split would be empty.
    """
    clear_tables(folder)
    done = 0
    yield Progress("writing", done, len(rows.labels))
    for count in write_zoo(folder, rows, source, splits, seed):
        done += count
        yield Progress("writing", done, len(rows.labels))
    write_card(folder)
