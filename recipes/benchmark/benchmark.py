"""Speed and memory of encoding, beside the peer nfn: python recipes/benchmark/benchmark.py --output results.json.

Needs the extra ``bench``. Every large checkpoint is scored in a process of its own, whose peak is counted over what it
held once the pipeline was loaded.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from safetensors.torch import save_file

from hf_sne.models.sne import SneForPerformancePrediction, SneProcessor
from hf_sne.pipelines import BUILT_IN_ENCODER
from hf_sne.training.examples import ExampleMaker
from hf_sne.training.system_info import system_info
from hf_sne.weights import open_checkpoint
from hf_sne.zoo.entries import ZooEntry

BATCH = 64
SECONDS = 5.0
# The CNN of the Small CNN Zoo, 4,970 parameters.
SMALL_CNN = [("0", (16, 1, 3, 3)), ("1", (16, 16, 3, 3)), ("2", (16, 16, 3, 3)), ("3", (10, 16))]

app = typer.Typer(add_completion=False)


def resnet50() -> dict[str, tuple[int, ...]]:
    """Weight shapes of ResNet-50: 25.5 million parameters."""
    shapes: dict[str, tuple[int, ...]] = {"0.conv": (64, 3, 7, 7)}
    channels = 64
    for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], 1):
        for block in range(blocks):
            name = f"{stage}.{block}"
            shapes |= {f"{name}.conv1": (width, channels, 1, 1), f"{name}.conv2": (width, width, 3, 3)}
            shapes[f"{name}.conv3"] = (4 * width, width, 1, 1)
            if block == 0:
                shapes[f"{name}.downsample"] = (4 * width, channels, 1, 1)
            channels = 4 * width
    return shapes | {"5.fc": (1000, 2048)}


def transformer() -> dict[str, tuple[int, ...]]:
    """Weight shapes of a decoder of 18 layers of width 1,024: 259 million parameters."""
    shapes: dict[str, tuple[int, ...]] = {"embed_tokens": (32_000, 1024)}
    for layer in range(18):
        shapes |= {f"layers.{layer}.{part}_proj": (1024, 1024) for part in "qkvo"}
        shapes |= {f"layers.{layer}.up": (4096, 1024), f"layers.{layer}.down": (1024, 4096)}
    return shapes


LARGE: dict[str, Callable[[], dict[str, tuple[int, ...]]]] = {"25M": resnet50, "250M": transformer}


@app.command()
def main(output: Annotated[Path, typer.Option(help="Results JSON.")]) -> None:
    """Measure everything and write the results."""
    results: dict[str, Any] = {"system": system_info(), "small": small_networks()}
    with tempfile.TemporaryDirectory() as folder:
        for name, shapes in LARGE.items():
            path = Path(folder) / f"{name}.safetensors"
            parameters = write_checkpoint(path, shapes())
            command = [sys.executable, __file__, "large", str(path)]
            measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            results[name] = measured | {
                "parameters": parameters,
                "parameters_per_second": parameters / measured["seconds"],
            }
            path.unlink()
            print(name, results[name])
    output.write_text(json.dumps(results, indent=1))


def write_checkpoint(path: Path, shapes: dict[str, tuple[int, ...]]) -> int:
    """Random weights of the given shapes; returns their number."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"{name}.weight": torch.randn(shape, generator=generator) / np.prod(shape[1:]) ** 0.5
        for name, shape in shapes.items()
    }
    save_file(tensors, path)
    return sum(tensor.numel() for tensor in tensors.values())


@app.command()
def large(path: Path) -> None:
    """Score one large checkpoint; time and memory as JSON."""
    from hf_sne.pipelines import load_pipeline

    pipe = load_pipeline(device="cpu")
    pipe(torch.nn.Linear(64, 64).state_dict())
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # starts the peak anew
    start = time.perf_counter()
    score = pipe(str(path))["score"]
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mib_over_import": (_status("VmHWM") - before) / 1024, "score": score}))


def _status(field: str) -> int:
    """A memory figure of this process in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


@torch.no_grad()
def small_networks() -> dict[str, Any]:
    """Networks of 4,970 parameters encoded a second: SNE from flat weights, chunking included, and NFN_HNP."""
    generator = torch.Generator().manual_seed(0)
    states = [
        {
            f"{name}.{kind}": torch.randn(shape if kind == "weight" else shape[:1], generator=generator) * 0.1
            for name, shape in SMALL_CNN
            for kind in ("weight", "bias")
        }
        for _ in range(BATCH)
    ]
    model = SneForPerformancePrediction.from_pretrained(BUILT_IN_ENCODER).eval()
    maker = ExampleMaker(SneProcessor.from_pretrained(BUILT_IN_ENCODER))
    networks = [open_checkpoint(state).layers for state in states]
    examples = maker.make([ZooEntry(str(n), str(n), "", layers, 0.0) for n, layers in enumerate(networks)])
    peer = nfn_hnp(states)
    rates = {
        "sne": _rate(lambda: model(**maker.encode(examples, None, 0))),
        # Taken once a network, whatever is done with it afterwards.
        "sne_statistics": _rate(lambda: maker.processor.layer_statistics(networks)),
        "nfn_hnp": _rate(peer),
    }
    print(rates)
    return {"networks_per_second": rates, "ratio": rates["sne"] / rates["nfn_hnp"], "parameters": 4970}


def nfn_hnp(states: list[dict[str, torch.Tensor]]) -> Callable[[], Any]:
    """NFN_HNP of Zhou et al. 2023 as its paper sets it for accuracy: 16, 16 and 5 channels, then an MLP of 1,000."""
    from nfn import layers
    from nfn.common import WeightSpaceFeatures, network_spec_from_wsfeat, state_dict_to_tensors
    from torch.utils.data import default_collate

    batch = WeightSpaceFeatures(*default_collate([state_dict_to_tensors(state) for state in states]))
    spec = network_spec_from_wsfeat(batch)
    channels = [1, 16, 16, 5]
    blocks = [
        block
        for inputs, outputs in pairwise(channels)
        for block in (layers.HNPLinear(spec, inputs, outputs), layers.TupleOp(torch.nn.ReLU()))
    ]
    pooled = channels[-1] * layers.HNPPool.get_num_outs(spec)
    model = torch.nn.Sequential(
        *blocks,
        layers.HNPPool(spec),
        torch.nn.Flatten(start_dim=-2),
        torch.nn.Linear(pooled, 1000),
        torch.nn.ReLU(),
        torch.nn.Linear(1000, 1),
    ).eval()
    return lambda: model(batch)


def _rate(encode: Callable[[], Any]) -> float:
    """Networks a second: the best of five stretches, after a warm-up."""
    encode()
    rates = []
    for _ in range(5):
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < SECONDS / 5:
            encode()
            done += BATCH
        rates.append(done / (time.perf_counter() - start))
    return max(rates)


if __name__ == "__main__":
    app()
