"""What a calibrated predictor is worth on networks that it was not trained on: ranks, errors, and what intervals keep.

Everything is told of the test runs, and of each group that was left out by the model trained without it.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hf_sne.evaluation.bootstrap import bootstrap_interval, evaluate_predictions
from hf_sne.evaluation.conformal import coverage
from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.models.baselines.tuned_regressor import TunedRegressor
from hf_sne.models.baselines.weight_statistics import pooled_features
from hf_sne.models.sne import SneForPerformancePrediction
from hf_sne.training.calibrate import Predicted, radius_elsewhere, radius_for, run_weights
from hf_sne.training.examples import Example, ExampleMaker
from hf_sne.training.trainer import predict
from hf_sne.zoo.entries import ZooEntry, targets

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
        own: Predictions of calibration runs of the zoos that it was trained on.
        elsewhere: Of calibration runs of the group; none where none was left out.
        examples: Test networks, of the group if one was left out.
        test: Predictions of them.
    """

    left_out: str
    model: SneForPerformancePrediction
    own: Predicted
    elsewhere: Predicted | None
    examples: list[Example]
    test: Predicted

    # Neither depends on the radii, which are asked for at every level and for every group.
    @cached_property
    def own_ratios(self) -> NDArray[np.floating]:
        """Errors over expected ones of ``own``."""
        return self.own.ratios(self.model)

    @cached_property
    def elsewhere_ratios(self) -> NDArray[np.floating]:
        """Errors over expected ones of ``elsewhere``, which must be there."""
        assert self.elsewhere is not None
        return self.elsewhere.ratios(self.model)

    def on(self, examples: list[Example], maker: ExampleMaker) -> "Held":
        """The same model and other test networks."""
        return replace(self, examples=examples, test=predict_all(self.model, maker, examples))

    def share_inside(self, radii: tuple[float, float]) -> float:
        """Of the test networks whose truth is covered with these radii; runs and zoos weigh the same.

        By the interval for networks of any data where a group was left out, else by that for the zoos' own.
        """
        calibration = deepcopy(self.model.calibration)
        calibration.radius.copy_(torch.tensor(radii))
        with torch.no_grad():
            assessed = calibration(torch.as_tensor(self.test.scores), torch.as_tensor(self.test.embeddings))
        low, high = (assessed.interval if self.left_out else assessed.zoo_interval).double().numpy().T
        inside = (low <= self.test.targets) & (self.test.targets <= high)
        return float(np.average(inside, weights=run_weights(self.test.entries)))


def radii(
    held: Mapping[str, Held], group: str, level: float, is_in: Callable[[str, ZooEntry], bool]
) -> tuple[float, float]:
    """The radius of a group's model on its own zoos, and on others.

    The latter by the errors of the other models on their groups, less the networks that are in this group too. Those
    models were trained on the rest of this group.
    """
    each = held[group]
    own = radius_for(each.own_ratios, each.own.entries, level)
    needed = []
    for name, other in held.items():
        if name != group and other.elsewhere is not None:
            kept = np.array([not is_in(group, entry) for entry in other.elsewhere.entries])
            entries = [entry for entry, keep in zip(other.elsewhere.entries, kept, strict=True) if keep]
            needed.append(radius_for(other.elsewhere_ratios[kept], entries, level))
    return own, radius_elsewhere(own, needed)


def predict_all(model: SneForPerformancePrediction, maker: ExampleMaker, examples: Sequence[Example]) -> Predicted:
    """A model's predictions of examples."""
    scores, embeddings = predict(model, maker, examples)
    return Predicted(scores, embeddings, [example.entry for example in examples])


def fit_baseline(examples: Sequence[Example]) -> TunedRegressor:
    """Gradient boosting on pooled weight statistics of these networks."""
    entries = [example.entry for example in examples]
    return TunedRegressor().fit(_features(examples), targets(entries), [entry.run for entry in entries])


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
        truth, runs = [row.accuracy for row in chosen], [row.run for row in chosen]
        results[zoo] = {
            "sne": evaluate_predictions([row.score for row in chosen], truth, runs) | interval_report(chosen),
            "weight_statistics": evaluate_predictions([row.weight_statistics for row in chosen], truth, runs),
            "best_third": _best_third(chosen),
        }
    return results


def _best_third(rows: Sequence[Measured]) -> dict[str, Any] | None:
    """Kendall tau among the most accurate third of the undamaged networks: who picks a checkpoint picks among those.

    None where they are of fewer than two runs.
    """
    whole = [row for row in rows if row.damage == "none"]
    least = float(np.quantile([row.accuracy for row in whole], 2 / 3)) if whole else 0.0
    best = [row for row in whole if row.accuracy >= least]
    truth, runs = [row.accuracy for row in best], [row.run for row in best]
    if len(set(runs)) < 2:
        return None
    rankings = {"sne": [row.score for row in best], "weight_statistics": [row.weight_statistics for row in best]}
    taus = {name: asdict(bootstrap_interval(kendall_tau, scores, truth, runs)) for name, scores in rankings.items()}
    return {"networks": len(best), "least_accuracy": least, **taus}


def interval_report(rows: Sequence[Measured]) -> dict[str, Any]:
    """How often the intervals cover the truth and how wide they are, and how many networks look familiar."""
    values = np.array([(row.low, row.high, row.zoo_low, row.zoo_high, row.accuracy) for row in rows])
    low, high, zoo_low, zoo_high, truth = values.T
    return {
        "interval_coverage": coverage(low, high, truth),
        "interval_width": float((high - low).mean()),
        "zoo_interval_coverage": coverage(zoo_low, zoo_high, truth),
        "zoo_interval_width": float((zoo_high - zoo_low).mean()),
        "in_distribution": float(np.mean([row.in_distribution for row in rows])),
    }


def grouped(rows: Sequence[Measured], key: Callable[[Measured], str]) -> dict[str, dict[str, Any]]:
    """:func:`interval_report` of each group of networks, with their number."""
    names = sorted({key(row) for row in rows})
    parts = {name: [row for row in rows if key(row) == name] for name in names}
    return {name: {"networks": len(part), **interval_report(part)} for name, part in parts.items()}


def reliability(held: Mapping[str, Held], is_in: Callable[[str, ZooEntry], bool]) -> dict[str, Any]:
    """Coverage at each of :data:`LEVELS`, of the test runs and of each group that was left out."""
    return {
        "levels": list(LEVELS),
        "coverage": {
            group or "test": [held[group].share_inside(radii(held, group, level, is_in)) for level in LEVELS]
            for group in sorted(held, key=bool)
        },
    }


def _features(examples: Sequence[Example]) -> NDArray[np.float64]:
    return pooled_features([example.entry.read() for example in examples])
