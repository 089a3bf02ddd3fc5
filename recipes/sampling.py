"""What --max-parameters costs: python recipes/sampling.py ZOO... --output JSON.

Scores of a part of each network's units beside the score of the whole.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import track

from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.pipelines import load_pipeline
from hf_sne.training.system_info import system_info
from hf_sne.zoo.entries import ZooEntry
from hf_sne.zoo.read import read_zoo


def main(
    zoos: Annotated[list[Path], typer.Argument(help="Zoo folders.")],
    output: Annotated[Path, typer.Option(help="Results JSON.")],
    shares: Annotated[list[float] | None, typer.Option(help="Budgets, in shares of the parameters.")] = None,
    model: Annotated[str | None, typer.Option(help="Predictor; default: the built-in one.")] = None,
    most: Annotated[int, typer.Option(min=2, help="Networks of each zoo.")] = 60,
    smallest: Annotated[int, typer.Option(help="Parameters that a network has at least.")] = 20_000,
) -> None:
    """Mean and largest distance of the scores, their mean difference, and Kendall tau between them."""
    pipe = load_pipeline(model, device="cpu")
    found = {}
    for zoo in zoos:
        entries = [entry for entry in read_zoo(zoo) if entry.labels["parameters"] >= smallest][:most]
        whole = np.array([pipe(entry.state())["score"] for entry in track(entries, zoo.name)])
        found[zoo.name] = {
            f"{share:.2f}": _compare(pipe, entries, whole, share) for share in (shares or [0.5, 0.25, 0.1])
        }
    results = {"system": system_info(), "predictor": pipe.predictor, "zoos": found}
    output.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def _compare(pipe: Any, entries: list[ZooEntry], whole: np.ndarray, share: float) -> dict[str, float]:
    parts = [pipe(entry.state(), max_parameters=int(share * entry.labels["parameters"])) for entry in entries]
    scores = np.array([part["score"] for part in parts])
    apart = scores - whole
    return {
        "networks": len(entries),
        "read": float(np.mean([part["coverage"]["fraction"] for part in parts])),
        "mean_distance": float(np.abs(apart).mean()),
        "largest_distance": float(np.abs(apart).max()),
        "mean_difference": float(apart.mean()),
        "kendall_tau": kendall_tau(scores, whole),
    }


if __name__ == "__main__":
    typer.run(main)
