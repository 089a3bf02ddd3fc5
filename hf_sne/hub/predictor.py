"""A trained predictor as a model on the Hub."""

import json
from pathlib import Path
from shutil import copyfile
from typing import Any

from hf_sne.errors import UserError
from hf_sne.hub.destination import Parcel
from hf_sne.pipelines import load_pipeline
from hf_sne.training.card import FIGURES, RESULTS, write_model_card


def pack_predictor(folder: Path, repo: str, scratch: Path) -> Parcel:
    """A predictor's weights, processor and code, with a card for ``repo`` that is written from its results.

    Raises:
        UserError: the predictor cannot be loaded, or comes without its results.
    """
    results = _read_results(folder)
    load_pipeline(str(folder), device="cpu").save_pretrained(scratch)
    for name in (RESULTS, *FIGURES):
        if (folder / name).is_file():
            copyfile(folder / name, scratch / name)
    write_model_card(scratch, results, repo)
    files = [path.name for path in scratch.iterdir()]
    # Code that is no longer a part of the model would still be found there.
    return Parcel(scratch, files, "predictor", "model", marker="config.json", stale=["*.py"])


def _read_results(folder: Path) -> dict[str, Any]:
    path = folder / RESULTS
    try:
        results: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: {error}; the figures of the card come from there",
            fix="push the folder predictor/ that recipes/train.py writes",
        ) from error
    return results
