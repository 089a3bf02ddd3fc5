"""What practitioners rank networks by today: power laws fitted to spectra, by the package ``weightwatcher``."""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from hf_sne.models.baselines.tensor_statistics import Features, Layer, Network
from hf_sne.optional import require


def power_laws(networks: Sequence[Network]) -> Features:
    """WeightWatcher's alpha and weighted alpha, means over the layers it can fit, [n, 2] (Martin et al. 2021).

    It reads linear layers and convolutions in two dimensions of at least 8 eigenvalues; 0 where a network has none.

    Raises:
        MissingPackageError: ``weightwatcher`` is not installed.
    """
    require("weightwatcher", "WeightWatcher's metrics", "bench")
    return np.stack([_of(network) for network in networks])


def _of(network: Network) -> Features:
    model = nn.Sequential(*(module for layer in network if (module := _module(layer)) is not None))
    # It prints and warns of every layer it cannot fit.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import weightwatcher

        watcher = weightwatcher.WeightWatcher(model=model, log_level=logging.ERROR)
        details = watcher.analyze()
    if "alpha" not in details:
        return np.zeros(2)
    fitted = details[np.isfinite(details["alpha"]) & (details["alpha"] > 0)]
    means: Features = np.nan_to_num([fitted["alpha"].mean(), fitted["alpha_weighted"].mean()])
    return means


def _module(layer: Layer) -> nn.Module | None:
    """A torch module with the layer's weight, which is what the package takes; None of what it does not read."""
    weight = layer.weight
    if weight is None or layer.role not in ("linear", "conv") or weight.ndim not in (2, 4):
        return None
    module: nn.Linear | nn.Conv2d
    with torch.device("meta"):
        if weight.ndim == 2:
            module = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        else:
            height, width = weight.shape[2:]
            module = nn.Conv2d(weight.shape[1], weight.shape[0], (height, width), bias=False)
    module.weight = nn.Parameter(weight.detach().float(), requires_grad=False)
    return module
