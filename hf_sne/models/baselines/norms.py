"""What ranks networks without any training: the mean log norm of their weights."""

from collections.abc import Sequence

import numpy as np

from hf_sne.models.baselines.tensor_statistics import Features, Network, all_parts


def mean_log_norms(networks: Sequence[Network]) -> Features:
    """Mean over the weight matrices of the log10 of their Frobenius norm, [n, 1]; 0 where a network has none.

    Vectors, biases and matrices that are zero are left out.

    The norm metric of Martin, Peng and Mahoney, "Predicting trends in the quality of state-of-the-art neural networks
    without access to training or testing data" (2021). Raises ``UserError`` on a network without a tensor.
    """
    parts = [part for part in all_parts(networks) if part.name == "weight" and part.tensor.ndim > 1]
    norms = np.array([float(part.tensor.float().norm()) for part in parts])
    owners = np.array([part.network for part in parts], dtype=int)[norms > 0]
    counts = np.bincount(owners, minlength=len(networks)).clip(min=1)
    sums = np.bincount(owners, weights=np.log10(norms[norms > 0]), minlength=len(networks))
    means: Features = (sums / counts)[:, None]
    return means
