"""Fit what stands beside a score: intervals and the distance percentile, on runs that training never saw."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hf_sne.evaluation.conformal import conformal_quantile
from hf_sne.models.sne import SneConfig, SneForPerformancePrediction
from hf_sne.models.sne.calibration_sne import EVERYTHING
from hf_sne.zoo.entries import ZooEntry, targets

Floats = NDArray[np.floating]

MAX_REFERENCES = 1024


@dataclass(frozen=True)
class Predicted:
    """A model's predictions of n networks: scores [n], embeddings [n, h], and the networks."""

    scores: Floats
    embeddings: Floats
    entries: list[ZooEntry]

    @property
    def targets(self) -> Floats:
        """Measured accuracies, [n]."""
        return targets(self.entries)

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


def radius_for(ratios: Floats, entries: Sequence[ZooEntry], level: float) -> float:
    """What the ratios stay below with that chance, zoos weighing the same; EVERYTHING where the runs are too few."""
    return conformal_quantile(ratios, level, run_weights(entries), too_few=EVERYTHING)


def run_weights(entries: Sequence[ZooEntry]) -> Floats:
    """Weights [n] that sum to the number of runs: zoos weigh the same, and in a zoo its runs.

    A zoo of many easy networks must not decide, and the checkpoints of a run are not independent.
    """
    if not entries:
        return np.zeros(0)
    runs = Counter((entry.zoo, entry.run) for entry in entries)
    zoos = Counter(zoo for zoo, _ in runs)
    total = len({run for _, run in runs})
    return np.array([total / len(zoos) / zoos[e.zoo] / runs[e.zoo, e.run] for e in entries])


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
    calibration.name_references([f"{trained_on.entries[place].zoo}/{trained_on.entries[place].id}" for place in chosen])
    distances = calibration.distance(torch.as_tensor(held_out.embeddings))
    calibration.distances.copy_(distances.quantile(torch.linspace(0, 1, 101)))
    own = radius_for(held_out.ratios(calibrated), held_out.entries, model.config.interval_level)
    calibration.radius.copy_(torch.tensor([own, EVERYTHING]))
    calibrated.eval()
    return calibrated


def radius_elsewhere(own: float, left_out: Iterable[float]) -> float:
    """The radius for networks of other data sets and families than the zoos', EVERYTHING where none was left out.

    ``left_out`` are the radii that models trained without a group of networks would have needed on it. The widest
    counts: if k data sets and a new one were drawn alike, the new one needs a wider one with the chance 1 / (k + 1).
    """
    needed = list(left_out)
    return max(own, *needed) if needed else EVERYTHING
