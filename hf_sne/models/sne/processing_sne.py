"""From the ordered layers of networks to one flat ragged batch of chunks.

A layer is any object with ``role`` (str), ``weight`` and ``bias``; those are torch tensors, None, or anything lazy that
has ``shape`` and gives a float32 tensor for a tuple of slices.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import BatchFeature, FeatureExtractionMixin

from .chunking import INCOMING, OUTGOING, Matrix, Tile, chunks_per_row, pad_chunk, tiles

ROLES = ("linear", "conv", "embedding", "norm", "recurrent", "attention", "other")
NUM_TENSOR_FEATURES = 8
# A network trained in float32 has no use for elements this many times its tensor's root mean square, a hostile one may.
MAX_STANDARD = 64.0


class NothingToEncodeError(ValueError):
    """A network without a single element that is not zero."""


class NonFiniteElementsError(ValueError):
    """A network with NaN or infinite elements."""


class TensorLike(Protocol):
    """A torch tensor or a lazy one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, outermost first."""

    def __getitem__(self, index: Any) -> Any:
        """The float32 tensor of a slice or a tuple of slices."""


class LayerLike(Protocol):
    """What the processor needs of a layer; :class:`hf_sne.weights.Layer` is one."""

    @property
    def role(self) -> str:
        """One of ``ROLES``."""

    @property
    def weight(self) -> TensorLike | None:
        """The weight, or None."""

    @property
    def bias(self) -> TensorLike | None:
        """The bias, or None."""

    @property
    def source(self) -> int | None:
        """Position of the layer whose outputs this layer's inputs are, or None where that is not known."""


@dataclass(frozen=True)
class PlannedTensor:
    """Where one tensor's rows and columns go: the first neuron code of its own, and of the layer that feeds it."""

    layer: int
    is_bias: bool
    matrix: Matrix
    first_neuron: int
    neurons: int
    source_neuron: int | None = None
    source_neurons: int = 0
    columns_per_source: int = 1
    feeds: bool = False


@dataclass(frozen=True)
class Standard:
    """What standardisation takes from a tensor: root mean square, mean, largest magnitude, non-finite elements."""

    rms: float
    mean: float
    largest: float
    nonfinite: int


@dataclass(frozen=True)
class GatherPlan:
    """Chunks of one layout as positions in its flat vector: ``cat([zeros(1), standardised])[gather]``.

    ``groups`` [n] numbers the tensor views that the chunks are of.
    """

    gather: Tensor
    groups: Tensor
    structure: BatchFeature
    tensors: tuple[PlannedTensor, ...]

    def sample(self, generator: torch.Generator, most: int) -> Tensor | None:
        """Sorted positions of a random choice of chunks, about ``most`` of each tensor view; None: all of them."""
        sizes = torch.bincount(self.groups)
        if int(sizes.max()) <= most:
            return None
        chance = (most / sizes)[self.groups]
        return (torch.rand(len(self.groups), generator=generator) < chance).nonzero()[:, 0]


