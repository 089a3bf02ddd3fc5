"""One call for everything that goes to the Hub: what it is, is told by what it looks like."""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from hf_sne.errors import UserError
from hf_sne.evaluation.metrics import METRICS
from hf_sne.hub.destination import Destination, Parcel, send
from hf_sne.hub.metric import pack_metric
from hf_sne.hub.predictor import pack_predictor
from hf_sne.hub.results import is_results, pack_results
from hf_sne.hub.space import pack_space
from hf_sne.hub.zoo import pack_zoo
from hf_sne.models.sne import SneConfig
from hf_sne.training.card import RESULTS
from hf_sne.weights.files import path_exists
from hf_sne.zoo.manifest import MANIFEST


def push(source: str, destination: Destination, *, space: bool = False, dry_run: bool = False) -> str:
    """Publish a zoo, a predictor, results or a metric with a card; its address, or what would go there.

    Args:
        source: Folder of a zoo or a predictor, folder or file of results, or the name of a metric; for a Space the Hub
            id of a predictor.
        destination: Data set, model or Space; which, follows from the source.
        space: Publish a page on which the predictor is tried out.
        dry_run: Send nothing.

    Raises:
        UserError: the source is nothing of these or damaged, the Hub refuses, or it cannot be reached.
    """
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        parcel = pack_space(source, folder) if space else _pack(source, destination.repo, folder)
        return parcel.told(destination) if dry_run else send(parcel, destination)


def _pack(source: str, repo: str, scratch: Path) -> Parcel:
    folder = Path(source)
    # Unlike Path.is_file, this takes every text, such as one that is too long.
    if os.path.isfile(folder / MANIFEST):  # noqa: PTH113
        return pack_zoo(folder, repo, scratch)
    if _model_type(folder) == SneConfig.model_type:
        return pack_predictor(folder, repo, scratch)
    if path_exists(source) and is_results(folder):
        return pack_results(folder, repo, scratch)
    if source in METRICS and not path_exists(source):
        return pack_metric(source, repo, scratch)
    if not path_exists(source):
        raise UserError(
            f"{source}: no such folder, and no metric",
            fix=f"name a folder that is there, or one of {', '.join(sorted(METRICS))}",
        )
    raise UserError(
        f"{source}: neither a zoo ({MANIFEST}), nor a predictor (config.json), nor results ({RESULTS}), nor a metric",
        fix="name a folder of those kinds; recipes/train.py leaves its predictor in the folder predictor/",
    )


def _model_type(folder: Path) -> str | None:
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return None
    return found.get("model_type") if isinstance(found, dict) else None
