"""The package's metrics as ``evaluate`` modules, loaded from the installed files: no Hub, no network."""

from pathlib import Path
from typing import Any

from hf_sne.errors import UserError
from hf_sne.evaluation.metrics import METRICS

MODULES = Path(__file__).parent / "modules"


def load_metric(name: str) -> Any:
    """Load an ``evaluate.Metric``: ``load_metric("mae").compute(predictions=..., references=...)``.

    Raises ``UserError``, which lists the names there are, on a name not in ``METRICS``.
    """
    if name not in METRICS:
        raise UserError(f"there is no metric {name!r}", fix=f"use one of {', '.join(sorted(METRICS))}")
    # Importing evaluate takes seconds.
    import evaluate

    return evaluate.load(str(MODULES / name / f"{name}.py"), keep_in_memory=True)
