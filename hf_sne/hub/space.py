"""A Space in which a predictor on the Hub is tried out in the browser."""

from importlib.metadata import version
from pathlib import Path

from hf_sne.errors import UserError
from hf_sne.evaluation.board import training_board
from hf_sne.evaluation.results_file import read_results, told_fields
from hf_sne.hub.destination import Parcel, told
from hf_sne.hub.gradio_page import write_page
from hf_sne.hub.space_app import MAX_PARAMETERS, TITLE
from hf_sne.optional import require
from hf_sne.training.card import RESULTS
from hf_sne.weights.files import path_exists
from hf_sne.weights.hub import is_repo_id

_BOARD = "board.md"
_APP = '''"""Made by hf-sne push --space."""

from pathlib import Path

from hf_sne.hub.space_app import build_app

build_app({model!r}, board=Path("board.md").read_text()).launch(max_file_size="2gb")
'''


def pack_space(model: str, scratch: Path) -> Parcel:
    """The page of the predictor with that Hub id, which it loads from there, with a board of its results.

    Raises:
        UserError: ``model`` is no Hub id, or no predictor with results is there.
    """
    if path_exists(model) or not is_repo_id(model):
        fix = "push it, and name its Hub id"
        raise UserError(f"{model}: a Space loads its predictor from the Hub, not from a folder here", fix=fix)
    (scratch / _BOARD).write_text(_board_of(model))
    require("gradio", "a Space's page", "space")
    metadata = {
        "title": TITLE,
        "sdk_version": version("gradio"),
        "models": [model],
        "tags": ["hf_sne", "weight-space"],
    }
    page = _APP.format(model=model)
    write_page(scratch, page, "predictor_space.md", metadata, model=model, title=TITLE, most=MAX_PARAMETERS)
    return Parcel(scratch, [path.name for path in scratch.iterdir()], "Space", "space", marker=_BOARD)


def _board_of(model: str) -> str:
    """Markdown of the results that lie beside a predictor on the Hub."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    with told(model):
        if HfApi().model_info(model).private:
            fix = "make it public first: a Space has no token to load it with, and would show its results to everybody"
            raise UserError(f"{model}: a private repository", fix=fix)
        try:
            path = hf_hub_download(model, RESULTS)
        except RemoteEntryNotFoundError as error:
            fix = "name a predictor that hf-sne push published"
            raise UserError(f"{model}: no predictor with its results (no {RESULTS})", fix=fix) from error
    results = read_results(Path(path))
    with told_fields(f"{model}/{RESULTS}"):
        return training_board(model, results).markdown()
