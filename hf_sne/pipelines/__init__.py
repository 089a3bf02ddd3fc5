"""From the name of a checkpoint to a prediction: the transformers pipeline, reports and plots."""

from pathlib import Path

from hf_sne.pipelines.weight_performance import (
    PerformancePrediction,
    Refusal,
    WeightPerformancePipeline,
    load_pipeline,
)

BUILT_IN_ENCODER = Path(__file__).parents[1] / "assets" / "sne-cross-arch"

__all__ = ["PerformancePrediction", "Refusal", "WeightPerformancePipeline", "load_pipeline"]
