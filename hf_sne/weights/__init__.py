"""Bytes -> named tensors -> ordered layers; the only part of the package that touches untrusted files."""

from hf_sne.weights.checkpoint import Checkpoint, open_checkpoint
from hf_sne.weights.files import CheckpointFile
from hf_sne.weights.layers import Layer, arrange_layers
from hf_sne.weights.roles import ROLES
from hf_sne.weights.tensors import LazyTensor, Skipped

__all__ = [
    "ROLES",
    "Checkpoint",
    "CheckpointFile",
    "Layer",
    "LazyTensor",
    "Skipped",
    "arrange_layers",
    "open_checkpoint",
]
