"""A folder of safetensors files with one CSV table of labels.

Columns ``id`` (the file's name without its ending) and ``test_accuracy``; others as the zoo's columns are called, with
or without ``config.`` before the name of a hyper-parameter.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torch import Tensor

from hf_sne.errors import UserError
from hf_sne.limits import Limits
from hf_sne.weights.files import read_files
from hf_sne.zoo.adapters.labels import clean_name, columns_of, label_row, read_table, rows_of
from hf_sne.zoo.adapters.networks import layout_of, read_state
from hf_sne.zoo.schema import Labels, Layout, Rows, Vector

_SUFFIX = ".safetensors"


def is_labelled_folder(folder: Path) -> bool:
    """Whether a folder has this layout."""
    return any(folder.glob("*.csv")) and any(folder.glob(f"*{_SUFFIX}"))


def read_labelled_folder(folder: Path) -> Rows:
    """The files that the table names, each read again when its weights are asked for.

    Raises:
        UserError: there is not exactly one table, it lacks a column, or a file is missing or damaged.
    """
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        raise UserError(
            f"{folder}: {len(tables)} CSV tables, allowed is exactly one of labels",
            fix="keep the table whose column id names the safetensors files",
        )
    table = read_table(tables[0], ["id", "test_accuracy"])
    columns = columns_of(map(str, table.columns))
    layouts: dict[str, Layout] = {}
    labels = []
    for row in rows_of(table):
        tensors = _read(folder, tables[0], row.get("id"))
        layout = layout_of({name: tensor.shape for name, tensor in tensors.items()})
        layouts[layout.arch] = layout
        labels.append(_label(folder, row, columns, layout, tensors))

    def vector(index: int) -> Vector:
        label = labels[index]
        return layouts[label["arch"]].flatten(_read(folder, tables[0], label["id"]))

    return Rows(labels, vector, layouts)


def _read(folder: Path, table: Path, name: str | None) -> dict[str, Tensor]:
    # A table from elsewhere names files of its own folder only.
    if name is None or name != Path(name).name or not name.isprintable():
        raise UserError(f"{table}: a row has the id {name!r}", fix=f"name a file of the folder, without {_SUFFIX}")
    with ExitStack() as stack:
        contents = read_files(folder, f"{name}{_SUFFIX}", folder, stack, allow_pickle=False, limits=Limits())
        return read_state(contents.tensors, f"{folder / name}{_SUFFIX}")


def _label(
    folder: Path, row: dict[str, Any], columns: dict[str, str], layout: Layout, tensors: dict[str, Tensor]
) -> Labels:
    name = folder.resolve().name
    label = label_row(row, columns, {"arch": layout.arch, "parameters": layout.parameters})
    label["run"] = label["run"] or label["id"]
    label["family"] = clean_name(label["family"] or name)
    label["data"] = label["data"] or name
    if label["diverged"] is None:
        label["diverged"] = not all(bool(tensor.isfinite().all()) for tensor in tensors.values())
    return label
