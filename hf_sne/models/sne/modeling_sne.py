"""SNE: chunks -> neurons -> layers -> network code -> predicted accuracy (arXiv 2305.16625, sections 3.1 to 3.4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import ModelOutput

from .boosted_trees import BoostedTrees, pool_statistics
from .calibration_sne import Calibration
from .configuration_sne import SneConfig
from .encoders import ChunkEncoder, LayerEncoder, LayerPositions, NetworkEncoder, NeuronEncoder
from .heads import EnsembleHead, EnsembleLinear
from .planning import ROLES
from .set_layers import SeedAttention, Sets
from .standards import LOWEST_LOG
from .statistics_encoder import StatisticsEncoder


@dataclass
class SneOutput(ModelOutput):  # type: ignore[misc]
    """What the encoder knows of a batch of b networks with l layers.

    Args:
        network_embedding: [b, embedding_size].
        layer_embeddings: [l, hidden_size], in the order of the batch.
        mean_log_norms: [b], see :func:`mean_log_norms`.
        pooled_statistics: [b, i], see :func:`~.boosted_trees.pool_statistics`; None where a model has none.
    """

    network_embedding: Tensor | None = None
    layer_embeddings: Tensor | None = None
    mean_log_norms: Tensor | None = None
    pooled_statistics: Tensor | None = None


@dataclass
class SnePredictionOutput(ModelOutput):  # type: ignore[misc]
    """Predicted accuracy of b networks.

    Args:
        loss: Scalar, where labels were given; that of the head's members.
        logits: [b], before the sigmoid: those of the members' mean score, averaged with the trees'.
        member_logits: [b, head_members], of the head.
        scores: [b], predicted accuracy in [0, 1].
        network_embedding: [b, embedding_size].
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    member_logits: Tensor | None = None
    scores: Tensor | None = None
    network_embedding: Tensor | None = None


class SnePreTrainedModel(PreTrainedModel):  # type: ignore[misc]
    """Initialisation and loading of SNE models."""

    config_class = SneConfig
    config: SneConfig
    base_model_prefix = "sne"
    main_input_name = "chunk_values"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, ChunkEncoder):
            # Kinks -offset / slope spread over the bulk of standardised weights: the code starts as a soft histogram.
            init.normal_(module.slope)
            init.normal_(module.offset)
        elif isinstance(module, Calibration | BoostedTrees):
            module.reset()
        elif isinstance(module, StatisticsEncoder):
            module.reset_edges()
            # Hundreds of pieces that are all 0 to 1: a larger start drowns what the chunks say.
            bound = module.linear.in_features**-0.5
            init.uniform_(module.linear.weight, -bound, bound)
        elif isinstance(module, EnsembleLinear):
            module.reset_members()
        elif isinstance(module, SeedAttention):
            init.normal_(module.seeds, std=0.5)


