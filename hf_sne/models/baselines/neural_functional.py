"""NFN_NP and NFN_HNP, neural functionals of networks of one architecture, by the package ``nfn`` (extra ``bench``)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from hf_sne.models.baselines.flat_mlp import check_size, flat_weights
from hf_sne.models.baselines.tensor_statistics import Network, OtherArchitectureError
from hf_sne.optional import require

# Of the equivariant layers, and of the perceptron that reads what is pooled: as Zhou et al. on the Small CNN Zoo.
_CHANNELS = (1, 16, 16, 5)
_HIDDEN = 1000


class NeuralFunctional(nn.Module):
    """Equivariant layers, invariant pooling and a perceptron (Zhou et al. 2023, as set there to predict accuracies).

    Args:
        networks: Those to train on, of one architecture: chains of linear and convolution layers, all with a bias.
        kind: ``NP`` or ``HNP``.
        dropout: In the perceptron.

    Raises:
        MissingPackageError: ``nfn`` is not installed.
        OtherArchitectureError: a layer is none of these.
    """

    scale: Tensor

    def __init__(self, networks: Sequence[Network], kind: str, dropout: float = 0.5) -> None:
        super().__init__()
        require("nfn", "the NFN baselines", "bench")
        from nfn import layers
        from nfn.common import network_spec_from_wsfeat

        self._shapes = _shapes(networks[0])
        flat = flat_weights(networks)
        parts = flat.split([shape.numel() for shape in self._shapes], 1)
        # Weights of layers of different fan-in differ by orders of magnitude.
        self.register_buffer("scale", torch.cat([part.square().mean().sqrt().expand(part.shape[1]) for part in parts]))
        spec = network_spec_from_wsfeat(self._features(flat[:1]))
        linear, pool = getattr(layers, f"{kind}Linear"), getattr(layers, f"{kind}Pool")
        self.equivariant = nn.Sequential(
            *(
                block
                for inputs, outputs in pairwise(_CHANNELS)
                for block in (linear(spec, inputs, outputs), layers.TupleOp(nn.ReLU()))
            ),
            pool(spec),
            nn.Flatten(start_dim=-2),
        )
        self.head = nn.Sequential(
            nn.Linear(_CHANNELS[-1] * pool.get_num_outs(spec), _HIDDEN),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(_HIDDEN, 1),
        )

    def forward(self, flat: Tensor) -> Tensor:
        """Logits [b] of the rows of :func:`flat_weights`, [b, parameters].

        Raises:
            OtherArchitectureError: the networks are of another size.
        """
        check_size(flat, len(self.scale))
        return self.head(self.equivariant(self._features(flat))).squeeze(1)  # type: ignore[no-any-return]

    def _features(self, flat: Tensor) -> Any:
        from nfn.common import WeightSpaceFeatures

        parts = (flat / self.scale.clamp(min=1e-12)).split([shape.numel() for shape in self._shapes], 1)
        tensors = [part.view(-1, 1, *shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return WeightSpaceFeatures(tensors[::2], tensors[1::2])


def _shapes(network: Network) -> list[torch.Size]:
    """Of the weight and the bias of every layer; a dense layer after a flatten is a convolution over what it flattened.

    Its inputs come in as many groups as the layer before has channels, and only the groups can change places.
    """
    shapes: list[torch.Size] = []
    for number, layer in enumerate(network):
        if layer.role not in ("linear", "conv") or layer.weight is None or layer.bias is None:
            lacking = " without bias" if layer.bias is None else ""
            raise OtherArchitectureError(
                f"layer {number} is of the role {layer.role!r}{lacking}",
                fix="NFN reads linear and convolution layers with a bias alone",
            )
        weight = layer.weight.shape
        channels = shapes[-1][0] if shapes else weight[1]
        if len(weight) == 2 and weight[1] != channels and weight[1] % channels == 0:
            weight = torch.Size((weight[0], channels, weight[1] // channels, 1))
        shapes += [weight, layer.bias.shape]
    return shapes
