"""The zoo of sine INRs: weights that compute the sine of the frequency they are labelled with."""

import math
import runpy
from pathlib import Path

import torch

from hf_sne.zoo import read_zoo
from hf_sne.zoo.entries import Target

SCRIPT = Path(__file__).parents[2] / "recipes" / "inr-frequency" / "make_zoo.py"


def test_networks_start_alike_or_each_by_itself(tmp_path):
    """After one step of at most 0.003 a weight."""
    spreads = []
    for same_start in (True, False):
        zoo = tmp_path / f"{same_start}"
        runpy.run_path(str(SCRIPT))["main"](output=zoo, networks=10, steps=1, seed=0, same_start=same_start)
        first, second = (entry.state()["2.weight"] for entry in read_zoo(zoo, target=Target("frequency", 0, 10.5))[:2])
        spreads.append(float((first - second).abs().max()))
    assert spreads[0] < 0.007 < 0.3 < spreads[1]


def test_each_network_is_the_sine_that_it_is_labelled_with(tmp_path):
    runpy.run_path(str(SCRIPT))["main"](output=tmp_path / "zoo", networks=20, steps=300, seed=0)
    entries = read_zoo(tmp_path / "zoo", target=Target("frequency", 0, 10.5))
    assert len(entries) == 20
    points = torch.linspace(-math.pi, math.pi, 50).unsqueeze(1)
    for entry in entries:
        state, hidden = entry.state(), points
        for number in ("0", "2"):
            hidden = torch.sin(hidden @ state[f"{number}.weight"].T + state[f"{number}.bias"])
        wave = (hidden @ state["4.weight"].T + state["4.bias"]).squeeze(1)
        error = (wave - torch.sin(10.5 * entry.target * points.squeeze(1))).square().mean()
        assert error < 0.05
    assert len({round(entry.target, 6) for entry in entries}) == 20
