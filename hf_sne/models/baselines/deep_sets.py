"""DeepSets on chunks of weights: every chunk of a network, of whatever layer, is an element of one set."""

import torch
from torch import Tensor, nn

from hf_sne.models.sne.modeling_sne import StructureIndex
from hf_sne.models.sne.set_layers import Mlp, Sets
from hf_sne.models.sne.standards import NUM_TENSOR_FEATURES

_LEVELS = 2


class DeepSets(nn.Module):
    """rho(mean over chunks of phi(chunk)) (Zaheer et al. 2017), networks of any architecture.

    A chunk brings its standardised weights, and the scale and shape of its tensor. Unlike SNE it is not told which
    chunks belong together, nor statistics of layers.

    Args:
        chunk_size: Elements in a chunk.
        hidden_size: Width of phi and rho.
        level_positions: Whether a chunk also brings where its layer stands, from the front and from the back.
    """

    def __init__(self, chunk_size: int = 32, hidden_size: int = 128, *, level_positions: bool = True) -> None:
        super().__init__()
        self.level_positions = level_positions
        self.phi = Mlp(chunk_size + NUM_TENSOR_FEATURES + _LEVELS * level_positions, hidden_size, hidden_size)
        self.rho = Mlp(hidden_size, hidden_size, 1)

    def forward(
        self, chunk_values: Tensor, chunk_neurons: Tensor, tensor_features: Tensor, layer_levels: Tensor, **rest: Tensor
    ) -> Tensor:
        """Logits [b] of a batch that :class:`~hf_sne.models.sne.SneProcessor` makes without a neuron level."""
        index = StructureIndex.of(rest)
        tensors = index.tensors.index[chunk_neurons]
        layers = index.layers.index[tensors]
        networks = Sets(index.networks.index[layers], index.networks.count)
        told = [chunk_values, tensor_features[tensors]]
        if self.level_positions:
            told.append(layer_levels[layers].float().log1p())
        # phi ends in a linear map, which the mean commutes with: taken first, it leaves one row a network to map.
        units = nn.functional.gelu(self.phi.up(torch.cat(told, 1)))
        return self.rho(self.phi.down(networks.mean(units))).squeeze(1)  # type: ignore[no-any-return]
