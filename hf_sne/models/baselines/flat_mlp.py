"""All weights of a network of one architecture end to end, and a perceptron that reads them so."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from hf_sne.models.baselines.tensor_statistics import Network, OtherArchitectureError
from hf_sne.models.baselines.weight_statistics import check_one_architecture


def flat_weights(networks: Sequence[Network]) -> Tensor:
    """[n, parameters] of networks of one architecture: weight and bias of each layer, end to end.

    Raises ``OtherArchitectureError`` when two networks differ in the roles or shapes of their layers.
    """
    check_one_architecture(networks)
    pairs = [[tensor for layer in network for tensor in (layer.weight, layer.bias)] for network in networks]
    return torch.stack([torch.cat([t.flatten().float() for t in row if t is not None]) for row in pairs])


def check_size(flat: Tensor, size: int) -> None:
    """Raise ``OtherArchitectureError`` unless the rows of :func:`flat_weights` have ``size`` parameters."""
    if flat.shape[1] != size:
        raise OtherArchitectureError(
            f"networks of {flat.shape[1]} parameters, it was built for {size}",
            fix="compare predictors that read any architecture",
        )


class FlatMlp(nn.Module):
    """Two hidden layers on standardised weights: what a network tells that knows nothing of networks.

    Args:
        networks: Those to train on, of one architecture; each weight is standardised by theirs.
        hidden_size: Of both layers.
        dropout: In both layers.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, networks: Sequence[Network], hidden_size: int = 256, dropout: float = 0.5) -> None:
        super().__init__()
        flat = flat_weights(networks)
        self.register_buffer("mean", flat.mean(0))
        self.register_buffer("deviation", flat.std(0, correction=0).clamp(min=1e-6))
        sizes = (flat.shape[1], hidden_size, hidden_size)
        blocks = [
            block
            for inputs, outputs in pairwise(sizes)
            for block in (nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout))
        ]
        self.layers = nn.Sequential(*blocks, nn.Linear(hidden_size, 1))

    def forward(self, flat: Tensor) -> Tensor:
        """Logits [b] of the rows of :func:`flat_weights`, [b, parameters].

        Raises:
            OtherArchitectureError: the networks are of another size.
        """
        check_size(flat, len(self.mean))
        return self.layers((flat - self.mean) / self.deviation).squeeze(1)  # type: ignore[no-any-return]
