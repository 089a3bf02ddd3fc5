"""From the ordered layers of networks to one flat ragged batch of chunks."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import BatchFeature, FeatureExtractionMixin

from .chunking import INCOMING, OUTGOING, Tile, chunks_per_row, pad_chunk, tiles
from .configuration_sne import STATISTICS
from .layer_statistics import count_statistics, layer_statistics
from .planning import ROLES, LayerLike, PlannedTensor, Planner
from .standards import NUM_TENSOR_FEATURES, Standard, measure, read_tile, tensor_features
from .thinning import dense_layers
from .traveling_sne import PROCESSOR_CLASSES, copy_code

# Chunks in a block where the caller has no wish.
MAX_CHUNKS = 2048


class NothingToEncodeError(ValueError):
    """A network without a single element that is not zero."""


class NonFiniteElementsError(ValueError):
    """A network with NaN or infinite elements."""


@dataclass(frozen=True)
class GatherPlan:
    """Chunks of one layout as positions in its flat vector: ``cat([zeros(1), scaled])[gather]``.

    ``groups`` [n] numbers the tensor views that the chunks are of.
    """

    gather: Tensor
    groups: Tensor
    structure: BatchFeature
    tensors: tuple[PlannedTensor, ...]

    def sample(self, generator: torch.Generator, most: int) -> Tensor | None:
        """Sorted positions of a random choice of chunks, about ``most`` of each tensor view; None: all of them.

        Every view of every neuron keeps a chunk: an empty one would say that no weights enter or leave the neuron.
        """
        sizes = torch.bincount(self.groups)
        if int(sizes.max()) <= most:
            return None
        draws = torch.rand(len(self.groups), generator=generator)
        slots = 2 * self.structure["chunk_neurons"] + self.structure["chunk_views"]
        least = torch.ones(int(slots.max()) + 1).scatter_reduce(0, slots, draws, "amin")
        return ((draws < (most / sizes)[self.groups]) | (draws == least[slots])).nonzero()[:, 0]


class SneProcessor(FeatureExtractionMixin):  # type: ignore[misc]
    """Pad-chunk of whole networks.

    The batch of b networks, l layers, t tensors, u neurons and n chunks, all flat, in order, without padding:

    - ``chunk_values`` [n, chunk_size], each tensor divided by its root mean square; ``chunk_lengths`` [n];
      ``chunk_neurons`` [n]; ``chunk_views`` [n], 0 a piece of a neuron's incoming weights, 1 of its outgoing ones;
    - ``neurons_per_tensor`` [t]; ``tensor_is_bias`` [t]; ``tensor_features`` [t, 8];
    - ``tensors_per_layer`` [l]; ``layer_roles`` [l]; ``layer_levels`` [l, 2], counted from the front and the back;
    - ``layer_statistics`` [l, f], see :mod:`.layer_statistics`;
    - ``layers_per_network`` [b].

    Args:
        chunk_size: Elements in a chunk.
        neuron_level: One set of chunks a neuron; False: one a tensor.
        outgoing_view: Also read the columns of the next layer for each neuron.
        max_neurons: Neuron codes of one network; where there are more rows, neighbours in a tensor share a code.
        standardise: Divide each tensor by its root mean square; False: raw weights.
        statistics: Groups of layer statistics.
    """

    model_input_names = ["chunk_values", "chunk_lengths", "chunk_neurons", "chunk_views"]  # noqa: RUF012

    def __init__(
        self,
        chunk_size: int = 32,
        neuron_level: bool = True,
        outgoing_view: bool = True,
        max_neurons: int = 65_536,
        standardise: bool = True,
        statistics: Sequence[str] = STATISTICS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.chunk_size = chunk_size
        self.neuron_level = neuron_level
        self.outgoing_view = outgoing_view
        self.max_neurons = max_neurons
        self.standardise = standardise
        self.statistics = list(statistics)

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> Any:
        """As every transformers processor, and beside it the code that it is of."""
        copy_code(save_directory)
        self.auto_map = dict(PROCESSOR_CLASSES)
        return super().save_pretrained(save_directory, **kwargs)

    @classmethod
    def from_config(cls, config: Any) -> "SneProcessor":
        """The processor that a model of this configuration was made for."""
        return cls(
            chunk_size=config.chunk_size,
            neuron_level=config.neuron_level,
            outgoing_view=config.outgoing_view,
            max_neurons=config.max_neurons,
            standardise=config.standardise,
            statistics=config.statistics,
        )

    @property
    def planner(self) -> Planner:
        """Numbers the neurons of networks for this processor."""
        return Planner(self.chunk_size, self.neuron_level, self.outgoing_view, self.max_neurons)

    def __call__(self, networks: Sequence[Sequence[LayerLike]]) -> BatchFeature:
        """One batch of whole networks in memory; see :meth:`stream` for one network of any size."""
        singles = []
        for layers in networks:
            structure, blocks = self.stream(layers)
            chunks = list(blocks)
            singles.append(BatchFeature({**structure, **{k: torch.cat([b[k] for b in chunks]) for k in chunks[0]}}))
        return self.collate(singles)

    def collate(self, singles: Sequence[BatchFeature]) -> BatchFeature:
        """Join batches: everything is concatenated, chunk_neurons shifted to the joint numbering."""
        joint = {key: torch.cat([single[key] for single in singles]) for key in singles[0] if key != "chunk_neurons"}
        firsts, total = [], 0
        for single in singles:
            firsts.append(single["chunk_neurons"] + total)
            total += int(single["neurons_per_tensor"].sum())
        return BatchFeature({**joint, "chunk_neurons": torch.cat(firsts)})

    def stream(
        self, layers: Sequence[LayerLike], max_chunks: int = MAX_CHUNKS
    ) -> tuple[BatchFeature, Iterator[dict[str, Tensor]]]:
        """The structure of one network, and its chunks in blocks of about ``max_chunks``, read as they are asked for.

        Raises:
            NothingToEncodeError: there is no element that is not zero.
            NonFiniteElementsError: elements are NaN or infinite.
        """
        planned = self.planner.plan(layers)
        tensors = [layers[p.layer].bias if p.is_bias else layers[p.layer].weight for p in planned]
        standards = [
            measure(tensor, p.matrix, max_chunks * self.chunk_size) for tensor, p in zip(tensors, planned, strict=True)
        ]
        broken = [(p.layer, s.nonfinite) for p, s in zip(planned, standards, strict=True) if s.nonfinite]
        if broken:
            name = getattr(layers[broken[0][0]], "name", broken[0][0])
            count = sum(elements for _, elements in broken)
            raise NonFiniteElementsError(f"{count} NaN or infinite elements, the first in layer {name}")
        if not any(standard.largest for standard in standards):
            raise NothingToEncodeError(f"{len(planned)} tensors, no element that is not zero")
        features = torch.tensor([tensor_features(s, p) for s, p in zip(standards, planned, strict=True)])
        blocks = (
            block
            for tensor, p, standard in zip(tensors, planned, standards, strict=True)
            for block in self._tensor_blocks(tensor, p, standard, max_chunks)
        )
        statistics = self.layer_statistics([layers])[0]
        return self.structure(layers, planned, features, statistics), _joined(blocks, max_chunks)

    def layer_statistics(self, networks: Sequence[Sequence[LayerLike]]) -> Tensor:
        """Of networks of one layout, [b, l, f]; where none are wanted nothing is read."""
        if not self.statistics:
            layers = {p.layer for p in self.planner.plan(networks[0])}
            return torch.zeros(len(networks), len(layers), 0)
        return layer_statistics(dense_layers(networks), self.statistics)

    def gather_plan(self, layers: Sequence[LayerLike]) -> GatherPlan:
        """Chunk index vectors instead of weights: how to chunk the flat vector of any network of this layout."""
        planned = self.planner.plan(layers)
        blocks, start = [], 1
        for p in planned:
            size = p.matrix.out * p.matrix.fan_in
            index = torch.arange(start, start + size).view(p.matrix.out, p.matrix.inputs, p.matrix.kernel)
            blocks.append(self._chunk_tile(index, p, Tile(0, p.matrix.out, 0, p.matrix.inputs)))
            start += size
        chunks = {key: torch.cat([block[key] for block in blocks]) for key in blocks[0]}
        features = torch.zeros(len(planned), NUM_TENSOR_FEATURES)
        statistics = torch.zeros(len({p.layer for p in planned}), count_statistics(self.statistics))
        structure = self.structure(layers, planned, features, statistics)
        gather = chunks.pop("chunk_values").int()
        number = torch.cat([torch.full((len(block["chunk_views"]),), n) for n, block in enumerate(blocks)])
        groups = 2 * number + chunks["chunk_views"]
        return GatherPlan(gather, groups, BatchFeature({**structure, **chunks}), tuple(planned))

    def structure(
        self, layers: Sequence[LayerLike], planned: Sequence[PlannedTensor], features: Tensor, statistics: Tensor
    ) -> BatchFeature:
        """The parts of the batch that do not depend on the number of chunks."""
        tensors = Counter(p.layer for p in planned)
        used = sorted(tensors)
        level = torch.arange(len(used))
        return BatchFeature(
            {
                "neurons_per_tensor": torch.tensor([p.neurons for p in planned]),
                "tensor_is_bias": torch.tensor([p.is_bias for p in planned]),
                "tensor_features": features,
                "tensors_per_layer": torch.tensor([tensors[number] for number in used]),
                "layer_roles": torch.tensor([ROLES.index(layers[number].role) for number in used]),
                "layer_levels": torch.stack([level, level.flip(0)], 1),
                "layer_statistics": statistics,
                "layers_per_network": torch.tensor([len(used)]),
            }
        )

    def _tensor_blocks(
        self, tensor: Any, plan: PlannedTensor, standard: Standard, max_chunks: int
    ) -> Iterator[dict[str, Tensor]]:
        for tile in tiles(plan.matrix, self.chunk_size, max_chunks):
            values = standard.scale(read_tile(tensor, plan.matrix, tile), self.standardise)
            yield self._chunk_tile(values, plan, tile)

    def _chunk_tile(self, block: Tensor, plan: PlannedTensor, tile: Tile) -> dict[str, Tensor]:
        """Chunks of a block [rows, columns, kernel]: by rows for its own neurons, by columns for those that feed it."""
        values, lengths = pad_chunk(block, self.chunk_size)
        rows = torch.arange(tile.row, tile.row + tile.rows)
        if self.neuron_level:
            neurons = (rows * plan.neurons // plan.matrix.out).unsqueeze(1).expand(-1, len(lengths))
        else:
            before = chunks_per_row(tile.column, plan.matrix.kernel, self.chunk_size)
            chunks = torch.arange(before, before + len(lengths))
            neurons = (chunks * plan.neurons // self.planner.members(plan.matrix)).unsqueeze(0)
        parts = [(values, lengths, neurons + plan.first_neuron, INCOMING)]
        if plan.source_neuron is not None:
            values, lengths = pad_chunk(block.transpose(0, 1), self.chunk_size)
            sources = plan.matrix.inputs // plan.columns_per_source
            columns = torch.arange(tile.column, tile.column + tile.columns) // plan.columns_per_source
            neurons = (columns * plan.source_neurons // sources).unsqueeze(1).expand(-1, len(lengths))
            parts.append((values, lengths, neurons + plan.source_neuron, OUTGOING))
        return {
            "chunk_values": torch.cat([values.flatten(0, 1) for values, _, _, _ in parts]),
            "chunk_lengths": torch.cat([lengths.repeat(len(values)) for values, lengths, _, _ in parts]),
            "chunk_neurons": torch.cat([neurons.flatten() for _, _, neurons, _ in parts]),
            "chunk_views": torch.cat([torch.full((neurons.numel(),), view) for _, _, neurons, view in parts]),
        }


def _joined(blocks: Iterable[dict[str, Tensor]], max_chunks: int) -> Iterator[dict[str, Tensor]]:
    """Small blocks in a row joined to about ``max_chunks``: an encoder call for each small tensor would be slow."""
    waiting: list[dict[str, Tensor]] = []
    size = 0
    for block in blocks:
        if waiting and size + len(block["chunk_values"]) > max_chunks:
            yield _concatenated(waiting)
            waiting, size = [], 0
        waiting.append(block)
        size += len(block["chunk_values"])
    if waiting:
        yield _concatenated(waiting)


def _concatenated(blocks: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return blocks[0] if len(blocks) == 1 else {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}


__all__ = ["NonFiniteElementsError", "NothingToEncodeError", "SneProcessor"]
