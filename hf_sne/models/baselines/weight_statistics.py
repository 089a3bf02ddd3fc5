"""StatNN: seven statistics of each tensor, the features that an encoder of weights must beat.

Unterthiner et al., "Predicting Neural Network Accuracy from Weights" (2020), which knows one architecture only; the
pooled features here take networks of any architecture.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hf_sne.models.baselines.tensor_statistics import (
    STATISTICS,
    Features,
    Network,
    OtherArchitectureError,
    all_parts,
    tensor_statistics,
)

Layout: TypeAlias = list[tuple[str, tuple[int, ...] | None, tuple[int, ...] | None]]


def fixed_layout_features(networks: Sequence[Network]) -> Features:
    """Statistics of every tensor in order, [n, 7 * tensors]: mean, variance, percentiles 0, 25, 50, 75, 100.

    Raises ``OtherArchitectureError`` when two networks differ in the roles or shapes of their layers, and ``UserError``
    on an empty tensor, a NaN or an infinity.
    """
    parts = all_parts(networks)
    check_one_architecture(networks)
    return tensor_statistics(parts).reshape(len(networks), -1)


def check_one_architecture(networks: Sequence[Network]) -> None:
    """Raise ``OtherArchitectureError`` when two networks differ in the roles or shapes of their layers."""
    expected = _layout(networks[0])
    for index, network in enumerate(networks):
        if _layout(network) != expected:
            raise OtherArchitectureError(
                f"network {index} has the layout {_layout(network)}, network 0 has {expected}",
                fix="use pooled_features for networks of different architectures",
            )


def pooled_features(networks: Sequence[Network]) -> Features:
    """Features [n, 142] of networks of any architecture.

    The seven statistics of each tensor are pooled over the layers to their mean, minimum, maximum, first and last;
    apart for weights, biases, normalisation scales and normalisation shifts, 0 where a network has none. The last two
    are those of ``size_only_features``. Raises ``UserError`` on an empty tensor, a NaN or an infinity.
    """
    parts = all_parts(networks)
    statistics = tensor_statistics(parts)
    owners = np.array([part.network for part in parts])
    pooled = []
    for is_norm in (False, True):
        for name in ("weight", "bias"):
            chosen = np.array([(part.role == "norm") == is_norm and part.name == name for part in parts])
            pooled.append(_pool(statistics[chosen], owners[chosen], len(networks)))
    return np.concatenate([*pooled, size_only_features(networks)], axis=1)


def size_only_features(networks: Sequence[Network]) -> Features:
    """Log of the number of parameters, and depth (normalisation layers left out), [n, 2]: what size alone tells."""
    parts = all_parts(networks)
    sizes = np.bincount([part.network for part in parts], weights=[part.tensor.numel() for part in parts])
    layers = [part.network for part in parts if part.role != "norm" and part.name == "weight"]
    return np.stack([np.log(sizes), np.bincount(np.array(layers, dtype=int), minlength=len(networks))], axis=1)


def _pool(statistics: Features, owners: NDArray[np.int64], networks: int) -> Features:
    """[tensors, 7], sorted by owner -> [networks, 35]; 0 for the networks that own none of the tensors."""
    pooled = np.zeros((networks, 5, STATISTICS))
    present, starts, counts = np.unique(owners, return_index=True, return_counts=True)
    if len(present):
        mean = np.add.reduceat(statistics, starts) / counts[:, None]
        low, high = np.minimum.reduceat(statistics, starts), np.maximum.reduceat(statistics, starts)
        first, last = statistics[starts], statistics[starts + counts - 1]
        pooled[present] = np.stack([mean, low, high, first, last], axis=1)
    return pooled.reshape(networks, -1)


def _layout(network: Network) -> Layout:
    return [(layer.role, _shape(layer.weight), _shape(layer.bias)) for layer in network]


def _shape(tensor: Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)
