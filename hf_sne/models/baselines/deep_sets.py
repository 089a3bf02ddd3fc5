"""DeepSets on chunks of weights: every chunk of a network, of whatever layer, is an element of one set."""

import torch
from torch import Tensor, nn

from hf_sne.models.sne.set_layers import Mlp, Sets
from hf_sne.models.sne.standards import NUM_TENSOR_FEATURES

_LEVELS = 2


class DeepSets(nn.Module):
    """rho(mean over chunks of phi(chunk)) (Zaheer et al. 2017), networks of any architecture.

    A chunk brings its standardised weights, and the scale, shape and depth of its tensor: all that SNE is told but for
    which chunks belong together.

    Args:
        chunk_size: Elements in a chunk.
        hidden_size: Width of phi and rho.
    """

    def __init__(self, chunk_size: int = 32, hidden_size: int = 128) -> None:
        super().__init__()
        self.phi = Mlp(chunk_size + NUM_TENSOR_FEATURES + _LEVELS, hidden_size, hidden_size)
        self.rho = Mlp(hidden_size, hidden_size, 1)

    def forward(
        self,
        chunk_values: Tensor,
        chunk_neurons: Tensor,
        neurons_per_tensor: Tensor,
        tensors_per_layer: Tensor,
        layers_per_network: Tensor,
        tensor_features: Tensor,
        layer_levels: Tensor,
        **_: Tensor,
    ) -> Tensor:
        """Logits [b] of a batch that :class:`~hf_sne.models.sne.SneProcessor` makes without a neuron level."""
        tensors = _owners(neurons_per_tensor)[chunk_neurons]
        layers = _owners(tensors_per_layer)[tensors]
        networks = _owners(layers_per_network)[layers]
        told = [chunk_values, tensor_features[tensors], layer_levels[layers].float().log1p()]
        sets = Sets(networks, len(layers_per_network))
        codes: Tensor = self.phi(torch.cat(told, 1))
        return self.rho(sets.mean(codes)).squeeze(1)  # type: ignore[no-any-return]


def _owners(counts: Tensor) -> Tensor:
    """Which of the sets each member belongs to, sets being runs of ``counts`` members."""
    return torch.repeat_interleave(counts)
