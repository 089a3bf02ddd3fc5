"""Small residual networks with batch norm."""

from random import Random

from torch import Tensor, nn

from hf_sne.zoo.families.registry import Architecture, Family, Shape, register_family


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a 1x1 projection where the shape changes (He et al. 2016)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.shortcut = nn.Conv2d(channels, width, 1, stride=stride) if (channels, 1) != (width, stride) else None

    def forward(self, x: Tensor) -> Tensor:
        """Maps [batch, channels, height, width] to [batch, width, height / stride, width / stride]."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + (x if self.shortcut is None else self.shortcut(x)))  # type: ignore[no-any-return]


def draw(rng: Random) -> Architecture:
    """A strided stem and one to three blocks of 6 to 16 channels, doubling where the map halves."""
    width = rng.choice([6, 8, 12, 16])
    strides = [rng.choice([1, 2]) for _ in range(rng.randint(1, 3))]
    return {"width": width, "strides": strides, "activation": "relu"}


def build(architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    """The module of an architecture that :func:`draw` made."""
    channels, size, _ = shape
    width = architecture["width"]
    stem = 2 if size > 16 else 1
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, 3, stride=stem, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
    for stride in architecture["strides"]:
        layers.append(ResidualBlock(width, width * stride, stride))
        width *= stride
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


RESNET = register_family(Family("resnet", draw, build))
