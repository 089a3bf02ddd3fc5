"""Twins of networks with the same function and other weights, as further examples: scalings and signs of units."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from hf_sne.weights import open_checkpoint
from hf_sne.weights.symmetry import hidden_units, rescale
from hf_sne.zoo.entries import ZooEntry

# Activation between whose layers each change keeps the function.
ACTIVATIONS = {"scaling": "relu", "sign": "tanh"}


def twins(entries: Sequence[ZooEntry], kind: str, seed: int) -> list[ZooEntry]:
    """A twin of each network for which the change is legal: units times 1/2 to 2, or with the other sign."""
    generator = torch.Generator().manual_seed(seed)
    return [_twin(entry, kind, generator) for entry in entries if entry.labels.get("activation") == ACTIVATIONS[kind]]


def _twin(entry: ZooEntry, kind: str, generator: torch.Generator) -> ZooEntry:
    groups = [group for group in hidden_units(entry.layers, entry.buffers) if not group.has_norm]
    draws = [torch.rand(group.units, generator=generator) for group in groups]
    factors = [4 ** (draw - 0.5) if kind == "scaling" else (draw < 0.5) * 2.0 - 1 for draw in draws]
    moved = rescale(entry.state(), groups, factors)
    return replace(entry, id=f"{entry.id}-{kind}", layers=open_checkpoint(moved).layers)
