"""From the name of a checkpoint to a prediction: the transformers pipeline, reports and plots."""

from hf_sne.pipelines.weight_performance import (
    BUILT_IN_ENCODER,
    TASK,
    PerformancePrediction,
    Refusal,
    WeightPerformancePipeline,
    load_pipeline,
    refusal,
)

__all__ = [
    "BUILT_IN_ENCODER",
    "TASK",
    "PerformancePrediction",
    "Refusal",
    "WeightPerformancePipeline",
    "load_pipeline",
    "refusal",
]
