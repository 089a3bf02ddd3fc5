"""The published form of a zoo: one row a checkpoint, its weights one vector, and layouts that say what lies where."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from hf_sne.errors import UserError
from hf_sne.weights import open_checkpoint

WEIGHTS = "weights"
FILE = "file"
BUFFER = "buffer"
BIAS = "bias"

# Hyper-parameters that every run has; an adapter leaves empty what its zoo does not tell.
HYPERPARAMETERS: dict[str, pa.DataType] = {
    "seed": pa.int64(),
    "activation": pa.string(),
    "initialization": pa.string(),
    "init_scale": pa.float32(),
    "optimizer": pa.string(),
    "learning_rate": pa.float32(),
    "weight_decay": pa.float32(),
    "dropout": pa.float32(),
    "batch_size": pa.int32(),
    "epochs": pa.float32(),
    "train_fraction": pa.float32(),
    "inputs": pa.string(),
    "augmentation": pa.string(),
    "label_noise": pa.float32(),
}
LABELS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "run": pa.string(),
    "family": pa.string(),
    "arch": pa.string(),
    "data": pa.string(),
    "step": pa.int64(),
    "epoch": pa.float32(),
    "damage": pa.string(),
    "diverged": pa.bool_(),
    "parameters": pa.int64(),
    "train_loss": pa.float32(),
    "train_accuracy": pa.float32(),
    "test_loss": pa.float32(),
    "test_accuracy": pa.float32(),
    "generalization_gap": pa.float32(),
    **HYPERPARAMETERS,
    "architecture": pa.string(),
    "extra": pa.string(),
}
# A plain list: as fast to read as fixed-size forms (recipes/benchmark/results/zoo-formats.json), one type for networks
# of every size, and safe in every format of `datasets`, which cuts trailing zero bytes off binary values.
ROWS = pa.schema([*LABELS.items(), (FILE, pa.string()), (WEIGHTS, pa.list_(pa.float32()))])
LAYOUTS = pa.schema(
    [
        ("arch", pa.string()),
        ("index", pa.int32()),
        ("name", pa.string()),
        ("shape", pa.list_(pa.int64())),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("role", pa.string()),
    ]
)


# What to do about a zoo that somebody else broke.
DAMAGED = "the zoo is damaged: ask its owner, or make it anew"


class LayoutError(UserError):
    """A zoo's table of layouts, or a row, does not fit together."""


Labels = dict[str, Any]
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class TensorPlace:
    """Where a tensor lies in a row's weights; ``role`` is its layer's, ``bias``, or ``buffer`` if it is not learned."""

    name: str
    shape: tuple[int, ...]
    offset: int
    role: str

    @property
    def length(self) -> int:
        """Elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """The tensors of all networks of one ``arch``, in the order of their state dict."""

    arch: str
    tensors: tuple[TensorPlace, ...]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "Layout":
        """The layout of a state dict (its floating-point tensors)."""
        named = {name: value for name, value in tensors.items() if value.is_floating_point()}
        shapes = [(name, list(value.shape)) for name, value in named.items()]
        roles = _roles({name: torch.empty(value.shape, device="cpu") for name, value in named.items()})
        places, offset = [], 0
        for name, shape in shapes:
            places.append(TensorPlace(name, tuple(shape), offset, roles.get(name, BUFFER)))
            offset += prod(shape)
        return cls(sha256(json.dumps(shapes).encode()).hexdigest()[:16], tuple(places))

    @property
    def length(self) -> int:
        """Elements of a row's weights, buffers included."""
        return sum(place.length for place in self.tensors)

    @property
    def parameters(self) -> int:
        """Learned elements."""
        return sum(place.length for place in self.tensors if place.role != BUFFER)

    @property
    def buffers(self) -> tuple[str, ...]:
        """Names of the tensors that are not learned, such as running means."""
        return tuple(place.name for place in self.tensors if place.role == BUFFER)

    def flatten(self, tensors: Mapping[str, Tensor]) -> Vector:
        """A row's weights [length] of a state dict with this layout."""
        parts = [tensors[place.name].detach().cpu().float().flatten() for place in self.tensors]
        vector: Vector = torch.cat(parts).numpy()
        return vector

    def unflatten(self, vector: Tensor) -> dict[str, Tensor]:
        """The state dict, views of a row's weights [length]."""
        return {p.name: vector[p.offset : p.offset + p.length].view(p.shape) for p in self.tensors}

    def as_rows(self) -> list[dict[str, Any]]:
        """The rows of the layouts table."""
        return [
            {
                "arch": self.arch,
                "index": index,
                "name": place.name,
                "shape": list(place.shape),
                "offset": place.offset,
                "length": place.length,
                "role": place.role,
            }
            for index, place in enumerate(self.tensors)
        ]


def layouts_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Layout]:
    """``arch`` -> layout, of the rows of a layouts table.

    Raises:
        LayoutError: tensors that overlap, leave gaps, share a name or have no size: the table is not to be trusted.
    """
    places: dict[str, list[TensorPlace]] = {}
    for row in sorted(rows, key=lambda row: int(row["index"])):
        place = TensorPlace(str(row["name"]), tuple(map(int, row["shape"])), int(row["offset"]), str(row["role"]))
        before = places.setdefault(str(row["arch"]), [])
        end = before[-1].offset + before[-1].length if before else 0
        fault = _fault(place, {other.name for other in before}, end)
        if fault:
            raise LayoutError(f"layout {row['arch']}: {place.name} {fault}", fix=DAMAGED)
        before.append(place)
    return {arch: Layout(arch, tuple(found)) for arch, found in places.items()}


def _fault(place: TensorPlace, names: set[str], end: int) -> str:
    if place.name in names:
        return "is there twice"
    if any(size < 0 for size in place.shape):
        return f"has the shape {place.shape}"
    return f"begins at {place.offset}, the tensor before it ends at {end}" if place.offset != end else ""


@dataclass(frozen=True)
class Rows:
    """Checkpoints to be written, by number: ``labels[i]`` (columns of :data:`LABELS`) and the weights ``vector(i)``."""

    labels: Sequence[Labels]
    vector: Callable[[int], Vector]
    layouts: Mapping[str, Layout]

    def bytes_of(self, row: int) -> int:
        """What the weights of a row take."""
        return 4 * self.layouts[self.labels[row]["arch"]].length


def _roles(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    roles: dict[str, str] = {}
    for layer in open_checkpoint(dict(tensors)).layers:
        if layer.weight is not None:
            roles[layer.weight.name] = layer.role
        if layer.bias is not None:
            roles[layer.bias.name] = BIAS
    return roles
