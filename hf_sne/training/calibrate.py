"""Fit what stands beside a score: intervals and the distance percentile, on runs that training never saw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from torch import Tensor

from hf_sne.evaluation.conformal import conformal_quantile
from hf_sne.models.sne import SneConfig, SneForPerformancePrediction

Floats = NDArray[np.floating]

MAX_REFERENCES = 1024


@dataclass(frozen=True)
class HeldOut:
    """Predictions of networks that a model was not trained on: scores [n], embeddings [n, h], targets [n]."""

    scores: Floats
    embeddings: Floats
    targets: Floats

    @property
    def residuals(self) -> Floats:
        """Absolute errors, [n]."""
        return np.abs(self.scores - self.targets)


@dataclass(frozen=True)
class Outside:
    """Absolute errors [n] on whole zoos by models trained without them, and which of the networks looked familiar.

    ``near`` [n]: the distance percentile called them in distribution all the same.
    """

    residuals: Floats
    near: NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence["Outside"]) -> "Outside":
        """Those of several groups together."""
        residuals = np.concatenate([np.zeros(0), *(part.residuals for part in parts)])
        return cls(residuals, np.concatenate([np.zeros(0, dtype=bool), *(part.near for part in parts)]))


def calibrate(
    model: SneForPerformancePrediction, train_embeddings: Floats, held_out: HeldOut, outside: Outside, seed: int
) -> SneForPerformancePrediction:
    """A copy of the model with its calibration fitted.

    Args:
        model: A trained model.
        train_embeddings: Embeddings of its training networks, [n, h].
        held_out: Its predictions on calibration runs of the training zoos.
        outside: Errors on zoos of other data by models of the same recipe; empty where no group was left out: the
            interval out of distribution is then [0, 1].
        seed: Of the choice of reference embeddings.
    """
    chosen = np.random.default_rng(seed).permutation(len(train_embeddings))[:MAX_REFERENCES]
    fields = {**model.config.to_dict(), "num_references": len(chosen)}
    calibrated = SneForPerformancePrediction(SneConfig(**fields))
    calibrated.load_state_dict(
        {name: value for name, value in model.state_dict().items() if not name.startswith("calibration.")},
        strict=False,
    )
    calibration, level = calibrated.calibration, model.config.interval_level
    center, whitening = _whitening(train_embeddings)
    calibration.center.copy_(center)
    calibration.whitening.copy_(whitening)
    calibration.references.copy_(calibration.whiten(torch.as_tensor(train_embeddings[chosen])))
    distances = calibration.distance(torch.as_tensor(held_out.embeddings))
    calibration.distances.copy_(distances.quantile(torch.linspace(0, 1, 101)))
    # A user's network is seldom trained on the zoo's own data, which its weights do not tell: the interval must hold
    # for networks that only look like the zoo's, so the worse of the two groups decides.
    familiar = [conformal_quantile(held_out.residuals, level)]
    familiar += [conformal_quantile(outside.residuals[outside.near], level)] if outside.near.any() else []
    strange = conformal_quantile(outside.residuals[~outside.near], level) if (~outside.near).any() else 1.0
    calibration.radius.copy_(torch.tensor([max(familiar), max(*familiar, strange)]))
    calibrated.eval()
    return calibrated


def _whitening(embeddings: Floats) -> tuple[Tensor, Tensor]:
    """Mean [h] and inverse square root of the covariance [h, h], shrunk (Ledoit and Wolf 2004)."""
    estimate = LedoitWolf().fit(embeddings.astype(np.float64))
    values, vectors = np.linalg.eigh(estimate.covariance_)
    root = vectors @ np.diag(np.maximum(values, 1e-12) ** -0.5) @ vectors.T
    return torch.as_tensor(estimate.location_).float(), torch.as_tensor(root).float()
