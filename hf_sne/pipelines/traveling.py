"""The pipeline as it travels with the weights: this file, which asks for the package that does the work."""

from hf_sne.pipelines import WeightPerformancePipeline

__all__ = ["WeightPerformancePipeline"]
