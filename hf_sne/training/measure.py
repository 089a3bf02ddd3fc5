"""What a calibrated predictor is worth on networks that it was not trained on: ranks, errors, and what intervals keep.

Everything is told of the test runs, and of each group that was left out by the model trained without it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hf_sne.evaluation.bootstrap import evaluate_predictions
from hf_sne.evaluation.conformal import coverage
from hf_sne.models.baselines.tuned_regressor import TunedRegressor
from hf_sne.models.baselines.weight_statistics import pooled_features
from hf_sne.models.sne import SneForPerformancePrediction
from hf_sne.training.calibrate import Predicted
from hf_sne.training.examples import Example, ExampleMaker, accuracies
from hf_sne.training.trainer import predict

# Nominal levels at which the intervals' coverage is told.
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Measured:
    """One test network; ``left_out`` names the group without which the predictors were trained, empty: all zoos."""

    left_out: str
    zoo: str
    id: str
    run: str
    data: str
    family: str
    damage: str
    accuracy: float
    score: float
    low: float
    high: float
    zoo_low: float
    zoo_high: float
    in_distribution: bool
    weight_statistics: float


@dataclass(frozen=True)
class Held:
    """A calibrated model, and its predictions of networks that it was not trained on.

    Args:
        left_out: Name of the group without which it was trained, empty: all zoos.
        model: The model.
        calibration: Predictions by which a radius is set: on calibration runs, of the group if one was left out.
        examples: Test networks, of the group if one was left out.
        test: Predictions of them.
    """

    left_out: str
    model: SneForPerformancePrediction
    calibration: Predicted
    examples: list[Example]
    test: Predicted

    def radius(self, level: float) -> float:
        """What the intervals of the calibration networks need to cover them with that chance, in expected errors."""
        return self.calibration.radius(self.model, level)

    def on(self, examples: list[Example], maker: ExampleMaker) -> "Held":
        """The same model and other test networks."""
        return replace(self, examples=examples, test=predict_all(self.model, maker, examples))

    def share_within(self, radius: float) -> float:
        """Of the test networks."""
        return float((self.test.ratios(self.model) <= radius).mean())


def predict_all(model: SneForPerformancePrediction, maker: ExampleMaker, examples: Sequence[Example]) -> Predicted:
    """A model's predictions of examples."""
    scores, embeddings = predict(model, maker, examples)
    entries = [example.entry for example in examples]
    return Predicted(scores, embeddings, accuracies(examples), [e.zoo for e in entries], [e.id for e in entries])


def fit_baseline(examples: Sequence[Example]) -> TunedRegressor:
    """Gradient boosting on pooled weight statistics of these networks."""
    runs = [example.entry.run for example in examples]
    return TunedRegressor().fit(_features(examples), accuracies(examples), runs)


@torch.no_grad()
def measure(held: Held, baseline: TunedRegressor) -> list[Measured]:
    """Every test network with what was predicted of it."""
    if not held.examples:
        return []
    assessed = held.model.calibration(torch.as_tensor(held.test.scores), torch.as_tensor(held.test.embeddings))
    columns = zip(
        held.examples,
        held.test.scores.tolist(),
        torch.cat([assessed.interval, assessed.zoo_interval], 1).tolist(),
        assessed.in_distribution.tolist(),
        baseline.predict(_features(held.examples)).tolist(),
        strict=True,
    )
    rows = []
    for example, score, (low, high, zoo_low, zoo_high), inside, statistics in columns:
        entry, labels = example.entry, example.entry.labels
        rows.append(
            Measured(
                left_out=held.left_out,
                zoo=entry.zoo,
                id=entry.id,
                run=entry.run,
                data=str(labels.get("data")),
                family=str(labels.get("family")),
                damage=str(labels.get("damage") or "none"),
                accuracy=entry.target,
                score=score,
                low=low,
                high=high,
                zoo_low=zoo_low,
                zoo_high=zoo_high,
                in_distribution=inside,
                weight_statistics=statistics,
            )
        )
    return rows


def summarise(rows: Sequence[Measured]) -> dict[str, Any]:
    """Of each zoo: SNE and the baseline, with bootstrap intervals over runs."""
    results = {}
    for zoo in dict.fromkeys(row.zoo for row in rows):
        chosen = [row for row in rows if row.zoo == zoo]
        targets, runs = [row.accuracy for row in chosen], [row.run for row in chosen]
        results[zoo] = {
            "sne": evaluate_predictions([row.score for row in chosen], targets, runs) | interval_report(chosen),
            "weight_statistics": evaluate_predictions([row.weight_statistics for row in chosen], targets, runs),
        }
    return results


def interval_report(rows: Sequence[Measured]) -> dict[str, Any]:
    """How often the intervals cover the truth and how wide they are, and how many networks look familiar."""
    values = np.array([(row.low, row.high, row.zoo_low, row.zoo_high, row.accuracy) for row in rows])
    low, high, zoo_low, zoo_high, targets = values.T
    return {
        "interval_coverage": coverage(low, high, targets),
        "interval_width": float((high - low).mean()),
        "zoo_interval_coverage": coverage(zoo_low, zoo_high, targets),
        "zoo_interval_width": float((zoo_high - zoo_low).mean()),
        "in_distribution": float(np.mean([row.in_distribution for row in rows])),
    }


def grouped(rows: Sequence[Measured], key: Callable[[Measured], str]) -> dict[str, dict[str, Any]]:
    """:func:`interval_report` of each group of networks, with their number."""
    names = sorted({key(row) for row in rows})
    parts = {name: [row for row in rows if key(row) == name] for name in names}
    return {name: {"networks": len(part), **interval_report(part)} for name, part in parts.items()}


def reliability(own: Held, left_out: Mapping[str, Held]) -> dict[str, Any]:
    """Coverage at each of :data:`LEVELS`: of the test runs, and of each group by the widest radius of the others."""
    coverages = {"test": [own.share_within(own.radius(level)) for level in LEVELS]}
    for group, held in left_out.items():
        others = [other for name, other in left_out.items() if name != group]
        if others:
            coverages[group] = [held.share_within(max(o.radius(level) for o in others)) for level in LEVELS]
    return {"levels": list(LEVELS), "coverage": coverages}


def _features(examples: Sequence[Example]) -> NDArray[np.float64]:
    return pooled_features([example.entry.read() for example in examples])
