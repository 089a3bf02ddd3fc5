"""A Python that has every package of this one but hf_sne, and what is run in it."""

import json
import subprocess
import sys
from pathlib import Path

import torch

WITHOUT_PACKAGE = """
import importlib.util, json, sys
import torch
from collections import namedtuple
from transformers import AutoModel, AutoModelForSequenceClassification, AutoProcessor, pipeline

assert importlib.util.find_spec("hf_sne") is None
repo = sys.argv[1]
model = AutoModelForSequenceClassification.from_pretrained(repo, trust_remote_code=True)
encoder = AutoModel.from_pretrained(repo, trust_remote_code=True)
processor = AutoProcessor.from_pretrained(repo, trust_remote_code=True)

Layer = namedtuple("Layer", "role weight bias source")
layers = [
    Layer("linear", torch.linspace(-1, 1, 96).view(8, 12), None, None),
    Layer("linear", torch.ones(3, 8), None, 0),
]
with torch.no_grad():
    score = float(model(**processor([layers])).scores[0])
try:
    pipeline("weight-performance-prediction", model=repo, trust_remote_code=True)
except ImportError as error:
    told = str(error)
saved = sys.argv[2]
model.save_pretrained(saved)
again = AutoModelForSequenceClassification.from_pretrained(saved, trust_remote_code=True)
same = all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
classes = [type(each).__module__ for each in (model, encoder, processor)]
print(json.dumps({"classes": classes, "told": told, "same": same, "score": score}))
"""


def make_bare_python(folder: Path) -> Path:
    """The interpreter of a new virtual environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    for entry in Path(torch.__file__).parents[1].iterdir():
        if "hf_sne" not in entry.name:
            (site / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def run(python: Path, script: str, *arguments: object, environment: dict[str, str]) -> dict:
    """The JSON that a script printed last."""
    command = [str(python), "-c", script, *map(str, arguments)]
    # From where no hf_sne lies.
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, cwd=python.parent)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
