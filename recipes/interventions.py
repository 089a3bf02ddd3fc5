"""Whether layers that raise the score raise the accuracy: python recipes/interventions.py ZOO --data IMAGES.

Each layer of networks that the predictor was not trained on is re-initialised in turn, and the true accuracy measured
again on test images. What it falls by is compared with what ``hf-sne score --explain`` says of the layer.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.progress import track

from hf_sne.evaluation.bootstrap import bootstrap_interval
from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.pipelines import load_pipeline
from hf_sne.pipelines.explain import UntrainedLayer, untrained_versions
from hf_sne.training.system_info import system_info
from hf_sne.zoo.entries import ZooEntry
from hf_sne.zoo.families import build_network
from hf_sne.zoo.images import ImageData, load_images
from hf_sne.zoo.population.train import evaluate
from hf_sne.zoo.read import test_networks


def main(
    zoo: Annotated[Path, typer.Argument(help="Zoo folder; the networks of its test split are changed.")],
    data: Annotated[str, typer.Option(help="The images it was made of: digits, a Hub id, or a local folder.")],
    output: Annotated[Path, typer.Option(help="Results JSON.")],
    model: Annotated[str | None, typer.Option(help="Predictor; default: the built-in one.")] = None,
    most: Annotated[int, typer.Option(min=2, help="Networks.")] = 50,
    above: Annotated[float, typer.Option(help="Only networks with at least this accuracy.")] = 0.5,
    images: Annotated[int, typer.Option(min=1, help="Test images.")] = 1000,
) -> None:
    """Kendall tau, within each network, between what a layer adds to the score and what it adds to the accuracy."""
    chosen = [
        entry
        for entry in test_networks(zoo)
        if entry.target >= above and not entry.buffers and entry.labels.get("damage", "none") == "none"
    ][:most]
    pipe, pictures = load_pipeline(model, device="cpu"), load_images(data)
    rows = [
        {
            "run": entry.run,
            "layers": pipe(entry.state(), explain=True)["layers"],
            "falls": _falls(entry, pictures, images),
        }
        for entry in track(chosen, description=zoo.name)
    ]
    told = {"system": system_info(), "predictor": pipe.predictor, "zoo": zoo.name, "above": above}
    result = {**told, "networks": len(rows), **_measure(rows)}
    output.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in result["kendall_tau"].items():
        print(f"{zoo.name}, {len(rows)} networks: tau of the layers' true worth with {name} {value['value']:.3f}")
    print(f"accuracy falls by {result['mean_fall']:.3f}, the score by {result['mean_attribution']:.3f} a layer")
    print(f"the accuracy falls for {result['falls']:.0%} of the layers, the score for {result['score_falls']:.0%}")


def _falls(entry: ZooEntry, data: ImageData, images: int) -> list[float]:
    """What the accuracy on the first test images falls by when each layer is re-initialised, mean over the draws."""
    labels = entry.labels
    architecture = json.loads(str(labels["architecture"]))
    module = build_network(str(labels["family"]), architecture, data.shape, data.classes).eval()
    state = entry.state()
    # Zoos of before runs named their inputs are standardised.
    pictures = data.as_inputs(data.test_images[:images], str(labels.get("inputs") or "standardised"))
    truth = data.test_labels[:images]
    _, whole = evaluate(module, state, pictures, truth)
    falls = []
    for number in range(len(entry.layers)):
        accuracies = []
        for fresh in untrained_versions(entry.layers, number):
            _, accuracy = evaluate(module, state | _tensors(entry, number, fresh), pictures, truth)
            accuracies.append(accuracy)
        falls.append(whole - float(np.mean(accuracies)))
    return falls


def _tensors(entry: ZooEntry, number: int, fresh: UntrainedLayer) -> dict[str, torch.Tensor]:
    layer = entry.layers[number]
    pairs = ((layer.weight, fresh.weight), (layer.bias, fresh.bias))
    return {
        old.name: new.elements(0, old.numel).view(old.shape)
        for old, new in pairs
        if old is not None and new is not None
    }


def _measure(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Within each network the tau with the attribution, and with two rules that need no encoder."""
    rankings: dict[str, list[float]] = {"attribution": [], "depth": [], "parameters": []}
    for row in rows:
        told = {
            "attribution": [layer["attribution"] for layer in row["layers"]],
            "depth": [float(-place) for place in range(len(row["layers"]))],
            "parameters": [float(layer["parameters"]) for layer in row["layers"]],
        }
        for name, values in told.items():
            rankings[name].append(kendall_tau(values, row["falls"]))
    runs = [row["run"] for row in rows]
    attributions = np.array([layer["attribution"] for row in rows for layer in row["layers"]])
    falls = np.array([fall for row in rows for fall in row["falls"]])
    return {
        "kendall_tau": {
            name: asdict(bootstrap_interval(lambda drawn, _: float(drawn.mean()), taus, taus, runs))
            for name, taus in rankings.items()
        },
        "mean_fall": float(falls.mean()),
        "falls": float((falls > 0).mean()),
        "mean_attribution": float(attributions.mean()),
        "score_falls": float((attributions > 0).mean()),
    }


if __name__ == "__main__":
    typer.run(main)
