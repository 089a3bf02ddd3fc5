"""Small networks that several tests look at."""

from itertools import pairwise

import torch
from torch import nn

from hf_sne.weights import Layer, open_checkpoint


def mlp(sizes: tuple[int, ...] = (20, 40, 12, 10), seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn(seed: int = 0, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Convolutions, batch norm, max pooling, flatten to several columns a channel, dense layers; 1x12x12 inputs."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3),
        activation(),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 20),
        activation(),
        nn.Linear(20, 10),
    )
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if "1." in name and tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    return network.eval()


def layers_of(network: nn.Module) -> tuple[Layer, ...]:
    return open_checkpoint(network).layers
