"""What ranks networks without any training: the mean log norm of their weights."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from hf_sne.models.baselines.tensor_statistics import Features, Network, all_parts
from hf_sne.models.sne.planning import ROLES
from hf_sne.models.sne.standards import log_norms


def mean_log_norms(networks: Sequence[Network]) -> Features:
    """Mean over the weight matrices of the log10 of their Frobenius norm, [n, 1]; vectors and biases are left out.

    The norm metric of Martin, Peng and Mahoney, "Predicting trends in the quality of state-of-the-art neural networks
    without access to training or testing data" (2021). Raises ``UserError`` on a network without a tensor.
    """
    parts = [part for part in all_parts(networks) if part.name == "weight" and part.tensor.ndim > 1]
    logs = [np.log10(max(float(part.tensor.float().norm()), 1e-12)) for part in parts]
    owners = [part.network for part in parts]
    counts = np.bincount(owners, minlength=len(networks)).clip(min=1)
    means: Features = (np.bincount(owners, weights=logs, minlength=len(networks)) / counts)[:, None]
    return means


def mean_log_norm_of(structure: Mapping[str, Tensor]) -> float | None:
    """The same of one network that :class:`~hf_sne.models.sne.SneProcessor` has measured; None without a weight.

    Normalisation layers are left out; of a part of a network it is an estimate for the whole.
    """
    roles = structure["layer_roles"].repeat_interleave(structure["tensors_per_layer"])
    chosen = ~structure["tensor_is_bias"] & (roles != ROLES.index("norm"))
    return float(log_norms(structure["tensor_features"][chosen]).mean()) if chosen.any() else None
