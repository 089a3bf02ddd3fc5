"""A trained predictor as a model on the Hub."""

from pathlib import Path
from shutil import copyfile

from hf_sne.evaluation.results_file import read_results, told_fields
from hf_sne.hub.destination import Parcel
from hf_sne.pipelines import load_pipeline
from hf_sne.training.card import FIGURES, RESULTS, write_model_card


def pack_predictor(folder: Path, repo: str, scratch: Path) -> Parcel:
    """A predictor's weights, processor and code, with a card for ``repo`` that is written from its results.

    Raises:
        UserError: the predictor cannot be loaded, or comes without its results.
    """
    results = read_results(folder / RESULTS)
    load_pipeline(str(folder), device="cpu").save_pretrained(scratch)
    for name in (RESULTS, *FIGURES):
        if (folder / name).is_file():
            copyfile(folder / name, scratch / name)
    with told_fields(str(folder / RESULTS)):
        write_model_card(scratch, results, repo)
    files = [path.name for path in scratch.iterdir()]
    return Parcel(scratch, files, "predictor", "model", marker="configuration_sne.py")
