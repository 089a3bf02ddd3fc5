"""A metric as a Space on the Hub, where ``evaluate.load`` looks for it."""

import inspect
from pathlib import Path
from shutil import copyfile

from hf_sne.cards import render_card
from hf_sne.evaluation.loading import MODULES
from hf_sne.evaluation.metrics import METRICS
from hf_sne.hub.destination import Parcel
from hf_sne.version import __version__

# The widget of evaluate itself is of an older gradio.
_APP = '''"""Made by hf-sne push."""

import evaluate
import gradio as gr

metric = evaluate.load({repo!r})


def compute(predictions, references):
    numbers = [[float(number) for number in text.replace(",", " ").split()] for text in (predictions, references)]
    return metric.compute(predictions=numbers[0], references=numbers[1])


boxes = [gr.Textbox("0.2 0.5 0.9", label="predictions"), gr.Textbox("0.1 0.6 0.8", label="references")]
page = gr.Interface(compute, boxes, gr.JSON(), title={name!r})

if __name__ == "__main__":
    page.launch()
'''


def pack_metric(name: str, repo: str, scratch: Path) -> Parcel:
    """The module of the metric ``name`` under the name that ``repo`` gives it, a page to try it, and a card."""
    from huggingface_hub import RepoCard, SpaceCardData

    script = f"{repo.partition('/')[2]}.py"
    copyfile(MODULES / name / f"{name}.py", scratch / script)
    (scratch / "app.py").write_text(_APP.format(name=name, repo=repo))
    (scratch / "requirements.txt").write_text(f"hf-sne[space]=={__version__}\n")
    card_data = SpaceCardData(
        title=name, sdk="gradio", app_file="app.py", license="apache-2.0", tags=["evaluate", "metric", "hf_sne"]
    )
    card = render_card(
        "metric_space.md", card_data, name=name, repo=repo, description=inspect.getdoc(METRICS[name]) or ""
    )
    RepoCard(card).save(scratch / "README.md")
    files = [path.name for path in scratch.iterdir()]
    return Parcel(scratch, files, f"metric {name}", "space", marker=script)
