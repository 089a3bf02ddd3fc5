"""What the tables of published zoos say of a checkpoint, in the columns of a zoo."""

import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from hf_sne.errors import UserError
from hf_sne.zoo.schema import LABELS, Labels

_CONFIG = "config."
_ALIASES = {
    "batchsize": "batch_size",
    "dataset": "data",
    "init_std": "init_scale",
    "l2": "weight_decay",
    "l2reg": "weight_decay",  # as published; Keras adds twice that share of a weight to its gradient
    "random_seed": "seed",
    "w_init": "initialization",
}
# Names that pandas would read as numbers.
_TEXT = ("id", "run", "modeldir", "varname", "shape")


def clean_name(text: str) -> str:
    """``text`` in the characters a-z, 0-9 and _, as a family or a config is named."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "zoo"


def read_table(path: Path, required: Iterable[str] = ()) -> pd.DataFrame:
    """A CSV table, gzipped or not.

    Raises:
        UserError: it cannot be read, or lacks a required column.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(_TEXT, str))
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: no table can be read: {error}", fix="restore the file") from error
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise UserError(
            f"{path}: no column {', '.join(missing)} among {', '.join(map(str, table.columns))}",
            fix="add or rename the columns",
        )
    return table


def rows_of(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of a table, each without the cells that are empty and the unnamed columns, which are row numbers."""
    named = table[[column for column in table.columns if not str(column).startswith("Unnamed:")]]
    for row in named.to_dict("records"):
        yield {str(name): value for name, value in row.items() if not _is_missing(value)}


def columns_of(names: Iterable[str]) -> dict[str, str]:
    """The zoo's column for each of a table's columns that has one, with or without ``config.`` before its name."""
    found = {}
    for name in names:
        short = name.removeprefix(_CONFIG)
        column = _ALIASES.get(short, short)
        if column in LABELS and column != "extra":
            found[name] = column
    return found


def label_row(values: Mapping[str, Any], columns: Mapping[str, str], known: Labels) -> Labels:
    """All columns of a row: ``known`` ones, those of ``values`` that ``columns`` places, None where nothing is told.

    What has no place, or not the type of its column, is a JSON object in ``extra``.
    """
    labels: Labels = dict.fromkeys(LABELS)
    extra: dict[str, Any] = {}
    for name, value in values.items():
        column = columns.get(name)
        kept = _cast(value, LABELS[column]) if column is not None and labels[column] is None else None
        if column is not None and kept is not None:
            labels[column] = kept
        elif value is not None:
            extra[name] = _plain(value)
    labels.update(known)
    if labels["train_accuracy"] is not None and labels["test_accuracy"] is not None:
        labels["generalization_gap"] = labels["train_accuracy"] - labels["test_accuracy"]
    labels["extra"] = json.dumps(extra, sort_keys=True) if extra else None
    return labels


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _whole(bits: int, value: Any) -> int:
    if int(value) != float(value) or int(value).bit_length() >= bits:
        raise ValueError(value)
    return int(value)


def _truth(value: Any) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]


_CASTS: dict[pa.DataType, Callable[[Any], Any]] = {
    pa.string(): str,
    pa.bool_(): _truth,
    pa.int32(): partial(_whole, 32),
    pa.int64(): partial(_whole, 64),
    pa.float32(): float,
}


def _cast(value: Any, kind: pa.DataType) -> Any:
    """The value as a column of that type holds it; None if it does not fit."""
    if isinstance(value, dict | list):
        return None
    try:
        return _CASTS[kind](value)
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def _plain(value: Any) -> Any:
    """The value as strict JSON has it: no NaN and no infinity but as text."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    finite = isinstance(value, bool | int | str | None) or (isinstance(value, float) and math.isfinite(value))
    return value if finite else str(value)
