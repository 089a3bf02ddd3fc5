"""Make the package's models and pipeline tasks known to transformers."""

import importlib.abc
import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


@cache
def register() -> None:
    """Register the Auto classes and the pipeline tasks, once; imports transformers."""
    from transformers import (
        AutoConfig,
        AutoFeatureExtractor,
        AutoModel,
        AutoModelForSequenceClassification,
        AutoProcessor,
    )
    from transformers.pipelines import PIPELINE_REGISTRY

    from hf_sne.models.sne import SneConfig, SneForPerformancePrediction, SneModel, SneProcessor
    from hf_sne.pipelines import BUILT_IN_ENCODER, TASK, WeightPerformancePipeline

    AutoConfig.register(SneConfig.model_type, SneConfig, exist_ok=True)
    AutoModel.register(SneConfig, SneModel, exist_ok=True)
    # The only stock Auto class with a score for a whole input; pipelines and remote code need one.
    AutoModelForSequenceClassification.register(SneConfig, SneForPerformancePrediction, exist_ok=True)
    AutoFeatureExtractor.register(SneConfig, SneProcessor, exist_ok=True)
    AutoProcessor.register(SneConfig, SneProcessor, exist_ok=True)

    PIPELINE_REGISTRY.register_pipeline(
        TASK,
        pipeline_class=WeightPerformancePipeline,
        pt_model=AutoModelForSequenceClassification,
        default={"model": (str(BUILT_IN_ENCODER), "main")},
        type="multimodal",
    )


def register_with_transformers() -> None:
    """Register now if transformers is imported already, else when an Auto class or ``pipeline`` is first taken from it.

    Importing what is to be registered costs seconds, and a command line that only prints its help has no use for it.
    """
    if "transformers" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _WatchForTransformers())


class _WatchForTransformers(importlib.abc.MetaPathFinder):
    """Finds transformers where Python does, once, and has its module watched."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "transformers":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _WatchingLoader(spec.loader)
        return spec


class _WatchingLoader(importlib.abc.Loader):
    """The loader of transformers; the module it gives registers our classes at the first use of its registries."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        watched = sys.modules[module.__name__]  # transformers puts a lazy module in its own place
        plain: Any = type(watched)

        class WatchedModule(plain):  # type: ignore[misc]
            def __getattr__(self, name: str) -> Any:
                if name.startswith("Auto") or name == "pipeline":
                    watched.__class__ = plain
                    register()
                return plain.__getattr__(self, name)

        watched.__class__ = WatchedModule
