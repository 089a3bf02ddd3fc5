"""What an SNE encoder is made of (Andreis et al., NeurIPS 2024, arXiv 2305.16625)."""

import os
from dataclasses import field
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .traveling_sne import MODEL_CLASSES, copy_code, has_traveled

SET_TO_SET = ("identity", "mlp", "deepset", "isab", "sab")
SET_TO_VECTOR = ("mean", "max", "moments", "pma")
# Of the network alone: moments side by side, not merged to one width.
NETWORK_TO_VECTOR = (*SET_TO_VECTOR, "stacked")
POSITIONS = ("none", "added", "projected")
LOSSES = ("bce", "mse")
# Groups of layer statistics; what is in each: layer_statistics.py.
STATISTICS = ("shape", "distribution", "values", "spectrum", "units", "kernel", "coupling")


@strict
class SneConfig(PreTrainedConfig):  # type: ignore[misc]
    """Configuration of :class:`SneModel`; every choice that the paper makes or leaves open is a field.

    Args:
        chunk_size: Elements in a chunk, ``c`` of the paper; one value for all layer types.
        hidden_size: Width ``h`` of chunk, neuron, layer and network codes.
        element_size: Width in which the elements of a chunk are embedded before they are pooled; the paper has ``h``.
        neuron_level: Pool chunks to neurons and neurons to the layer. False: chunks straight to the layer (paper).
        outgoing_view: A neuron's code also reads the weights that leave it for the next layer; needs neuron_level.
        max_neurons: Neuron codes of one network, so that memory has a bound; with more rows, neighbours share codes.
        standardise: Divide each tensor by its root mean square; False: raw weights (paper).
        max_chunks_per_batch: Chunks encoded at a time; bounds memory and does not change the result.
        element_set_to_set: Set functions Phi_1 and Phi_2 inside a chunk.
        element_set_to_vector: Gamma_a, elements to chunk code.
        layer_set_to_set: Phi_3 over the neurons (or chunks) of a tensor.
        layer_set_to_vector: Gamma_b, neurons (or chunks) to layer code.
        network_set_to_set: Phi_4 over the layers; without it and without positions an encoder of some families ranks
            others better, and its own no worse.
        network_set_to_vector: Gamma_g, layers to network code; ``stacked`` makes it three times as wide.
        last_layer: The last layer's code, the classifier's, stands beside the pooled codes too; False (paper).
        num_set_layers: Blocks in each Phi; the paper has 2, SAB(SAB(x)).
        num_heads: Attention heads in sab, isab and pma.
        num_inducing: Inducing points of isab.
        element_positions: Position of an element in its chunk: none (paper), added before the nonlinearity, or
            projected (added, and one learned linear map of the whole chunk beside the pooled elements).
        level_positions: Sinusoidal encoding of the layer's depth, from the front and from the back (paper: the front).
        type_positions: Sinusoidal encoding of the layer's type (paper).
        separate_bias: Encode a layer's bias as a set of its own and merge the codes (paper); else one common set.
        tensor_features: Give the scale and shape that standardisation takes away back as features.
        statistics: Groups of layer statistics that stand beside the learned codes, of :data:`STATISTICS`; none (paper).
        statistics_bins: Pieces in which each statistic is read, between quantiles of the training zoos.
        statistics_dropout: Share of the statistics that a training step hides, of a network's layers all the same ones.
        num_trees: Boosted trees on the statistics, whose logits are averaged with the head's; none without statistics;
            0 (paper).
        tree_leaves: Leaves of a tree, at least 2.
        head_layers: Hidden layers of the prediction head.
        head_members: Predictors in the head, which share most weights and are averaged; 1 (paper).
        dropout: Dropout in the head and on the neuron codes.
        norm_weight: What the mean log norm of a network's matrices adds to its logit, per unit; set after training, by
            predictions of networks of other kinds (:mod:`hf_sne.training.stacking`); 0 (paper).
        norm_range: Mean log norms that are told apart: the lowest, the one that adds nothing, and the highest; those
            beyond count as the ends.
        loss: ``bce`` on the raw accuracy, or ``mse`` on the score.
        predictor_name: What the predictor is called in reports.
        predictor_version: Its version in reports.
        num_references: Training networks, drawn at random, that are kept to tell how familiar a network is, which are
            nearest to it and how large errors are there; 0: not calibrated.
        interval_level: Nominal coverage of the interval.
        in_distribution_percentile: Up to this distance percentile a network counts as in distribution.
    """

    model_type = "sne"

    chunk_size: int = 32
    hidden_size: int = 64
    element_size: int = 32
    neuron_level: bool = True
    outgoing_view: bool = True
    max_neurons: int = 65_536
    standardise: bool = True
    max_chunks_per_batch: int = 2048
    element_set_to_set: str = "identity"
    element_set_to_vector: str = "mean"
    layer_set_to_set: str = "deepset"
    layer_set_to_vector: str = "moments"
    network_set_to_set: str = "identity"
    network_set_to_vector: str = "stacked"
    last_layer: bool = True
    num_set_layers: int = 1
    num_heads: int = 4
    num_inducing: int = 8
    element_positions: str = "none"
    level_positions: bool = False
    type_positions: bool = False
    separate_bias: bool = True
    tensor_features: bool = True
    statistics: list[str] = field(default_factory=lambda: list(STATISTICS))
    statistics_bins: int = 16
    statistics_dropout: float = 0.0
    num_trees: int = 300
    tree_leaves: int = 8
    head_layers: int = 2
    head_members: int = 8
    dropout: float = 0.1
    norm_weight: float = 0.0
    norm_range: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    loss: str = "bce"
    predictor_name: str = "sne"
    predictor_version: str = "0"
    num_references: int = 0
    interval_level: float = 0.9
    in_distribution_percentile: float = 95.0

    def __post_init__(self, **kwargs: Any) -> None:
        """Refuse what cannot be built, with both values and the rule."""
        if not has_traveled(__name__):
            # transformers takes the pipeline that travels with the weights before the one that is registered.
            kwargs.pop("custom_pipelines", None)
        allowed = {
            "element_set_to_set": SET_TO_SET,
            "layer_set_to_set": SET_TO_SET,
            "network_set_to_set": SET_TO_SET,
            "element_set_to_vector": SET_TO_VECTOR,
            "layer_set_to_vector": SET_TO_VECTOR,
            "network_set_to_vector": NETWORK_TO_VECTOR,
            "element_positions": POSITIONS,
            "loss": LOSSES,
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}, must be one of {', '.join(choices)}")
        if len(self.norm_range) != 3 or self.norm_range != sorted(self.norm_range):
            raise ValueError(f"norm_range is {self.norm_range}, must be three numbers, the lowest first")
        self._check_parts()
        super().__post_init__(**kwargs)

    def _check_parts(self) -> None:
        unknown = [name for name in self.statistics if name not in STATISTICS]
        if unknown:
            raise ValueError(f"statistics names {unknown[0]!r}, must be of {', '.join(STATISTICS)}")
        positive: tuple[str, ...] = ("chunk_size", "hidden_size", "element_size", "max_neurons", "max_chunks_per_batch")
        positive += ("num_set_layers", "num_heads", "num_inducing", "statistics_bins", "head_members")
        for name, least in {**dict.fromkeys(positive, 1), "num_trees": 0, "tree_leaves": 2}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least {least}")
        for name in ("hidden_size", "element_size"):
            if getattr(self, name) % self.num_heads:
                raise ValueError(f"{name} is {getattr(self, name)}, must be a multiple of num_heads, {self.num_heads}")
        if self.outgoing_view and not self.neuron_level:
            raise ValueError("outgoing_view is True and neuron_level False: the outgoing view is a part of a neuron")

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """As every transformers configuration, and beside it the code that it is of."""
        copy_code(save_directory)
        self.auto_map = dict(MODEL_CLASSES)
        super().save_pretrained(save_directory, **kwargs)

    @property
    def embedding_size(self) -> int:
        """Width of the network code."""
        return self.hidden_size * ((3 if self.network_set_to_vector == "stacked" else 1) + self.last_layer)

    @classmethod
    def paper(cls, **changes: Any) -> "SneConfig":
        """The encoder as the paper states it: attention everywhere, no neuron level, raw weights.

        What is left of this project's own: a ReLU where scalars are embedded, an MLP over each chunk's code, levels
        that count from the back too, and one position a layer after weight and bias are merged.
        """
        fields: dict[str, Any] = {
            "neuron_level": False,
            "outgoing_view": False,
            "element_size": 64,
            "element_set_to_set": "sab",
            "layer_set_to_set": "sab",
            "network_set_to_set": "sab",
            "element_set_to_vector": "pma",
            "layer_set_to_vector": "pma",
            "network_set_to_vector": "pma",
            "num_set_layers": 2,
            "level_positions": True,
            "type_positions": True,
            "tensor_features": False,
            "standardise": False,
            "statistics": [],
            "last_layer": False,
            "num_trees": 0,
            "head_layers": 1,
            "head_members": 1,
            "dropout": 0.0,
        }
        return cls(**(fields | changes))


__all__ = ["SneConfig"]
