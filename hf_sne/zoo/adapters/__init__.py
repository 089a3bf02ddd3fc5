"""Readers of zoos that others publish, one file a layout."""

from pathlib import Path

from hf_sne.errors import UserError
from hf_sne.zoo.adapters.labelled_folder import is_labelled_folder, read_labelled_folder
from hf_sne.zoo.adapters.model_zoos import is_model_zoos, read_model_zoos
from hf_sne.zoo.adapters.small_cnn_zoo import is_small_cnn_zoo, read_small_cnn_zoo
from hf_sne.zoo.schema import Rows


def read_rows(folder: Path, *, allow_pickle: bool = False, skipped: list[str] | None = None) -> Rows:
    """The checkpoints of a folder in any layout known here.

    Args:
        folder: Of the zoo.
        allow_pickle: Read torch pickles, confined; Model Zoos need it.
        skipped: Takes a line for every checkpoint that could not be read.

    Raises:
        UserError: the folder has none of the layouts, or is damaged.
    """
    if is_small_cnn_zoo(folder):
        return read_small_cnn_zoo(folder)
    if is_model_zoos(folder):
        return read_model_zoos(folder, allow_pickle=allow_pickle, skipped=skipped if skipped is not None else [])
    if is_labelled_folder(folder):
        return read_labelled_folder(folder)
    raise UserError(
        f"{folder}: no zoo in a layout that is known (layout.csv with weights*.npy; one folder a model with params.json"
        " and result.json; safetensors files with one CSV table of labels)",
        fix="see hf_sne.zoo.adapters for what is read",
    )
