"""How far scores move under changes that keep the function: python recipes/symmetries.py ZOO... --output JSON.

Beside them the illegal twin of the permutation, hidden units shuffled on one side only, which breaks the network.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track
from torch import Tensor

from hf_sne.pipelines import load_pipeline
from hf_sne.training.system_info import system_info
from hf_sne.weights.symmetry import HiddenUnits, draw_permutations, hidden_units, permute, permute_one_side, rescale
from hf_sne.zoo.entries import ZooEntry
from hf_sne.zoo.read import test_networks

Tensors = dict[str, Tensor]
Units = tuple[HiddenUnits, ...]
Change = Callable[[Tensors, Units, torch.Generator], Tensors]


def _scale(
    tensors: dict[str, Tensor], groups: tuple[HiddenUnits, ...], generator: torch.Generator
) -> dict[str, Tensor]:
    """Each unit by a factor between 1/2 and 2."""
    return rescale(tensors, groups, [4 ** (torch.rand(group.units, generator=generator) - 0.5) for group in groups])


def _flip(tensors: Tensors, groups: Units, generator: torch.Generator) -> Tensors:
    """The sign of each unit with probability 1/2."""
    return rescale(
        tensors, groups, [torch.randint(2, (group.units,), generator=generator) * 2.0 - 1 for group in groups]
    )


# Name -> (activation it is legal for, or any; the change).
CHANGES: dict[str, tuple[str | None, Change]] = {
    "permutation": (None, lambda tensors, groups, g: permute(tensors, groups, draw_permutations(groups, g))),
    "one_sided_shuffle": (None, lambda t, groups, g: permute_one_side(t, groups, draw_permutations(groups, g))),
    "positive_scaling": ("relu", _scale),
    "sign_flip": ("tanh", _flip),
}


def main(
    zoos: Annotated[list[Path], typer.Argument(help="Zoo folders.")],
    output: Annotated[Path, typer.Option(help="Results JSON.")],
    model: Annotated[str | None, typer.Option(help="Predictor; default: the built-in one.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Networks of each zoo.")] = 50,
    above: Annotated[float, typer.Option(help="Only networks with at least this accuracy.")] = 0.3,
) -> None:
    """How far the score of test networks moves under each change, and by how much it falls; over chains of layers."""
    pipe = load_pipeline(model, device="cpu")
    moves: dict[str, list[float]] = {name: [] for name in CHANGES}
    for zoo in zoos:
        chains = [entry for entry in test_networks(zoo) if entry.target >= above and _units(entry)]
        for number, entry in enumerate(track(chains[:most], description=zoo.name)):
            tensors = entry.state()
            score = pipe(tensors)["score"]
            for name, (activation, change) in CHANGES.items():
                if activation in (None, _activation(entry)):
                    moved = change(tensors, _units(entry), torch.Generator().manual_seed(number))
                    moves[name].append(pipe(moved)["score"] - score)
    result = {
        name: {
            "networks": len(moved),
            "mean_move": float(np.abs(moved).mean()),
            "mean_fall": float(-np.mean(moved)),
            "falls": float(np.mean(np.array(moved) < 0)),
        }
        for name, moved in moves.items()
        if moved
    }
    told = {"system": system_info(), "predictor": pipe.predictor, "above": above, "changes": result}
    output.write_text(json.dumps(told, indent=1) + "\n")
    for name, row in result.items():
        told = f"mean move of the score {row['mean_move']:.5f}, it falls by {row['mean_fall']:.5f}"
        print(f"{name:18} {row['networks']:4} networks, {told}, in {row['falls']:.0%}")


def _units(entry: ZooEntry) -> Units:
    """Hidden units away from norm layers, whose running statistics a zoo entry does not hold."""
    return tuple(group for group in hidden_units(entry.layers, entry.buffers) if not group.has_norm)


def _activation(entry: ZooEntry) -> str:
    return str(entry.labels.get("activation") or "")


if __name__ == "__main__":
    typer.run(main)
