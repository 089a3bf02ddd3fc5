"""The parts of SNE: chunk, neuron, layer and network encoder (arXiv 2305.16625, sections 3.1 to 3.3)."""

import math

import torch
from torch import Tensor, nn

from .configuration_sne import SneConfig
from .set_layers import Mlp, Sets, SetToSet, SetToVector
from .standards import NUM_TENSOR_FEATURES


def sinusoids(positions: Tensor, size: int) -> Tensor:
    """Sinusoidal encoding of positions [n] -> [n, size] (Vaswani et al. 2017)."""
    # The paper names "variants of Vaswani" and gives no formula; this is the original one, base 10,000.
    half = (size + 1) // 2
    rates = torch.exp(torch.arange(half, device=positions.device) * (-math.log(10_000.0) / half))
    angles = positions.unsqueeze(-1) * rates
    return torch.cat([angles.sin(), angles.cos()], -1)[:, :size]


class LayerPositions(nn.Module):
    """PE_level and PE_type: where a layer stands and what it is, [l] -> [l, size]."""

    def __init__(self, config: SneConfig, size: int) -> None:
        super().__init__()
        self.size = size
        self.with_level, self.with_type = config.level_positions, config.type_positions

    def forward(self, levels: Tensor, roles: Tensor, dtype: torch.dtype) -> Tensor:
        """Levels [l, 2] counted from the front and the back, roles [l]."""
        code = torch.zeros(len(roles), self.size, device=roles.device)
        if self.with_level:
            # The paper counts from the front. The back is added: the classifier is then the same level at any depth.
            code += sinusoids(levels[:, 0], self.size) + sinusoids(levels[:, 1] + 0.5, self.size)
        if self.with_type:
            code += sinusoids(1000.0 + 10.0 * roles, self.size)
        return code.to(dtype)


def _set_to_set(config: SneConfig, kind: str, size: int) -> SetToSet:
    return SetToSet(kind, size, depth=config.num_set_layers, heads=config.num_heads, inducing=config.num_inducing)


class ChunkEncoder(nn.Module):
    """Gamma_a[Phi_2(PE(Phi_1(chunk)))]: chunks [n, c] -> codes [n, element_size] (paper, equation 3)."""

    def __init__(self, config: SneConfig) -> None:
        super().__init__()
        size = config.element_size
        self.slope = nn.Parameter(torch.empty(size))
        # Trap 1: without positions and without a neuron level, no permutation of any kind can change the code.
        rows = 1 if config.element_positions == "none" else config.chunk_size
        self.offset = nn.Parameter(torch.empty(rows, size))
        self.projection = Mlp(config.chunk_size, 2 * size, size) if config.element_positions == "projected" else None
        self.set_to_set1 = _set_to_set(config, config.element_set_to_set, size)
        self.set_to_set2 = _set_to_set(config, config.element_set_to_set, size)
        self.set_to_vector = SetToVector(config.element_set_to_vector, size, heads=config.num_heads)
        self.pools_directly = self.set_to_set1.is_identity and config.element_set_to_vector == "mean"

    def forward(self, values: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Values [n, c] of which the first ``lengths`` [n] count; positions [n, element_size] of their layers."""
        # The paper embeds scalars by a linear map. With a ReLU each feature counts the weights beyond a threshold, so
        # that already the mean over a chunk describes their distribution, without attention inside the chunk.
        elements = torch.addcmul(self.offset, values.unsqueeze(-1), self.slope).relu_()
        mask = torch.arange(values.shape[1], device=values.device) < lengths.unsqueeze(1)
        if self.pools_directly:
            # The mean commutes with adding a position, so positions are added once a chunk, not once an element.
            weights = mask.to(values.dtype) / lengths.unsqueeze(1)
            code = torch.bmm(weights.unsqueeze(1), elements).squeeze(1) + positions
        else:
            sets = Sets(mask.nonzero()[:, 0], len(values))
            rows = self.set_to_set1(elements[mask], sets) + positions[sets.index]
            code = self.set_to_vector(self.set_to_set2(rows, sets), sets)
        return code if self.projection is None else code + self.projection(values * mask)


class NeuronEncoder(nn.Module):
    """Joins what enters a neuron and what leaves it: codes of both views [u, 2, element_size] -> [u, hidden_size]."""

    # The paper has no neuron level. It makes the cost of a layer linear in its chunks (trap 3), and joining the views
    # is what tells a legal permutation of hidden units from a shuffle of one side, which breaks the network (trap 1).
    def __init__(self, config: SneConfig) -> None:
        super().__init__()
        self.mlp = Mlp(2 * config.element_size + 1, 2 * config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, codes: Tensor, has_outgoing: Tensor) -> Tensor:
        """Mean codes of the chunks of each view, zeros where nothing leaves; has_outgoing [u]."""
        return self.dropout(self.mlp(torch.cat([codes.flatten(1), has_outgoing.unsqueeze(1)], 1)))  # type: ignore[no-any-return]


class LayerEncoder(nn.Module):
    """Gamma_b[Phi_3(neuron codes)], and the merge of weight and bias: [u, h] -> [l, h] (paper, equation 4)."""

    def __init__(self, config: SneConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.set_to_set = _set_to_set(config, config.layer_set_to_set, size)
        self.set_to_vector = SetToVector(config.layer_set_to_vector, size, heads=config.num_heads)
        self.features = Mlp(NUM_TENSOR_FEATURES, size, size) if config.tensor_features else None
        self.merge = Mlp(2 * size, 2 * size, size)

    def forward(self, neurons: Tensor, tensors: Sets, layers: Sets, is_bias: Tensor, features: Tensor) -> Tensor:
        """``tensors`` says each neuron's tensor, ``layers`` each tensor's layer; features [t, 8], is_bias [t]."""
        codes = self.set_to_vector(self.set_to_set(neurons, tensors), tensors)
        if self.features is not None:
            codes = codes + self.features(features)
        sides = [Sets(layers.index[side], layers.count).sum(codes[side]) for side in (~is_bias, is_bias)]
        return self.merge(torch.cat(sides, -1))  # type: ignore[no-any-return]


class NetworkEncoder(nn.Module):
    """Gamma_g[Phi_4(PE(layer codes))]: [l, h] -> [b, embedding_size] (paper, equation 5)."""

    def __init__(self, config: SneConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.set_to_set = _set_to_set(config, config.network_set_to_set, size)
        self.set_to_vector = SetToVector(config.network_set_to_vector, size, heads=config.num_heads)
        self.last_layer = config.last_layer

    def forward(self, layers: Tensor, networks: Sets) -> Tensor:
        """``networks`` says each layer's network."""
        codes = self.set_to_set(layers, networks)
        pooled: Tensor = self.set_to_vector(codes, networks)
        # The classifier's weights tell more than other layers', in every architecture; the paper pools it with them.
        return torch.cat([pooled, networks.last(codes)], 1) if self.last_layer else pooled
