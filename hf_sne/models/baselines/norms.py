"""What ranks networks without any training: the mean log norm of their weights."""

from collections.abc import Sequence

import numpy as np

from hf_sne.models.baselines.tensor_statistics import Features, Network, all_parts


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
