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
    """Predictions of networks that a model was not trained on: scores [n], embeddings [n, h], targets [n], zoos [n]."""

    scores: Floats
    embeddings: Floats
    targets: Floats
    zoos: list[str]

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
    zoos: list[str]

    def quantile(self, level: float, near: bool) -> float:
        """Conformal half-width over the near or the far networks, zoos weighing the same; 1 where there is none."""
        chosen = self.near == near
        if not chosen.any():
            return 1.0
        return conformal_quantile(self.residuals[chosen], level, equal_weights(np.array(self.zoos)[chosen]))

    @classmethod
    def joined(cls, parts: Sequence["Outside"]) -> "Outside":
        """Those of several groups together."""
        residuals = np.concatenate([np.zeros(0), *(part.residuals for part in parts)])
        near = np.concatenate([np.zeros(0, dtype=bool), *(part.near for part in parts)])
        return cls(residuals, near, [zoo for part in parts for zoo in part.zoos])


def equal_weights(zoos: Sequence[str] | NDArray[np.str_]) -> Floats:
    """Weights [n] under which every zoo counts the same, of mean 1: a zoo of many easy networks must not decide."""
    _, place, counts = np.unique(np.asarray(zoos), return_inverse=True, return_counts=True)
    return np.asarray(len(place) / len(counts) / counts[place], dtype=np.float64)


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
    familiar = conformal_quantile(held_out.residuals, level, equal_weights(held_out.zoos))
    if outside.near.any():
        familiar = max(familiar, outside.quantile(level, near=True))
    calibration.radius.copy_(torch.tensor([familiar, max(familiar, outside.quantile(level, near=False))]))
    calibrated.eval()
    return calibrated


def _whitening(embeddings: Floats) -> tuple[Tensor, Tensor]:
    """Mean [h] and inverse square root of the covariance [h, h], shrunk (Ledoit and Wolf 2004)."""
    estimate = LedoitWolf().fit(embeddings.astype(np.float64))
    values, vectors = np.linalg.eigh(estimate.covariance_)
    root = vectors @ np.diag(np.maximum(values, 1e-12) ** -0.5) @ vectors.T
    return torch.as_tensor(estimate.location_).float(), torch.as_tensor(root).float()