class SneModel(SnePreTrainedModel):
    """The encoder: a code for each network and each layer, for networks of any architecture in one batch."""

    # A predictor's encoder alone is loaded on purpose.
    _keys_to_ignore_on_load_unexpected = [r"^head\.", r"^trees\.", r"^calibration\."]  # noqa: RUF012

    def __init__(self, config: SneConfig) -> None:
        super().__init__(config)
        self.chunk_positions = LayerPositions(config, config.element_size)
        self.layer_positions = LayerPositions(config, config.hidden_size)
        self.chunk_encoder = ChunkEncoder(config)
        self.neuron_encoder = NeuronEncoder(config)
        self.layer_encoder = LayerEncoder(config)
        self.statistics_encoder = StatisticsEncoder(config) if config.statistics else None
        self.network_encoder = NetworkEncoder(config)
        self.post_init()

    def forward(
        self,
        chunk_values: Tensor,
        chunk_lengths: Tensor,
        chunk_neurons: Tensor,
        chunk_views: Tensor,
        **structure: Tensor,
    ) -> SneOutput:
        """Encode the flat ragged batch that :class:`SneProcessor` makes; its docstring has the shapes."""
        fields = (chunk_values, chunk_lengths, chunk_neurons, chunk_views)
        parts = zip(*(field.split(self.config.max_chunks_per_batch) for field in fields), strict=True)
        names = ("chunk_values", "chunk_lengths", "chunk_neurons", "chunk_views")
        return self.encode_stream(structure, (dict(zip(names, part, strict=True)) for part in parts))

    def encode_stream(self, structure: dict[str, Tensor], blocks: Iterable[dict[str, Tensor]]) -> SneOutput:
        """Encode networks of any size: chunks come block by block, and only sums for each neuron are kept."""
        index = StructureIndex.of(structure)
        dtype = self.chunk_encoder.slope.dtype
        positions = self.chunk_positions(structure["layer_levels"], structure["layer_roles"], dtype)
        positions = positions[index.layers.index]
        slots = 2 * index.tensors.index.shape[0]
        # In float32 a long row stalls: adding 32 to 2^29 changes nothing. Apple's GPUs have no float64.
        exact = torch.float32 if positions.device.type == "mps" else torch.float64
        sums = positions.new_zeros(slots, positions.shape[1], dtype=exact)
        counts = positions.new_zeros(slots, dtype=exact)
        for block in blocks:
            block = {name: value.to(positions.device) for name, value in block.items()}
            slot = 2 * block["chunk_neurons"] + block["chunk_views"]
            lengths = block["chunk_lengths"]
            code = self.chunk_encoder(
                block["chunk_values"].to(dtype), lengths, positions[index.tensors.index[block["chunk_neurons"]]]
            )
            # Weighted by its elements, so that a neuron's mean is over elements and not over padded chunks.
            code = code.to(exact) * lengths.unsqueeze(1)
            sums = sums.index_add(0, slot, code) if torch.is_grad_enabled() else sums.index_add_(0, slot, code)
            counts.index_add_(0, slot, lengths.to(exact))
        means = (sums / counts.clamp(min=1).unsqueeze(1)).to(dtype).view(-1, 2, sums.shape[1])
        neurons = self.neuron_encoder(means, (counts.view(-1, 2)[:, 1] > 0).to(dtype))
        return self._encode_structure(neurons, index, structure)

    def _encode_structure(self, neurons: Tensor, index: "StructureIndex", structure: dict[str, Tensor]) -> SneOutput:
        """Neuron codes -> layer codes -> network codes."""
        is_bias = structure["tensor_is_bias"]
        tensors = index.tensors if self.config.separate_bias else index.joined_tensors(is_bias)
        features = structure["tensor_features"].to(neurons.dtype)
        layers = self.layer_encoder(neurons, tensors, index.layers, is_bias, features)
        layers = layers + self.layer_positions(structure["layer_levels"], structure["layer_roles"], layers.dtype)
        pooled = None
        if self.statistics_encoder is not None:
            layers = layers + self.statistics_encoder(structure["layer_statistics"], index.networks)
            if self.config.num_trees:
                pooled = pool_statistics(structure["layer_statistics"], index.networks)
        return SneOutput(
            network_embedding=self.network_encoder(layers, index.networks),
            layer_embeddings=layers,
            mean_log_norms=mean_log_norms(structure, index),
            pooled_statistics=pooled,
        )


@dataclass(frozen=True)
class StructureIndex:
    """Which tensor each neuron, which layer each tensor and which network each layer belongs to."""

    tensors: Sets
    layers: Sets
    networks: Sets

    @classmethod
    def of(cls, structure: dict[str, Tensor]) -> "StructureIndex":
        """From the counts in the processor's batch."""
        counts = (structure[name] for name in ("neurons_per_tensor", "tensors_per_layer", "layers_per_network"))
        return cls(*(Sets(torch.repeat_interleave(count), len(count)) for count in counts))

    def joined_tensors(self, is_bias: Tensor) -> Sets:
        """Neurons of a bias counted to the weight of its layer: the first tensor of the layer stands for both."""
        first = torch.full((self.layers.count,), len(is_bias), device=is_bias.device)
        number = torch.arange(len(is_bias), device=is_bias.device)
        first = first.scatter_reduce(0, self.layers.index, number, "amin")
        return Sets(first[self.layers.index][self.tensors.index], self.tensors.count)


