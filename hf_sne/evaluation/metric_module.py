"""A metric of this package as a class that ``evaluate`` loads, adds batches to and combines with others."""

import inspect
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from hf_sne.evaluation.metrics import METRICS

INPUTS = """
Args:
    predictions: the predicted accuracies, one number a network.
    references: the measured test accuracies, in [0, 1].
"""


def metric_class(name: str) -> type[Any]:
    """Make the ``evaluate.Metric`` of that name in ``METRICS``; its ``compute`` returns ``{name: value}``."""
    function = METRICS[name]

    class MetricModule(evaluate.Metric):  # type: ignore[misc]
        def _info(self) -> Any:
            column = datasets.Value("float64")
            return evaluate.MetricInfo(
                description=inspect.getdoc(function),
                citation="",
                inputs_description=INPUTS,
                features=datasets.Features({"predictions": column, "references": column}),
            )

        def _compute(self, predictions: Sequence[float], references: Sequence[float]) -> dict[str, float]:
            return {name: function(predictions, references)}

    # evaluate names a module after its class.
    MetricModule.__name__ = name
    return MetricModule
