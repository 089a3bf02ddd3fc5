"""Read a zoo folder of any known layout into labelled networks."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from hf_sne.errors import UserError
from hf_sne.weights import open_checkpoint
from hf_sne.zoo.adapters.small_cnn_zoo import is_small_cnn_zoo, read_small_cnn_zoo
from hf_sne.zoo.entries import ZooEntry


def read_zoo(folder: str | Path) -> list[ZooEntry]:
    """All networks of a zoo with a finite accuracy and finite weights.

    Two layouts: rows of weights (:mod:`hf_sne.zoo.adapters.small_cnn_zoo`), and a folder of safetensors files with one
    CSV table of labels (columns ``id``, the file's name without its ending, and ``test_accuracy``; optional ``run``).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such zoo folder", fix="name a folder that holds a zoo")
    entries = read_small_cnn_zoo(folder) if is_small_cnn_zoo(folder) else _read_labelled_folder(folder)
    return [entry for entry in entries if 0.0 <= entry.test_accuracy <= 1.0 and _is_finite(entry)]


def _is_finite(entry: ZooEntry) -> bool:
    tensors = (tensor for layer in entry.layers for tensor in (layer.weight, layer.bias) if tensor is not None)
    return all(bool(tensor.read().isfinite().all()) for tensor in tensors)


def _read_labelled_folder(folder: Path) -> Iterator[ZooEntry]:
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        raise UserError(
            f"{folder}: {len(tables)} CSV tables, expected layout.csv (rows of weights) or exactly one table of labels",
            fix="see hf_sne.zoo.read for the layouts that are read",
        )
    for labels in pd.read_csv(tables[0], dtype={"id": str, "run": str}).to_dict("records"):
        name = str(labels["id"])
        with open_checkpoint(folder / f"{name}.safetensors") as checkpoint:
            tensors = {
                tensor.name: tensor.read()
                for layer in checkpoint.layers
                for tensor in (layer.weight, layer.bias)
                if tensor is not None
            }
            buffers = tuple(skipped.name for skipped in checkpoint.skipped if not skipped.learned)
        yield ZooEntry(
            id=name,
            run=str(labels.get("run", name)),
            zoo=folder.name,
            layers=open_checkpoint(tensors).layers,
            test_accuracy=float(labels["test_accuracy"]),
            buffers=buffers,
            labels={str(key): value for key, value in labels.items()},
        )
