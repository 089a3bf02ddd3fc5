"""Shared by all tests: no network, small helper modules importable."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# One thread a test process: tests run side by side, and threads that wait for each other's cores are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def digit_zoos(tmp_path_factory):
    """Two small zoos trained for real on scikit-learn's digits."""
    from hf_sne.zoo.plan import draw_runs
    from hf_sne.zoo.populate import populate, write_labels

    root = tmp_path_factory.mktemp("zoos")
    for family in ("mlp", "cnn"):
        folder = root / f"digits-{family}"
        list(populate(draw_runs(family, 20, seed=1, max_epochs=20), "digits", folder, workers=2))
        write_labels(folder)
    return root
