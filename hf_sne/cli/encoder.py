"""Loads the encoder that a command scores with."""

from typing import TYPE_CHECKING

from hf_sne.cli.console import notes_console
from hf_sne.errors import UserError

if TYPE_CHECKING:
    from hf_sne.pipelines import WeightPerformancePipeline

AUTO = "auto"


def load_encoder(
    model: str | None = None, revision: str | None = None, device: str = AUTO
) -> "WeightPerformancePipeline":
    """The pipeline of that model (None: built in) on that device; UserError where either is not there."""
    with notes_console().status("Loading the encoder"):
        from transformers.utils import logging

        from hf_sne.pipelines import load_pipeline

        # Standard error belongs to the command's own progress and notes.
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        return load_pipeline(model=model, revision=revision, device=_device(device))


def _device(name: str) -> str | None:
    """None, the pipeline's own choice, for ``auto``; any other name must be a device of this machine."""
    import torch

    present = [AUTO, "cpu"]
    if torch.cuda.is_available():
        present += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name not in present:
        raise UserError(f"--device {name}: there is no such device here", fix=f"use one of {', '.join(present)}")
    return None if name == AUTO else name
