"""SNE, the set-based encoder of neural networks' weights."""

from .configuration_sne import SneConfig
from .modeling_sne import SneForPerformancePrediction, SneModel, SneOutput, SnePredictionOutput
from .processing_sne import NonFiniteElementsError, NothingToEncodeError, SneProcessor

__all__ = [
    "NonFiniteElementsError",
    "NothingToEncodeError",
    "SneConfig",
    "SneForPerformancePrediction",
    "SneModel",
    "SneOutput",
    "SnePredictionOutput",
    "SneProcessor",
]
