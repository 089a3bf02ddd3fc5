"""The page of a Space: a checkpoint in, its score with what is known about it out."""

from pathlib import Path
from typing import Any

from hf_sne.errors import HfSneError, UserError
from hf_sne.escape import markdown
from hf_sne.optional import require
from hf_sne.pipelines import WeightPerformancePipeline, load_pipeline, refusal
from hf_sne.pipelines.html_report import html_fragment
from hf_sne.weights import open_checkpoint
from hf_sne.weights.hub import parse_source

# Numbers that are read of one checkpoint, so that anybody's choice fits into a small machine's memory.
MAX_PARAMETERS = 50_000_000
# Layers times the numbers that are read of them: an explanation takes four scores a layer.
MAX_EXPLAINED = 50_000_000
_HOUR = 3600
TITLE = "How good is this checkpoint?"
_INTRODUCTION = f"""# {TITLE}
Its test accuracy, predicted from the weights alone by {{predictor}}: no data, no forward pass. Name a model on the Hub
that has safetensors, or upload a `.safetensors` file. Weights are read, never run."""


def build_app(model: str | None = None, board: str = "") -> Any:
    """The Gradio page of a predictor.

    Args:
        model: Folder or Hub id of the predictor; the built-in one by default.
        board: Markdown of its results, shown on a page of its own.

    Raises:
        MissingPackageError: gradio is not installed.
        UserError: the predictor cannot be loaded.
    """
    require("gradio", "the Space", "space")
    import gradio as gr

    pipe = load_pipeline(model)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(_HOUR, _HOUR)) as app:
        gr.Markdown(_INTRODUCTION.format(predictor=markdown(model or pipe.model.config.predictor_name)))
        with gr.Tab("Score"):
            with gr.Row():
                repo = gr.Textbox(label="Model on the Hub", placeholder="org/name", elem_id="repo")
                file = gr.File(label="or a .safetensors file", file_types=[".safetensors"], elem_id="file")
            button = gr.Button("Predict", variant="primary", elem_id="predict")
            report = gr.HTML(elem_id="report")
            inputs = [repo, file]
            button.click(lambda name, path: score_page(pipe, name, path), inputs, report, api_name="score")
        if board:
            with gr.Tab("How well it ranks"):
                gr.Markdown(board)
    return app


def score_page(pipe: WeightPerformancePipeline, repo: str, upload: str | None) -> str:
    """HTML of one scored or refused checkpoint: the uploaded file, else the repository."""
    source: str = upload or (repo or "").strip()
    try:
        if not source:
            raise UserError("nothing to score", fix="name a model on the Hub, or upload a file")
        result: Any = _score(pipe, source if upload else _on_hub(source))
    except HfSneError as error:
        result = refusal(source, error)
    if upload is not None:
        result = _named_as_uploaded(result, upload)
    return html_fragment([result], title="Prediction")


def _on_hub(source: str) -> str:
    """A name as one on the Hub and nothing else: nobody's business what lies on the machine."""
    if parse_source(source) is None or source.startswith("."):
        raise UserError(f"{source[:200]}: not the name of a model on the Hub", fix="name it as ORG/NAME")
    return source if source.startswith("hf://") else f"hf://{source}"


def _score(pipe: WeightPerformancePipeline, source: str) -> Any:
    """Explained where that takes seconds; without a token, so that a visitor sees what everybody may see."""
    with open_checkpoint(source, token=False, max_parameters=MAX_PARAMETERS) as checkpoint:
        return pipe(checkpoint, explain=len(checkpoint.layers) * checkpoint.read_elements <= MAX_EXPLAINED)


def _named_as_uploaded(result: Any, upload: str) -> Any:
    """Without the server's own folder."""
    checkpoint = {**result["checkpoint"], "source": Path(upload).name}
    if "refused" not in result:
        return {**result, "checkpoint": checkpoint}
    message = result["refused"]["message"].replace(upload, Path(upload).name)
    return {"refused": {**result["refused"], "message": message}, "checkpoint": checkpoint}
