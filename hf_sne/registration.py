"""Make the package's models and pipeline tasks known to transformers."""

import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
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
    """Finds transformers where Python does, and has it watched once it is loaded."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname != "transformers":
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            spec.loader = _WatchingLoader(spec.loader, self)
        return spec


class _WatchingLoader(importlib.abc.Loader):
    """The loader of transformers, followed by :func:`_watch`."""

    def __init__(self, loader: importlib.abc.Loader, finder: importlib.abc.MetaPathFinder) -> None:
        self.loader = loader
        self.finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Not when it was found: looking whether a package is there finds it without loading it.
        sys.meta_path.remove(self.finder)
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        _watch()


def _watch() -> None:
    """Register at the first use of an Auto class or ``pipeline``, all of which transformers itself loads lazily.

    Watched is the class of its lazy modules and not the module: transformers puts a second copy of the module in the
    place of the first while it imports its own parts. What those parts take from each other does not count.
    """
    from transformers.utils import import_utils

    lazy_module = import_utils._LazyModule
    get = lazy_module.__getattr__

    def watched(module: Any, name: str) -> Any:
        if (name.startswith("Auto") or name == "pipeline") and not _asked_by(("transformers.", __name__)):
            lazy_module.__getattr__ = get
            register()
        return get(module, name)

    lazy_module.__getattr__ = watched


def _asked_by(packages: tuple[str, ...]) -> bool:
    """Whether the code behind an attribute access, import machinery aside, is in one of the packages."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("importlib"):
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__", "").startswith(packages)
