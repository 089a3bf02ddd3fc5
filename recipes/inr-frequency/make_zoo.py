"""A zoo of sine INRs: python recipes/inr-frequency/make_zoo.py --output zoos/sine-inrs.

Each network of two hidden layers of 32 sines is fitted to y = sin(frequency x) on [-pi, pi], all of them at once.
"""

import json
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track
from torch import Tensor

from hf_sne.zoo.card import write_card
from hf_sne.zoo.schema import LABELS, Layout, Rows, Vector
from hf_sne.zoo.write import write_zoo

WIDTH = 32
POINTS = 200
NAMES = ("0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias")
# Of the uniform initialisation, as SIREN has it (Sitzmann et al. 2020): frequencies up to 5 in the first layer.
BOUNDS = (5.0, math.pi, (6 / WIDTH) ** 0.5, WIDTH**-0.5, (6 / WIDTH) ** 0.5, WIDTH**-0.5)
SHAPES = ((WIDTH, 1), (WIDTH,), (WIDTH, WIDTH), (WIDTH,), (1, WIDTH), (1,))


def main(
    output: Annotated[Path, typer.Option(help="Folder of the zoo.")],
    networks: Annotated[int, typer.Option(min=10, help="INRs.")] = 2000,
    steps: Annotated[int, typer.Option(min=1, help="Steps of Adam, with all points in each.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the frequencies and the initialisations.")] = 0,
    same_start: Annotated[bool, typer.Option("--same-start", help="All start from the same weights.")] = False,
) -> None:
    """Train the INRs and write the zoo; the frequency, U(0.5, 10), is in the column ``extra``."""
    generator = torch.Generator().manual_seed(seed)
    frequencies = 0.5 + 9.5 * torch.rand(networks, generator=generator)
    weights, errors = fit(frequencies, steps, generator, same_start=same_start)
    layout = Layout.of({name: torch.empty(shape) for name, shape in zip(NAMES, SHAPES, strict=True)})
    labels = [
        dict.fromkeys(LABELS)
        | {
            "id": f"inr-{number}",
            "run": f"inr-{number}",
            "family": "inr",
            "arch": layout.arch,
            "data": "sine",
            "step": steps,
            "damage": "none",
            "diverged": False,
            "parameters": layout.parameters,
            "train_loss": error,
            "activation": "sine",
            "optimizer": "adam",
            "extra": json.dumps({"frequency": frequency}),
        }
        for number, (frequency, error) in enumerate(zip(frequencies.tolist(), errors.tolist(), strict=True))
    ]

    def vector(row: int) -> Vector:
        return np.concatenate([weight[row].flatten().numpy() for weight in weights])

    splits = {"train": 0.7, "validation": 0.1, "test": 0.2}
    list(write_zoo(output, Rows(labels, vector, {layout.arch: layout}), {"data": "sine"}, splits))
    write_card(output)
    print(f"{networks} INRs, mean squared error {errors.mean():.2g}, 95 % below {errors.quantile(0.95):.2g}: {output}")


def fit(
    frequencies: Tensor, steps: int, generator: torch.Generator, *, same_start: bool
) -> tuple[list[Tensor], Tensor]:
    """Weights of each tensor [n, *shape] and the mean squared error of each network, [n]."""
    points = torch.linspace(-math.pi, math.pi, POINTS).view(1, POINTS, 1)
    waves = torch.sin(frequencies.view(-1, 1, 1) * points)
    weights = []
    for shape, bound in zip(SHAPES, BOUNDS, strict=True):
        drawn = torch.rand(1 if same_start else len(frequencies), *shape, generator=generator) * 2 - 1
        weights.append((bound * drawn).expand(len(frequencies), *shape).clone().requires_grad_())
    optimizer = torch.optim.Adam(weights, lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in track(range(steps), description="fitting"):
        optimizer.zero_grad()
        # The sum over networks: each one's gradient is its own.
        _errors(weights, points, waves).sum().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return [weight.detach() for weight in weights], _errors(weights, points, waves)


def _errors(weights: list[Tensor], points: Tensor, waves: Tensor) -> Tensor:
    first, shift, second, shift2, third, shift3 = weights
    hidden = torch.sin(points @ first.mT + shift.unsqueeze(1))
    hidden = torch.sin(hidden @ second.mT + shift2.unsqueeze(1))
    return (hidden @ third.mT + shift3.unsqueeze(1) - waves).square().mean((1, 2))


if __name__ == "__main__":
    typer.run(main)
