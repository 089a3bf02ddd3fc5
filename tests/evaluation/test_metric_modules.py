import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hf_sne.errors import UserError
from hf_sne.evaluation import METRICS, load_metric

OFFLINE = """
import json, socket, sys

class NoNetwork(socket.socket):
    def connect(self, address):
        raise AssertionError(f"a connection to {address} was tried")

socket.socket = NoNetwork
import hf_sne.evaluation as evaluation
assert "evaluate" not in sys.modules, "importing hf_sne.evaluation must not import evaluate"
predictions, references = json.load(sys.stdin)
modules = {name: evaluation.load_metric(name) for name in evaluation.METRICS}
found = {
    "names": [module.name for module in modules.values()],
    "computed": [module.compute(predictions=predictions, references=references) for module in modules.values()],
}
import evaluate
combined = evaluate.combine(list(modules.values()))
for prediction, reference in zip(predictions, references):
    combined.add(prediction=prediction, reference=reference)
found["combined"] = combined.compute()
print(json.dumps(found))
"""


def test_modules_load_without_a_network_and_agree_with_the_functions(tmp_path):
    rng = np.random.default_rng(0)
    predictions, targets = rng.random((2, 50)).tolist()
    answer = subprocess.run(
        [sys.executable, "-c", OFFLINE],
        input=json.dumps([predictions, targets]),
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout.splitlines()[-1])
    expected = {name: metric(predictions, targets) for name, metric in METRICS.items()}
    assert found["names"] == list(expected)
    assert found["computed"] == [{name: value} for name, value in expected.items()]
    assert found["combined"] == expected


def test_every_metric_has_a_module_and_every_module_a_metric():
    modules = Path(sys.modules["hf_sne.evaluation"].__file__).parent / "modules"
    assert {script.stem for script in modules.glob("*/*.py")} == set(METRICS)
    assert all(script.parent.name == script.stem for script in modules.glob("*/*.py"))


def test_an_unknown_metric_is_refused_with_the_names_there_are():
    with pytest.raises(UserError, match=r"no metric 'accuracy'.*kendall_tau, mae, ndcg_at_10, r2, spearman"):
        load_metric("accuracy")
