"""Seven statistics of every weight and bias of many networks, taken of all tensors of one size at once."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hf_sne.errors import UserError

Features: TypeAlias = NDArray[np.float64]

PERCENTILES = (0, 25, 50, 75, 100)
STATISTICS = 2 + len(PERCENTILES)
# Bounds the working memory to a few hundred MB, whatever the number of networks.
NUMBERS_AT_ONCE = 2**24


class OtherArchitectureError(UserError):
    """A network is of an architecture that a baseline cannot read, or not the one that it was fitted on."""


class Layer(Protocol):
    """What the statistics are taken of; ``role`` is "norm" for a normalisation layer."""

    @property
    def role(self) -> str:
        """What the layer does: linear, conv, norm, ..."""

    @property
    def weight(self) -> Tensor | None:
        """The weights, of any shape."""

    @property
    def bias(self) -> Tensor | None:
        """The biases, of any shape."""


Network: TypeAlias = Sequence[Layer]


class Part(NamedTuple):
    """One tensor of one network: ``name`` is weight or bias, ``role`` that of its layer."""

    network: int
    layer: int
    role: str
    name: str
    tensor: Tensor

    def __str__(self) -> str:
        return f"the {self.name} of layer {self.layer} of network {self.network}"


def all_parts(networks: Sequence[Network]) -> list[Part]:
    """All tensors by network and layer, weight before bias.

    Raises ``UserError`` when there is no network, a network without a tensor, or an empty tensor.
    """
    if not networks:
        raise UserError("there are 0 networks to take statistics of", fix="pass at least 1")
    parts = [
        Part(index, position, layer.role, name, tensor)
        for index, network in enumerate(networks)
        for position, layer in enumerate(network)
        for name, tensor in (("weight", layer.weight), ("bias", layer.bias))
        if tensor is not None
    ]
    for part in parts:
        if not part.tensor.numel():
            raise UserError(f"{part} has 0 elements, at least 1 is needed", fix="leave the layer out")
    bare = set(range(len(networks))) - {part.network for part in parts}
    if bare:
        raise UserError(f"network {min(bare)} has 0 tensors, at least 1 is needed", fix="leave the network out")
    return parts


def tensor_statistics(parts: Sequence[Part]) -> Features:
    """Mean, variance, and percentiles 0, 25, 50, 75, 100 of each part, [parts, 7].

    Raises ``UserError`` on a NaN, an infinity, and a number too large for float32.
    """
    statistics = np.empty((len(parts), STATISTICS))
    by_size = defaultdict(list)
    for index, part in enumerate(parts):
        by_size[part.tensor.numel()].append(index)
    for size, indices in by_size.items():
        step = max(1, NUMBERS_AT_ONCE // size)
        for start in range(0, len(indices), step):
            rows = indices[start : start + step]
            statistics[rows] = _row_statistics(np.stack([_flat(parts[row].tensor) for row in rows]))
    broken = np.flatnonzero(~np.isfinite(statistics).all(axis=1))
    if len(broken):
        raise UserError(
            f"{parts[broken[0]]} holds a NaN, an infinity or a number beyond float32",
            fix="leave the network out and count it as failed",
        )
    return statistics


def _row_statistics(values: NDArray[np.float32]) -> Features:
    """[rows, numbers] -> [rows, 7]; a NaN or an infinity shows in the result."""
    with np.errstate(invalid="ignore"):
        moments = [values.mean(axis=1, dtype=np.float64), values.var(axis=1, dtype=np.float64)]
        return np.stack([*moments, *np.percentile(values, PERCENTILES, axis=1)], axis=1)


def _flat(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().float().flatten().numpy()
