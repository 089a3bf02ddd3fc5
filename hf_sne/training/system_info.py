"""What a result was measured with."""

import platform
from importlib.metadata import version
from typing import Any

import torch

from hf_sne.version import __version__


def system_info() -> dict[str, Any]:
    """Versions, processor, cores and device, for results JSON."""
    return {
        "hf_sne": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "accelerate", "safetensors", "numpy")},
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
