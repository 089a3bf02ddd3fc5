"""Read a zoo of any known form into labelled networks."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hf_sne.errors import UserError
from hf_sne.weights import open_checkpoint
from hf_sne.zoo.adapters import read_rows
from hf_sne.zoo.entries import ACCURACY, Target, ZooEntry
from hf_sne.zoo.manifest import MANIFEST
from hf_sne.zoo.schema import Layout
from hf_sne.zoo.stream import ZooStream, splits_of


def read_zoo(source: str | Path, name: str = "", target: Target = ACCURACY) -> list[ZooEntry]:
    """All networks of a zoo with finite weights and a target between 0 and 1.

    Args:
        source: A zoo folder of this package, its Hub id (streamed), or a folder in a layout that
            :mod:`hf_sne.zoo.adapters` knows.
        name: Of the zoo in its entries; the folder's by default.
        target: What the entries tell to predict.
    """
    entries = [_entry(name or Path(source).name, target, *network) for network in read_networks(source)]
    kept = [entry for entry in entries if 0.0 <= entry.target <= 1.0 and _is_finite(entry)]
    if entries and not kept and target != ACCURACY:
        raise UserError(
            f"{source}: none of {len(entries)} networks has a {target.column} between {target.low} and {target.high}",
            fix="name a column of the zoo, and bounds that its values keep",
        )
    return kept


def test_networks(source: str | Path) -> list[ZooEntry]:
    """Those of :func:`read_zoo` that the zoo keeps for testing, on which no training of this package trains.

    Raises:
        UserError: there are none.
    """
    found = [entry for entry in read_zoo(source) if entry.labels.get("split") == "test"]
    if not found:
        raise UserError(f"{source}: no network is in a test split", fix="name a zoo that hf-sne zoo made")
    return found


def read_zoos(names: Iterable[str], root: Path, target: Target = ACCURACY) -> list[ZooEntry]:
    """:func:`read_zoo` of each name, a folder below ``root`` where there is one, else a Hub id."""
    return [entry for name in names for entry in read_zoo(name if on_hub(name, root) else root / name, name, target)]


def on_hub(name: str, root: Path) -> bool:
    """Whether a zoo of that name is looked for on the Hub: there is no such folder below ``root``."""
    return not (root / name).exists()


def read_networks(source: str | Path) -> Iterator[tuple[dict[str, Any], dict[str, Tensor], Layout]]:
    """Labels, state dict and layout of every row of a zoo that :func:`read_zoo` reads, all splits, one after another.

    The labels of a published zoo say in ``split`` which of its splits the row is in.
    """
    source, folder = str(source), Path(source)
    if folder.is_dir() and not (folder / MANIFEST).exists():
        rows = read_rows(folder)
        for place, labels in enumerate(rows.labels):
            layout = rows.layouts[labels["arch"]]
            yield labels, layout.unflatten(torch.from_numpy(rows.vector(place).copy())), layout
        return
    if not folder.is_dir() and source.count("/") != 1:
        raise UserError(
            f"{folder.absolute()}: no such zoo folder",
            fix="name a folder that holds a zoo, or a Hub id; recipes look below --zoos",
        )
    for split in splits_of(source):
        stream = ZooStream(source, split=split)
        for batch in stream:
            for labels, tensors in batch.networks():
                labels["split"] = split
                yield labels, tensors, stream.layouts[labels["arch"]]


def _entry(zoo: str, target: Target, labels: dict[str, Any], tensors: dict[str, Tensor], layout: Layout) -> ZooEntry:
    known = _known(labels)
    return ZooEntry(
        id=str(labels["id"]),
        run=str(labels["run"]),
        zoo=zoo,
        layers=open_checkpoint(tensors).layers,
        target=target.of(known),
        buffers=layout.buffers,
        labels=known,
    )


def _known(labels: dict[str, Any]) -> dict[str, Any]:
    """The labels beside what the source told beyond them, which may not pass for one of ours."""
    extra = {name: value for name, value in json.loads(labels.get("extra") or "{}").items() if name != "split"}
    return {**extra, **labels}


def _is_finite(entry: ZooEntry) -> bool:
    return all(bool(tensor.read().isfinite().all()) for layer in entry.layers for tensor in layer.tensors)
