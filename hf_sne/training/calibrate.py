"""Fit what stands beside a score: intervals and the distance percentile, on runs that training never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hf_sne.evaluation.conformal import conformal_quantile
from hf_sne.models.sne import SneConfig, SneForPerformancePrediction
from hf_sne.models.sne.calibration_sne import EVERYTHING

Floats = NDArray[np.floating]

MAX_REFERENCES = 1024


@dataclass(frozen=True)
class Predicted:
    """A model's predictions of n networks: scores [n], embeddings [n, h], measured accuracies [n], zoos, ids."""

    scores: Floats
    embeddings: Floats
    targets: Floats
    zoos: list[str]
    ids: list[str]

    @property
    def errors(self) -> Floats:
        """Absolute errors, [n]."""
        return np.abs(self.scores - self.targets)

    def ratios(self, model: SneForPerformancePrediction) -> Floats:
        """Errors over those that the calibrated model expects, [n]."""
        with torch.no_grad():
            expected = model.calibration.expected_error(torch.as_tensor(self.embeddings)).double().numpy()
        ratios: Floats = np.minimum(self.errors / expected, EVERYTHING)
        return ratios

    def radius(self, model: SneForPerformancePrediction, level: float) -> float:
        """What the ratios stay below with that chance, zoos weighing the same; EVERYTHING where they are too few."""
        return conformal_quantile(self.ratios(model), level, equal_weights(self.zoos), too_few=EVERYTHING)


def equal_weights(zoos: Sequence[str]) -> Floats:
    """Weights [n] under which every zoo counts the same, of mean 1: a zoo of many easy networks must not decide."""
    _, place, counts = np.unique(np.asarray(zoos), return_inverse=True, return_counts=True)
    return np.asarray(len(place) / len(counts) / counts[place], dtype=np.float64)


def calibrate(
    model: SneForPerformancePrediction, trained_on: Predicted, held_out: Predicted, seed: int
) -> SneForPerformancePrediction:
    """A copy of the model with its calibration fitted; of networks of other data sets it claims nothing yet.

    Args:
        model: A trained model.
        trained_on: Its predictions on its training networks.
        held_out: Its predictions on calibration runs of the training zoos.
        seed: Of the choice of references.
    """
    chosen = np.random.default_rng(seed).permutation(len(trained_on.scores))[:MAX_REFERENCES]
    fields = {**model.config.to_dict(), "num_references": len(chosen)}
    calibrated = SneForPerformancePrediction(SneConfig(**fields))
    calibrated.load_state_dict(
        {name: value for name, value in model.state_dict().items() if not name.startswith("calibration.")},
        strict=False,
    )
    calibration = calibrated.calibration
    embeddings = torch.as_tensor(trained_on.embeddings)
    calibration.center.copy_(embeddings.mean(0))
    calibration.scale.copy_(embeddings.std(0).clamp(min=1e-6))
    calibration.references.copy_(calibration.standardise(embeddings[chosen]))
    calibration.accuracies.copy_(torch.as_tensor(trained_on.targets[chosen]))
    calibration.errors.copy_(torch.as_tensor(trained_on.errors[chosen]))
    calibration.name_references([f"{trained_on.zoos[place]}/{trained_on.ids[place]}" for place in chosen])
    distances = calibration.distance(torch.as_tensor(held_out.embeddings))
    calibration.distances.copy_(distances.quantile(torch.linspace(0, 1, 101)))
    own = held_out.radius(calibrated, model.config.interval_level)
    calibration.radius.copy_(torch.tensor([own, EVERYTHING]))
    calibrated.eval()
    return calibrated


def set_radius_elsewhere(model: SneForPerformancePrediction, left_out: Mapping[str, float]) -> None:
    """Set how wide intervals are of networks of other data sets and families than the zoos', if any were left out.

    ``left_out`` tells, of each group of networks, the radius that a model trained without it would have needed. The
    widest counts: of k groups and a new one in random order, the new one needs a wider one with the chance 1 / (k + 1).
    """
    if left_out:
        own = float(model.calibration.radius[0])
        model.calibration.radius[1] = max(own, *left_out.values())
