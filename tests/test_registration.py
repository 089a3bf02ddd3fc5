"""In whichever order transformers and hf_sne are imported, the Auto classes and the pipeline know SNE."""

import subprocess
import sys

import pytest

CHECK = "assert AutoModel._model_mapping[SneConfig] is SneModel and 'weight-performance-prediction' in tasks()"
TASKS = "from transformers.pipelines import get_supported_tasks as tasks"

ORDERS = {
    "package first": ["import hf_sne", "from transformers import AutoModel"],
    "transformers first": ["from transformers import AutoModel", "import hf_sne"],
    "pipeline first": ["from transformers import pipeline, AutoModel", "import hf_sne"],
    "models first": ["import hf_sne.models.sne", "from transformers import AutoModel"],
    "registered by hand": [
        "from hf_sne.registration import register",
        "register()",
        "from transformers import AutoModel",
    ],
    "our pipelines first": ["import hf_sne.pipelines", "import transformers", "AutoModel = transformers.AutoModel"],
}


@pytest.mark.parametrize("order", ORDERS)
def test_registered(order):
    lines = [*ORDERS[order], TASKS, "from hf_sne.models.sne import SneConfig, SneModel", CHECK]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "already registered" not in done.stderr


def test_importing_the_package_imports_nothing_heavy():
    heavy = ("torch", "transformers", "datasets", "evaluate", "sklearn", "scipy", "pandas", "matplotlib", "accelerate")
    code = f"import hf_sne, hf_sne.cli, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_public_names_are_there_when_asked_for():
    import hf_sne

    for name in hf_sne.__all__:
        assert getattr(hf_sne, name) is not None
    assert set(hf_sne.__all__) <= set(dir(hf_sne))
    with pytest.raises(AttributeError, match="no_such_name"):
        hf_sne.no_such_name  # noqa: B018