_VECTORS = torch.tensor([ROLES.index("norm"), ROLES.index("other")])


def mean_log_norms(structure: dict[str, Tensor], index: StructureIndex) -> Tensor:
    """Mean over the weight matrices of the log10 of their Frobenius norm, [b]; those that are zero are left out.

    NaN where a network has none. What ranks networks without any training (Martin, Peng and Mahoney 2021).
    """
    scale, fan_in, out = structure["tensor_features"].float()[:, [0, 4, 5]].T
    roles = structure["layer_roles"][index.layers.index]
    counts = ~structure["tensor_is_bias"] & ~torch.isin(roles, _VECTORS.to(roles.device)) & (scale > LOWEST_LOG)
    owners = Sets(index.networks.index[index.layers.index[counts]], index.networks.count)
    sums: Tensor = owners.sum((scale + (fan_in + out) / 2)[counts])
    return sums / owners.sizes


def accuracy_loss(logits: Tensor, labels: Tensor, kind: str) -> Tensor:
    """BCE on the raw accuracy, or MSE on the score (paper, section 3.5); logits [b] or [b, k], labels [b] in [0, 1]."""
    targets = labels.float().view(-1, *[1] * (logits.ndim - 1)).expand_as(logits)
    if kind == "bce":
        return nn.functional.binary_cross_entropy_with_logits(logits, targets)
    return nn.functional.mse_loss(logits.sigmoid(), targets)


class SneForPerformancePrediction(SnePreTrainedModel):
    """SNE with a head that predicts the test accuracy, in [0, 1]."""

    def __init__(self, config: SneConfig) -> None:
        super().__init__(config)
        self.sne = SneModel(config)
        self.head = EnsembleHead(config)
        self.trees = BoostedTrees(config) if config.num_trees and config.statistics else None
        self.calibration = Calibration(config)
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As every transformers model; a folder or repo without a trained head is refused, not filled at random."""
        wanted = kwargs.pop("output_loading_info", False)
        model, info = super().from_pretrained(*args, output_loading_info=True, **kwargs)
        absent = sorted({*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])})
        if absent:
            raise ValueError(f"{args[0] if args else 'the model'} holds no trained predictor: it lacks {absent[:3]}")
        return (model, info) if wanted else model

    def forward(self, labels: Tensor | None = None, **inputs: Tensor) -> SnePredictionOutput:
        """Predict a batch of the processor's; ``labels`` [b] are accuracies in [0, 1]."""
        return self.predict(self.sne(**inputs), labels)

    def predict(self, encoded: SneOutput, labels: Tensor | None = None) -> SnePredictionOutput:
        """The head alone, on what :meth:`SneModel.forward` or :meth:`SneModel.encode_stream` gave."""
        assert encoded.network_embedding is not None
        norm_term = self._norm_term(encoded)
        members = self.head(encoded.network_embedding).float() + norm_term.unsqueeze(1)
        logits = members.sigmoid().mean(1).logit(eps=1e-7)
        if self.trees is not None:
            grown = self.trees(encoded.pooled_statistics).float() + norm_term
            logits = torch.lerp(logits, grown, self.trees.weight.float())
        return SnePredictionOutput(
            loss=None if labels is None else accuracy_loss(members, labels, self.config.loss),
            logits=logits,
            member_logits=members,
            scores=logits.sigmoid(),
            network_embedding=encoded.network_embedding,
        )

    def _norm_term(self, encoded: SneOutput) -> Tensor:
        """What the norms add to the logits, [b]; nothing where there are none, or in the middle of their range."""
        assert encoded.mean_log_norms is not None
        low, middle, high = self.config.norm_range
        return self.config.norm_weight * (encoded.mean_log_norms.nan_to_num(middle).clamp(low, high) - middle)


__all__ = ["SneForPerformancePrediction", "SneModel", "SneOutput", "SnePredictionOutput", "accuracy_loss"]
