"""The layout of the Small CNN Zoo (Unterthiner et al. 2020, arXiv 2002.11448): rows of weights, CSV of metrics.

``weights*.npy`` [rows, parameters], row-aligned ``metrics*.csv[.gz]``, and ``layout.csv`` (varname, start_idx, end_idx,
shape). Rows are in TensorFlow's order (kernels height, width, in, out), as published, or in PyTorch's.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hf_sne.errors import UserError
from hf_sne.zoo.adapters.labels import clean_name, columns_of, label_row, read_table, rows_of
from hf_sne.zoo.adapters.networks import architecture_of
from hf_sne.zoo.adapters.small_cnn_layout import Order, RowForm, read_form
from hf_sne.zoo.schema import Labels, Rows, Vector

LAYOUT = "layout.csv"
_BLOCK = 2**24  # numbers looked at at once
# The schemes of which init_std is the standard deviation; the others set the scale by themselves.
_SCALED = {"normal", "randomnormal", "truncatednormal"}


def is_small_cnn_zoo(folder: Path) -> bool:
    """Whether a folder has this layout."""
    return (folder / LAYOUT).is_file()


def read_small_cnn_zoo(folder: Path, order: Order = "auto") -> Rows:
    """Every row of every shard, shards in the order of their names; weights stay on disk until they are asked for.

    Args:
        folder: Of the zoo.
        order: Of the rows; ``auto``: TensorFlow's if a variable is called a kernel.

    Raises:
        UserError: a file is missing, damaged, or does not fit the others; or the order cannot be converted.
    """
    files = sorted(folder.glob("weights*.npy"))
    if not files:
        raise UserError(f"{folder}: {LAYOUT}, but no weights*.npy", fix="put the zoo's weights there")
    shards = [_open_weights(file) for file in files]
    lengths = {weights.shape[1] for weights in shards}
    if len(lengths) > 1:
        raise UserError(
            f"{folder}: shards with rows of {sorted(lengths)} numbers", fix="keep zoos in folders of their own"
        )
    form = read_form(folder / LAYOUT, order, lengths.pop())
    tables = [_open_metrics(file, len(weights)) for file, weights in zip(files, shards, strict=True)]
    epochs = _counts_epochs(tables)
    labels = [
        label
        for table, weights in zip(tables, shards, strict=True)
        for label in _labels(folder, table, form, _diverged(weights), epochs=epochs)
    ]
    starts = list(accumulate(map(len, shards), initial=0))

    def vector(index: int) -> Vector:
        shard = bisect_right(starts, index) - 1
        return _float32(shards[shard][index - starts[shard]])[form.places]

    return Rows(labels, vector, {form.layout.arch: form.layout})


def _open_weights(file: Path) -> NDArray[Any]:
    try:
        weights: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{file}: no array can be read: {error}", fix="restore a whole array of floats") from error
    if weights.dtype.kind != "f" or weights.ndim != 2:
        raise UserError(
            f"{file}: an array of {weights.dtype} with {weights.ndim} axes", fix="store floats [rows, parameters]"
        )
    return weights


def _open_metrics(weights_file: Path, count: int) -> pd.DataFrame:
    stem = weights_file.name.replace("weights", "metrics", 1).removesuffix(".npy")
    found = [path for suffix in (".csv", ".csv.gz") if (path := weights_file.with_name(stem + suffix)).is_file()]
    if not found:
        raise UserError(
            f"{weights_file}: no {stem}.csv or {stem}.csv.gz beside it", fix="put the shard's metrics there"
        )
    table = read_table(found[0], ["step"])
    if len(table) != count:
        raise UserError(
            f"{weights_file.name} has {count} rows and {found[0].name} {len(table)}",
            fix="restore the two files of the shard together: their rows belong to each other",
        )
    run = _run_column(table)
    if run is None or table[run].isna().any() or not pd.api.types.is_integer_dtype(table["step"]):
        raise UserError(
            f"{found[0]}: rows without a run (column run or modeldir) or without a step in whole numbers",
            fix="say of every row which run and step it is",
        )
    return table


def _run_column(table: pd.DataFrame) -> str | None:
    return next((name for name in ("run", "modeldir") if name in table.columns), None)


def _counts_epochs(tables: Sequence[pd.DataFrame]) -> bool:
    """Whether steps are epochs, as in the zoo of the paper: the last one is then the number of epochs."""
    if not all("config.epochs" in table.columns and len(table) for table in tables):
        return False
    return bool(max(table["step"].max() for table in tables) == max(table["config.epochs"].max() for table in tables))


def _diverged(weights: NDArray[Any]) -> list[bool]:
    """Which rows [rows] have a weight that is not finite."""
    size = max(1, _BLOCK // weights.shape[1])
    blocks = (_float32(weights[start : start + size]) for start in range(0, len(weights), size))
    return [not np.isfinite(row).all() for block in blocks for row in block]


def _float32(weights: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return weights.astype(np.float32)


def _labels(
    folder: Path, table: pd.DataFrame, form: RowForm, diverged: Sequence[bool], *, epochs: bool
) -> list[Labels]:
    run = str(_run_column(table))
    columns = columns_of(map(str, table.columns))
    unscaled = {name: column for name, column in columns.items() if not name.endswith("init_std")}
    name = folder.resolve().name
    labels = []
    for row, lost in zip(rows_of(table), diverged, strict=True):
        scheme = str(row.get("config.w_init", "")).lower().replace("_", "")
        known = {
            "id": f"{row[run]}-{row['step']}",
            "run": row.pop(run),
            "family": form.family or clean_name(name),
            "arch": form.layout.arch,
            "diverged": lost,
            "parameters": form.layout.parameters,
        }
        label = label_row(row, columns if scheme in _SCALED else unscaled, known)
        label["data"] = label["data"] or name
        if epochs:
            label["epoch"] = float(label["step"])
        if form.family is not None:
            label["architecture"] = label["architecture"] or architecture_of(label["activation"])
        labels.append(label)
    return labels
