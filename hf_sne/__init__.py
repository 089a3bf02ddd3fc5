"""Predict how well neural networks generalise from their weights.

Importing this makes the models known to ``transformers.AutoModel`` and the task to ``transformers.pipeline``.
"""

import importlib
from typing import Any

from hf_sne.registration import register_with_transformers
from hf_sne.version import __version__

_PUBLIC = {
    "HfSneError": "hf_sne.errors",
    "Limits": "hf_sne.limits",
    "SneConfig": "hf_sne.models.sne",
    "SneForPerformancePrediction": "hf_sne.models.sne",
    "SneModel": "hf_sne.models.sne",
    "SneProcessor": "hf_sne.models.sne",
    "WeightPerformancePipeline": "hf_sne.pipelines",
    "load_pipeline": "hf_sne.pipelines",
    "open_checkpoint": "hf_sne.weights",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch and transformers cost seconds."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]


register_with_transformers()
