"""Convolutional networks of random architecture, as in the CNN Wild Park (Kofinas et al. 2024): LeNets among others."""

from torch import Tensor, nn

from hf_sne.zoo.families.parts import ACTIVATION, activation_module, option
from hf_sne.zoo.families.registry import Architecture, Family, Shape, register_family

SPACE = {
    "blocks": {
        "repeat": {
            "times": {"choice": [1, 2, 2, 3, 3, 4, 5]},
            "of": {
                "width": {"choice": [4, 6, 8, 12, 16, 24]},
                "kernel": {"choice": [3, 5]},
                "downsample": {"choice": ["none", "stride", "max_pool", "max_pool", "avg_pool"]},
                "norm": {"choice": ["none", "none", "batch"]},
                "skip": {"choice": [False, False, True]},
            },
        }
    },
    "padding": {"choice": [True, False]},
    "activation": ACTIVATION,
    "head": {"choice": ["flatten", "global_pool"]},
    "most_units": 512,
    "dense": {"repeat": {"times": {"choice": [0, 0, 1, 2]}, "of": {"choice": [16, 32, 64, 84, 120]}}},
}
_STRIDES = {"none": 1, "stride": 2, "max_pool": 1, "avg_pool": 1}
_POOLS: dict[str, type[nn.Module]] = {"max_pool": nn.MaxPool2d, "avg_pool": nn.AvgPool2d}
_SMALLEST = 4  # pixels along a side of a map that may still be halved


class SkipBlock(nn.Module):
    """A body whose input is added to its output, through a 1x1 projection where the shape changes."""

    def __init__(self, body: nn.Module, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = body
        same = (channels, 1) == (width, stride)
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, width, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [batch, channels, height, width] to what the body makes of it."""
        return self.body(x) + self.shortcut(x)  # type: ignore[no-any-return]


def _block(
    block: Architecture, channels: int, size: int, activation: str, *, padded: bool
) -> tuple[list[nn.Module], int]:
    """Convolution, norm, activation and pooling of one block, and the size of its map: at least 2 for 2 or more."""
    downsample = block["downsample"] if size >= _SMALLEST else "none"
    stride = option(_STRIDES, downsample, "downsample")
    # A larger kernel would have weights that no pixel ever meets.
    kernel = min(block["kernel"], 2 * size - 1)
    padding = kernel // 2 if padded or block["skip"] or size < 2 * kernel else 0
    normed = option({"none": False, "batch": True}, block["norm"], "norm")
    layers: list[nn.Module] = [
        nn.Conv2d(channels, block["width"], kernel, stride=stride, padding=padding, bias=not normed)
    ]
    if normed:
        layers.append(nn.BatchNorm2d(block["width"]))
    if block["skip"]:
        layers = [SkipBlock(nn.Sequential(*layers), channels, block["width"], stride)]
    layers.append(activation_module(activation))
    size = (size + 2 * padding - kernel) // stride + 1
    if downsample in _POOLS:
        layers.append(_POOLS[downsample](2))
        size //= 2
    return layers, size


def _pool_before_head(architecture: Architecture, channels: int, size: int) -> tuple[nn.Module, int]:
    """What makes a map small enough to be flattened, to ``most_units`` at most, and its size after that."""
    if option({"flatten": False, "global_pool": True}, architecture["head"], "head"):
        return nn.AdaptiveAvgPool2d(1), 1
    # Networks of zoos made before this was a choice do not tell it.
    most = architecture.get("most_units", SPACE["most_units"])
    pool = next((k for k in range(1, size) if channels * (size // k) ** 2 <= most), size)
    return nn.AvgPool2d(pool) if pool > 1 else nn.Identity(), size // pool


def build(architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    """Blocks, flatten or global average pool, dense layers with dropout before each."""
    channels, size, _ = shape
    activation, padded = architecture["activation"], architecture["padding"]
    layers: list[nn.Module] = []
    for block in architecture["blocks"]:
        more, size = _block(block, channels, size, activation, padded=padded)
        layers += more
        channels = block["width"]
    pool, size = _pool_before_head(architecture, channels, size)
    layers += [pool, nn.Flatten(), nn.Dropout(0.0)]
    units = channels * size * size
    for dense in architecture["dense"]:
        layers += [nn.Linear(units, dense), activation_module(activation), nn.Dropout(0.0)]
        units = dense
    return nn.Sequential(*layers, nn.Linear(units, classes))


CNN = register_family(Family("cnn", SPACE, build))
