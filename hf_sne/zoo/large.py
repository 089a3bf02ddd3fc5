"""Networks too large for a table's row: safetensors shards beside the tables, tensor by tensor."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from huggingface_hub import hf_hub_download
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hf_sne.errors import UserError
from hf_sne.zoo.atomic import atomic_file
from hf_sne.zoo.manifest import FileRecord
from hf_sne.zoo.schema import DAMAGED, Layout, Rows

# Above so many elements a row group of a few rows would not fit a reader's memory budget.
LARGE_PARAMETERS = 2**22
_SHARD_BYTES = 2**30
_SHARD = re.compile(r"weights/[\w./-]+\.safetensors")


def write_large(
    folder: Path, table: str, rows: Rows, indices: Sequence[int], files: dict[str, FileRecord]
) -> dict[int, str]:
    """Write the networks of one table; row -> the shard that holds its tensors as ``{id}/{tensor name}``."""
    stem = str(PurePosixPath("weights", *PurePosixPath(table).parts[1:]).with_suffix(""))
    beside: dict[int, str] = {}
    pending: list[int] = []
    size = 0
    for row in indices:
        pending.append(row)
        size += rows.bytes_of(row)
        if size >= _SHARD_BYTES or row == indices[-1]:
            name = f"{stem}-{len(set(beside.values())):05d}.safetensors"
            _write_shard(folder / name, rows, pending)
            files[name] = FileRecord.of(folder / name)
            beside |= dict.fromkeys(pending, name)
            pending, size = [], 0
    return beside


def _write_shard(path: Path, rows: Rows, members: Sequence[int]) -> None:
    tensors: dict[str, Tensor] = {}
    for row in members:
        label = rows.labels[row]
        network = rows.layouts[label["arch"]].unflatten(torch.from_numpy(rows.vector(row)))
        tensors |= {f"{label['id']}/{name}": value for name, value in network.items()}
    with atomic_file(path) as part:
        save_file(tensors, part)


def open_large(source: str, revision: str | None, name: str, network: str, layout: Layout) -> Tensor:
    """Weights [elements] of one network in a shard of a local zoo folder or of one on the Hub."""
    if not _SHARD.fullmatch(name) or ".." in PurePosixPath(name).parts:
        raise UserError(f"{source}: weights in {name!r}, allowed are safetensors files below weights/", fix=DAMAGED)
    path = Path(source) / name
    if not Path(source).is_dir():
        path = Path(hf_hub_download(source, name, repo_type="dataset", revision=revision))
    try:
        with safe_open(path, framework="pt") as file:
            found = [file.get_tensor(f"{network}/{place.name}").float() for place in layout.tensors]
    except (SafetensorError, OSError) as error:
        raise UserError(f"{source}: {name}: {error}", fix=DAMAGED) from error
    for tensor, place in zip(found, layout.tensors, strict=True):
        if tuple(tensor.shape) != place.shape:
            shapes = f"{tuple(tensor.shape)}, its layout says {place.shape}"
            raise UserError(f"{source}: {name}: {network}/{place.name} has the shape {shapes}", fix=DAMAGED)
    return torch.cat([tensor.flatten() for tensor in found])
