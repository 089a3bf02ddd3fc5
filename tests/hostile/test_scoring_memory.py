"""Whatever the shapes, scoring stays within 600 MiB over what the loaded pipeline held."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

SHAPES = {
    "ten million neurons of one weight": {"a.weight": (10_000_000, 1)},
    "one neuron of ten million weights": {"a.weight": (1, 10_000_000)},
    "a vector of ten million": {"a.weight": (10_000_000,)},
    "a kernel of four million": {"a.weight": (1, 1, 2**22)},
    "two thousand layers of wide neurons": {f"{n}.weight": (1024, 1) for n in range(2000)},
    "a layer that reads seventy thousand neurons": {"0.weight": (70_000, 1), "1.weight": (64, 70_000)},
    "few rows, many columns, connected": {"0.weight": (200_000, 2), "1.weight": (16, 200_000)},
}

SCORE = """
import json, sys
from pathlib import Path
import torch
from hf_sne.pipelines import load_pipeline

def status(field):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])

pipe = load_pipeline(device="cpu")
pipe(torch.nn.Linear(64, 64).state_dict())
results = {}
for path in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS:")
    score = pipe(path)["score"]
    results[path] = (score, (status("VmHWM:") - before) / 1024)
print(json.dumps(results))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_scoring_within_600_mib(tmp_path):
    paths = {}
    for number, (name, shapes) in enumerate(SHAPES.items()):
        paths[name] = str(tmp_path / f"{number}.safetensors")
        # One byte a weight: a small file is enough for a large tensor.
        save_file({key: torch.ones(shape).to(torch.float8_e4m3fn) for key, shape in shapes.items()}, paths[name])
    done = subprocess.run(
        [sys.executable, "-c", SCORE, *paths.values()], capture_output=True, text=True, timeout=280, check=True
    )
    results = json.loads(done.stdout)
    for name, path in paths.items():
        score, peak = results[path]
        assert 0 <= score <= 1, name
        assert peak < 600, f"{name}: {peak:.0f} MiB"