class SneProcessor(FeatureExtractionMixin):  # type: ignore[misc]
    """Pad-chunk of whole networks.

    The batch of b networks, l layers, t tensors, u neurons and n chunks, all flat, in order, without padding:

    - ``chunk_values`` [n, chunk_size], each tensor divided by its root mean square; ``chunk_lengths`` [n];
      ``chunk_neurons`` [n]; ``chunk_views`` [n], 0 a piece of a neuron's incoming weights, 1 of its outgoing ones;
    - ``neurons_per_tensor`` [t]; ``tensor_is_bias`` [t]; ``tensor_features`` [t, 8];
    - ``tensors_per_layer`` [l]; ``layer_roles`` [l]; ``layer_levels`` [l, 2], counted from the front and the back;
    - ``layers_per_network`` [b].

    Args:
        chunk_size: Elements in a chunk.
        neuron_level: One set of chunks a neuron; False: one a tensor.
        outgoing_view: Also read the columns of the next layer for each neuron.
        max_neurons: Rows beyond this many share neuron codes.
    """

    model_input_names = ["chunk_values", "chunk_lengths", "chunk_neurons", "chunk_views"]  # noqa: RUF012

    def __init__(
        self,
        chunk_size: int = 32,
        neuron_level: bool = True,
        outgoing_view: bool = True,
        max_neurons: int = 1024,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.chunk_size = chunk_size
        self.neuron_level = neuron_level
        self.outgoing_view = outgoing_view
        self.max_neurons = max_neurons

    @classmethod
    def from_config(cls, config: Any) -> "SneProcessor":
        """The processor that a model of this configuration was made for."""
        return cls(
            chunk_size=config.chunk_size,
            neuron_level=config.neuron_level,
            outgoing_view=config.outgoing_view,
            max_neurons=config.max_neurons,
        )

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
        self, layers: Sequence[LayerLike], max_chunks: int = 8192
    ) -> tuple[BatchFeature, Iterator[dict[str, Tensor]]]:
        """The structure of one network, and its chunks in blocks of about ``max_chunks``, read as they are asked for.

        Raises:
            NothingToEncodeError: there is no element that is not zero.
            NonFiniteElementsError: elements are NaN or infinite.
        """
        planned = self.plan_tensors(layers)
        tensors = [layers[p.layer].bias if p.is_bias else layers[p.layer].weight for p in planned]
        standards = [self.measure(tensor, p, max_chunks) for tensor, p in zip(tensors, planned, strict=True)]
        broken = [(p.layer, s.nonfinite) for p, s in zip(planned, standards, strict=True) if s.nonfinite]
        if broken:
            name = getattr(layers[broken[0][0]], "name", broken[0][0])
            count = sum(elements for _, elements in broken)
            raise NonFiniteElementsError(f"{count} NaN or infinite elements, the first in layer {name}")
        if not any(standard.largest for standard in standards):
            raise NothingToEncodeError(f"{len(planned)} tensors, no element that is not zero")
        features = torch.tensor([self.features(s, p) for s, p in zip(standards, planned, strict=True)])
        blocks = (
            block
            for tensor, p, standard in zip(tensors, planned, standards, strict=True)
            for block in self._tensor_blocks(tensor, p, standard, max_chunks)
        )
        return self.structure(layers, planned, features), blocks

    def gather_plan(self, layers: Sequence[LayerLike]) -> GatherPlan:
        """Chunk index vectors instead of weights: how to chunk the flat vector of any network of this layout."""
        planned = self.plan_tensors(layers)
        blocks, start = [], 1
        for p in planned:
            size = p.matrix.out * p.matrix.fan_in
            index = torch.arange(start, start + size).view(p.matrix.out, p.matrix.inputs, p.matrix.kernel)
            blocks.append(self._chunk_tile(index, p, Tile(0, p.matrix.out, 0, p.matrix.inputs)))
            start += size
        chunks = {key: torch.cat([block[key] for block in blocks]) for key in blocks[0]}
        structure = self.structure(layers, planned, torch.zeros(len(planned), NUM_TENSOR_FEATURES))
        gather = chunks.pop("chunk_values").int()
        number = torch.cat([torch.full((len(block["chunk_views"]),), n) for n, block in enumerate(blocks)])
        groups = 2 * number + chunks["chunk_views"]
        return GatherPlan(gather, groups, BatchFeature({**structure, **chunks}), tuple(planned))

    def plan_tensors(self, layers: Sequence[LayerLike]) -> list[PlannedTensor]:
        """Number the neurons of every tensor, and connect each layer to the earlier one whose outputs it reads."""
        planned: list[PlannedTensor] = []
        weights: dict[int, int] = {}
        first = 0
        for number, layer in enumerate(layers):
            for is_bias, tensor in ((False, layer.weight), (True, layer.bias)):
                if tensor is None or math.prod(tensor.shape) == 0:
                    continue
                matrix = Matrix.of(tuple(tensor.shape), self.neuron_level and not is_bias)
                neurons = self._count_neurons(matrix)
                plan = PlannedTensor(number, is_bias, matrix, first, neurons)
                if not is_bias:
                    weights[number] = len(planned)
                    if self.outgoing_view and layer.source in weights:
                        plan = self._connect(plan, planned, weights[layer.source])
                planned.append(plan)
                first += neurons
        return planned

    def _count_neurons(self, matrix: Matrix) -> int:
        if self.neuron_level:
            return min(matrix.out, self.max_neurons)
        return chunks_per_row(matrix.inputs, matrix.kernel, self.chunk_size)

    def _connect(self, plan: PlannedTensor, planned: list[PlannedTensor], number: int) -> PlannedTensor:
        """Let a tensor's columns speak for the neurons it reads; several columns each after a flatten."""
        source = planned[number]
        planned[number] = replace(source, feeds=True)
        return replace(
            plan,
            source_neuron=source.first_neuron,
            source_neurons=source.neurons,
            columns_per_source=plan.matrix.inputs // source.matrix.out,
        )

    def structure(
        self, layers: Sequence[LayerLike], planned: Sequence[PlannedTensor], features: Tensor
    ) -> BatchFeature:
        """The parts of the batch that do not depend on the number of chunks."""
        used = sorted({p.layer for p in planned})
        level = torch.arange(len(used))
        return BatchFeature(
            {
                "neurons_per_tensor": torch.tensor([p.neurons for p in planned]),
                "tensor_is_bias": torch.tensor([p.is_bias for p in planned]),
                "tensor_features": features,
                "tensors_per_layer": torch.tensor([sum(p.layer == number for p in planned) for number in used]),
                "layer_roles": torch.tensor([ROLES.index(layers[number].role) for number in used]),
                "layer_levels": torch.stack([level, level.flip(0)], 1),
                "layers_per_network": torch.tensor([len(used)]),
            }
        )

    def measure(self, tensor: Any, plan: PlannedTensor, max_chunks: int = 8192) -> Standard:
        """One pass over a tensor, block by block."""
        total = squares = largest = 0.0
        nonfinite = 0
        for tile in tiles(plan.matrix, self.chunk_size, max_chunks):
            block = read_tile(tensor, plan.matrix, tile)
            finite = block.isfinite()
            if not bool(finite.all()):
                nonfinite += int((~finite).sum())
                block = block.where(finite, 0)
            top = float(block.abs().max())
            largest = max(largest, top)
            # Divided by the largest magnitude first: the square of 3e38 is infinite, of 1e-40 is zero.
            unit = block / top if top > 0 else block
            total += float(unit.sum(dtype=torch.float64)) * top
            squares += float(unit.square().sum(dtype=torch.float64)) * top**2
        count = plan.matrix.out * plan.matrix.fan_in
        return Standard(math.sqrt(squares / count), total / count, largest, nonfinite)

    @staticmethod
    def features(standard: Standard, plan: PlannedTensor) -> list[float]:
        """Scale and shape of a tensor, each of the order of 1: logarithms are to base 10 and bounded."""

        def log(value: float) -> float:
            return math.log10(min(max(value, 1e-12), 1e12))

        matrix, rms = plan.matrix, standard.rms
        return [
            log(rms),
            log(rms * math.sqrt(matrix.fan_in)),
            standard.mean / rms if rms > 0 else 0.0,
            log(standard.largest / rms) if rms > 0 else 0.0,
            log(matrix.fan_in),
            log(matrix.out),
            log(matrix.kernel),
            float(plan.feeds),
        ]

    def _tensor_blocks(
        self, tensor: Any, plan: PlannedTensor, standard: Standard, max_chunks: int
    ) -> Iterator[dict[str, Tensor]]:
        # Trap 2 of the paper as written: raw scalars are washed out by the layers that follow, so each tensor is
        # standardised (by its root mean square: zero stays zero, signs stay) and the scale is given as a feature.
        for tile in tiles(plan.matrix, self.chunk_size, max_chunks):
            block = standardise(read_tile(tensor, plan.matrix, tile), standard.rms)
            yield self._chunk_tile(block, plan, tile)

    def _chunk_tile(self, block: Tensor, plan: PlannedTensor, tile: Tile) -> dict[str, Tensor]:
        """Chunks of a block [rows, columns, kernel]: by rows for its own neurons, by columns for those that feed it."""
        values, lengths = pad_chunk(block, self.chunk_size)
        rows = torch.arange(tile.row, tile.row + tile.rows)
        if self.neuron_level:
            neurons = (rows * plan.neurons // plan.matrix.out).unsqueeze(1).expand(-1, len(lengths))
        else:
            before = chunks_per_row(tile.column, plan.matrix.kernel, self.chunk_size)
            neurons = torch.arange(before, before + len(lengths)).unsqueeze(0)
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


def standardise(values: Tensor, rms: float) -> Tensor:
    """Values over their tensor's root mean square, within +-MAX_STANDARD."""
    return (values / max(rms, 1e-30)).clamp_(-MAX_STANDARD, MAX_STANDARD)


def read_tile(tensor: Any, matrix: Matrix, tile: Tile) -> Tensor:
    """The float32 values of a block, [rows, columns, kernel]."""
    shape = tuple(tensor.shape)
    rows, columns = slice(tile.row, tile.row + tile.rows), slice(tile.column, tile.column + tile.columns)
    if len(shape) < 2:
        block = tensor[columns] if shape else tensor[...]
    elif matrix.out == shape[0] and matrix.inputs == shape[1]:
        block = tensor[rows, columns]
    else:  # no neuron level: the inputs run over (out, in)
        first, last = columns.start // shape[1], -(-columns.stop // shape[1])
        block = tensor[first:last].reshape(-1, matrix.kernel)[columns.start - first * shape[1] :][: tile.columns]
    return block.reshape(tile.rows, tile.columns, matrix.kernel).detach().to("cpu", torch.float32)  # type: ignore[no-any-return]


__all__ = ["NonFiniteElementsError", "NothingToEncodeError", "SneProcessor"]
