"""Small residual networks with batch norm."""

from torch import Tensor, nn

from hf_sne.zoo.families.parts import activation_module
from hf_sne.zoo.families.registry import Architecture, Family, Shape, register_family

SPACE = {
    "activation": "relu",
    "width": {"choice": [6, 8, 12, 16]},
    "strides": {"repeat": {"times": {"choice": [1, 2, 3]}, "of": {"choice": [1, 2]}}},
}
_WIDEST = 48  # channels that doubling stops at
_STRIDED_STEM_ABOVE = 16  # pixels along a side


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a 1x1 projection where the shape changes (He et al. 2016)."""

    def __init__(self, channels: int, width: int, stride: int, activation: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.activation = activation_module(activation)
        same = (channels, 1) == (width, stride)
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, width, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [batch, channels, height, width] to [batch, width, height / stride, width / stride]."""
        out = self.bn2(self.conv2(self.activation(self.bn1(self.conv1(x)))))
        return self.activation(out + self.shortcut(x))  # type: ignore[no-any-return]


def build(architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    """A stem, strided on large images, and residual blocks whose channels double where the map halves."""
    channels, size, _ = shape
    width = architecture["width"]
    stride = 2 if size > _STRIDED_STEM_ABOVE else 1
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        activation_module(architecture["activation"]),
    ]
    for stride in architecture["strides"]:
        wider = max(width, min(width * stride, _WIDEST))
        layers.append(ResidualBlock(width, wider, stride, architecture["activation"]))
        width = wider
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


RESNET = register_family(Family("resnet", SPACE, build))
