"""Zoo entries made ready for training once: standardised flat weights, a gather plan a layout, the symmetry group."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import BatchFeature

from hf_sne.models.sne import SneProcessor
from hf_sne.models.sne.processing_sne import GatherPlan
from hf_sne.models.sne.standards import measure, tensor_features
from hf_sne.weights.symmetry import HiddenUnits, draw_permutations, hidden_units, permute, permute_one_side
from hf_sne.zoo.entries import ReadLayer, ZooEntry, read_layers

# Networks whose statistics are taken together.
_AT_ONCE = 64

Change = Callable[[Mapping[str, Tensor], Sequence[HiddenUnits], Sequence[Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Layout:
    """What all networks of the same names and shapes share."""

    plan: GatherPlan
    positions: dict[str, Tensor]
    symmetry: tuple[HiddenUnits, ...]


@dataclass(frozen=True)
class Example:
    """One network ready for training.

    Args:
        entry: Where it comes from.
        flat: A zero for padding and the standardised weights, [1 + parameters].
        features: Of its tensors, [t, 8].
        statistics: Of its layers, [l, f]; no permutation of hidden units changes them.
        shuffled: The same after hidden units were shuffled on one side; empty where that is not trained on.
        layout: What it shares with networks of its shapes.
    """

    entry: ZooEntry
    flat: Tensor
    features: Tensor
    statistics: Tensor
    shuffled: Tensor
    layout: Layout


class ExampleMaker:
    """Makes examples of zoo entries, and shares a layout among all entries that have it.

    Args:
        processor: Of the model that is trained.
        shuffles: Whether the examples are also trained on with hidden units shuffled on one side.
    """

    def __init__(self, processor: SneProcessor, *, shuffles: bool = False) -> None:
        self.processor = processor
        self.shuffles = shuffles
        self._layouts: dict[tuple[Any, ...], Layout] = {}

    def make(self, entries: Sequence[ZooEntry]) -> list[Example]:
        """Their examples, in their order; statistics are taken of all networks of a layout at once."""
        layouts = [self._layout(entry) for entry in entries]
        by_layout: dict[int, list[int]] = {}
        for place, layout in enumerate(layouts):
            by_layout.setdefault(id(layout), []).append(place)
        examples: dict[int, Example] = {}
        for places in by_layout.values():
            for start in range(0, len(places), _AT_ONCE):
                some = places[start : start + _AT_ONCE]
                made = self._make([entries[place] for place in some], layouts[some[0]])
                examples.update(zip(some, made, strict=True))
        return [examples[place] for place in range(len(entries))]

    def _make(self, entries: Sequence[ZooEntry], layout: Layout) -> list[Example]:
        whole = [entry.read() for entry in entries]
        statistics = self.processor.layer_statistics(whole)
        shuffled = statistics[:, :0]
        if self.shuffles:
            shuffled = self.processor.layer_statistics([_shuffled(entry, layout) for entry in entries])
        return [
            Example(entry, *self._standardise(layers, layout), own, twin, layout)
            for entry, layers, own, twin in zip(entries, whole, statistics, shuffled, strict=True)
        ]

    def _standardise(self, layers: Sequence[ReadLayer], layout: Layout) -> tuple[Tensor, Tensor]:
        """The flat vector, and the features of the tensors."""
        tensors = [tensor for layer in layers for tensor in (layer.weight, layer.bias) if tensor is not None]
        values, features = [torch.zeros(1)], []
        for weights, planned in zip(tensors, layout.plan.tensors, strict=True):
            standard = measure(weights, planned.matrix, max(1, weights.numel()))
            features.append(tensor_features(standard, planned))
            values.append(standard.scale(weights.flatten(), self.processor.standardise))
        return torch.cat(values), torch.tensor(features)

    def _layout(self, entry: ZooEntry) -> Layout:
        tensors = [tensor for layer in entry.layers for tensor in layer.tensors]
        key = (*((tensor.name, tensor.shape) for tensor in tensors), entry.buffers)
        if key not in self._layouts:
            self._layouts[key] = self._lay_out(entry)
        return self._layouts[key]

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

        Raises:
            ValueError: units are to be shuffled on one side, and the maker was made without ``shuffles``.
        """
        if change is permute_one_side and not self.shuffles:
            raise ValueError(
                "these examples were made without shuffles: make them with ExampleMaker(..., shuffles=True)"
            )
        return self.processor.collate([_encode_one(example, generator, max_chunks, change) for example in examples])


def _shuffled(entry: ZooEntry, layout: Layout) -> list[ReadLayer]:
    """The network with hidden units shuffled on one side, the same shuffle for all of a layout."""
    orders = draw_permutations(layout.symmetry, torch.Generator().manual_seed(0))
    return read_layers(entry.layers, permute_one_side(entry.state(), layout.symmetry, orders))


def _encode_one(example: Example, generator: torch.Generator | None, max_chunks: int, change: Change) -> BatchFeature:
    plan = example.layout.plan
    chunks = {name: plan.structure[name] for name in ("chunk_lengths", "chunk_neurons", "chunk_views")}
    gather, flat = plan.gather, example.flat
    if generator is not None:
        kept = plan.sample(generator, max_chunks)
        if kept is not None:
            gather, chunks = gather[kept], {name: values[kept] for name, values in chunks.items()}
        flat = flat[_moved(example.layout, generator, change)]
    statistics = example.shuffled if change is permute_one_side else example.statistics
    told = {"tensor_features": example.features, "layer_statistics": statistics}
    structure = {**plan.structure, **chunks, **told}
    return BatchFeature({**structure, "chunk_values": flat[gather]})


def _moved(layout: Layout, generator: torch.Generator, change: Change) -> Tensor:
    """Where each element of the flat vector comes from once the hidden units are moved."""
    orders = draw_permutations(layout.symmetry, generator)
    moved = change(layout.positions, layout.symmetry, orders)
    return torch.cat([torch.zeros(1, dtype=torch.long), *(index.flatten() for index in moved.values())])
