"""Model zoos: populations of small networks, trained to very different test accuracies."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_sne.zoo.plan import Plan
    from hf_sne.zoo.read import read_zoo
    from hf_sne.zoo.stream import ZooBatch, ZooStream

__all__ = ["Plan", "ZooBatch", "ZooStream", "read_zoo"]

_HOMES = {"Plan": "plan", "ZooBatch": "stream", "ZooStream": "stream", "read_zoo": "read"}


def __getattr__(name: str) -> Any:
    """Imported when first asked for: reading needs no training code, and neither needs the other's imports."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
