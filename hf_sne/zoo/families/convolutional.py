"""Plain convolutional networks, from three-layer global-pool CNNs to LeNets with two hidden dense layers."""

from random import Random

from torch import nn

from hf_sne.zoo.families.activations import activation_module, draw_activation
from hf_sne.zoo.families.registry import Architecture, Family, Shape, register_family


def draw(rng: Random) -> Architecture:
    """One to three convolutions (stride or max pooling), optional batch norm, global pool or flatten, dense head."""
    width = rng.choice([6, 8, 12, 16])
    grow = rng.choice([1.0, 1.5, 2.0])
    depth = rng.choice([1, 2, 2, 3, 3])
    head = rng.choice(["flatten", "flatten", "global_pool"])
    return {
        "widths": [int(width * grow**level) for level in range(depth)],
        "kernel": rng.choice([3, 5, 5]),
        "downsample": rng.choice(["max_pool", "max_pool", "stride"]),
        "padding": rng.choice([True, False]),
        "batch_norm": rng.random() < 0.2,
        "head": head,
        "dense": rng.choice([[], [32], [64], [120, 84], [64, 32]]) if head == "flatten" else rng.choice([[], [32]]),
        "activation": draw_activation(rng),
        "dropout": rng.choice([0.0, 0.0, 0.2, 0.4]),
    }


def _spatial(size: int, kernel: int, padding: int, stride: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


def build(architecture: Architecture, shape: Shape, classes: int) -> nn.Module:
    """The module of an architecture that :func:`draw` made; small images get padding so that no map vanishes."""
    channels, size, _ = shape
    features: list[nn.Module] = []
    for width in architecture["widths"]:
        kernel = min(architecture["kernel"], size if size % 2 else size - 1) if size > 1 else 1
        padding = kernel // 2 if architecture["padding"] or size < 2 * kernel else 0
        stride = 2 if architecture["downsample"] == "stride" and size > 2 else 1
        features.append(nn.Conv2d(channels, width, kernel, stride=stride, padding=padding))
        if architecture["batch_norm"]:
            features.append(nn.BatchNorm2d(width))
        features.append(activation_module(architecture["activation"]))
        size = _spatial(size, kernel, padding, stride)
        if architecture["downsample"] == "max_pool" and size > 2:
            features.append(nn.MaxPool2d(2))
            size //= 2
        channels = width
    if architecture["head"] == "global_pool":
        features.append(nn.AdaptiveAvgPool2d(1))
        size = 1
    head: list[nn.Module] = [nn.Flatten()]
    units = channels * size * size
    for dense in architecture["dense"]:
        head += [nn.Linear(units, dense), activation_module(architecture["activation"])]
        units = dense
    if architecture["dropout"]:
        head.append(nn.Dropout(architecture["dropout"]))
    return nn.Sequential(*features, *head, nn.Linear(units, classes))


CNN = register_family(Family("cnn", draw, build))
