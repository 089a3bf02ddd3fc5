"""Zoo entries made ready for training once: standardised flat weights, a gather plan a layout, the symmetry group."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import BatchFeature

from hf_sne.models.sne import SneProcessor
from hf_sne.models.sne.processing_sne import GatherPlan
from hf_sne.models.sne.standards import measure, tensor_features
from hf_sne.weights.symmetry import HiddenUnits, draw_permutations, hidden_units, permute
from hf_sne.zoo.entries import ZooEntry

Change = Callable[[Mapping[str, Tensor], Sequence[HiddenUnits], Sequence[Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Layout:
    """What all networks of the same names and shapes share."""

    plan: GatherPlan
    positions: dict[str, Tensor]
    symmetry: tuple[HiddenUnits, ...]


@dataclass(frozen=True)
class Example:
    """One network: ``flat`` [1 + parameters], a zero for padding and the standardised weights; features [t, 8]."""

    entry: ZooEntry
    flat: Tensor
    features: Tensor
    layout: Layout


def accuracies(examples: Sequence[Example]) -> NDArray[np.float64]:
    """Measured test accuracies, [n]."""
    return np.array([example.entry.test_accuracy for example in examples], dtype=np.float64)


class ExampleMaker:
    """Makes examples of zoo entries, and shares a layout among all entries that have it."""

    def __init__(self, processor: SneProcessor) -> None:
        self.processor = processor
        self._layouts: dict[tuple[Any, ...], Layout] = {}

    def make(self, entry: ZooEntry) -> Example:
        """The example of one network."""
        tensors = [tensor for layer in entry.layers for tensor in layer.tensors]
        key = (*((tensor.name, tensor.shape) for tensor in tensors), entry.buffers)
        if key not in self._layouts:
            self._layouts[key] = self._lay_out(entry)
        layout = self._layouts[key]
        values, features = [torch.zeros(1)], []
        for tensor, planned in zip(tensors, layout.plan.tensors, strict=True):
            weights = tensor.read()
            standard = measure(weights, planned.matrix, max(1, weights.numel()))
            features.append(tensor_features(standard, planned))
            values.append(standard.scale(weights.flatten(), self.processor.standardise))
        return Example(entry, torch.cat(values), torch.tensor(features), layout)

    def _lay_out(self, entry: ZooEntry) -> Layout:
        positions, start = {}, 1
        for layer in entry.layers:
            for tensor in layer.tensors:
                positions[tensor.name] = torch.arange(start, start + tensor.numel).view(tensor.shape)
                start += tensor.numel
        return Layout(self.processor.gather_plan(entry.layers), positions, hidden_units(entry.layers, entry.buffers))

    def encode(
        self,
        examples: Sequence[Example],
        generator: torch.Generator | None,
        max_chunks: int,
        change: Change = permute,
    ) -> BatchFeature:
        """The processor's batch of some examples.

        With a generator the hidden units of each network are moved by ``change`` in a random order, and of each tensor
        view at most about ``max_chunks`` chunks are kept (a large tensor's statistics need no more, and a step's cost
        is bounded).
        """
        return self.processor.collate([_encode_one(example, generator, max_chunks, change) for example in examples])


def _encode_one(example: Example, generator: torch.Generator | None, max_chunks: int, change: Change) -> BatchFeature:
    plan = example.layout.plan
    chunks = {name: plan.structure[name] for name in ("chunk_lengths", "chunk_neurons", "chunk_views")}
    gather, flat = plan.gather, example.flat
    if generator is not None:
        kept = plan.sample(generator, max_chunks)
        if kept is not None:
            gather, chunks = gather[kept], {name: values[kept] for name, values in chunks.items()}
        flat = flat[_moved(example.layout, generator, change)]
    structure = {**plan.structure, **chunks, "tensor_features": example.features}
    return BatchFeature({**structure, "chunk_values": flat[gather]})


def _moved(layout: Layout, generator: torch.Generator, change: Change) -> Tensor:
    """Where each element of the flat vector comes from once the hidden units are moved."""
    orders = draw_permutations(layout.symmetry, generator)
    moved = change(layout.positions, layout.symmetry, orders)
    return torch.cat([torch.zeros(1, dtype=torch.long), *(index.flatten() for index in moved.values())])
