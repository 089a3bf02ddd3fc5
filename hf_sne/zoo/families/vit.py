"""Tiny vision transformers (Dosovitskiy et al. 2021), without a class token: the mean of all tokens is classified."""

from collections import OrderedDict

from torch import Tensor, nn

from hf_sne.zoo.families.parts import AddPosition, MeanOverTokens, SelfAttention, ToTokens, activation_module
from hf_sne.zoo.families.registry import Architecture, Family, Shape, register_family

SPACE = {
    "patches": {"choice": [4, 7]},
    "depth": {"integers": [1, 3]},
    "width": {"choice": [16, 24, 32, 48]},
    "heads": {"choice": [2, 4]},
    "mlp_ratio": {"choice": [1, 2]},
    "activation": {"choice": ["gelu", "gelu", "relu", "silu"]},
}


class TransformerBlock(nn.Module):
    """Attention and a two-layer perceptron, each after a layer norm and added to its input."""

    def __init__(self, width: int, heads: int, mlp_width: int, activation: str) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.dropout1 = nn.Dropout(0.0)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_width), activation_module(activation), nn.Linear(mlp_width, width)
        )
        self.dropout2 = nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [batch, tokens, width] to the same."""
        x = x + self.dropout1(self.attention(self.norm1(x)))
        return x + self.dropout2(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


def build(architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    """About ``patches`` square patches of 2 or more pixels along a side, then the blocks."""
    channels, size, _ = shape
    width = architecture["width"]
    patch = max(2, size // architecture["patches"])
    blocks = [
        TransformerBlock(width, architecture["heads"], architecture["mlp_ratio"] * width, architecture["activation"])
        for _ in range(architecture["depth"])
    ]
    layers: dict[str, nn.Module] = {
        "patch_embed": nn.Conv2d(channels, width, patch, stride=patch),
        "to_tokens": ToTokens(),
        "pos_embed": AddPosition((size // patch) ** 2, width),
        "dropout": nn.Dropout(0.0),
        "blocks": nn.Sequential(*blocks),
        "pool": MeanOverTokens(),
        "norm": nn.LayerNorm(width),
        "head": nn.Linear(width, classes),
    }
    return nn.Sequential(OrderedDict(layers))


VIT = register_family(Family("vit", SPACE, build))
