"""A metric as a Space on the Hub, where ``evaluate.load`` looks for it."""

import inspect
from pathlib import Path
from shutil import copyfile

from hf_sne.errors import UserError
from hf_sne.evaluation.loading import MODULES
from hf_sne.evaluation.metrics import METRICS
from hf_sne.hub.destination import Parcel
from hf_sne.hub.gradio_page import write_page

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
    """The module of the metric ``name``, a page to try it, and a card.

    Raises:
        UserError: the repository has another name, under which ``evaluate`` would look for another module.
    """
    if repo.partition("/")[2] != name:
        raise UserError(f"{repo}: not called as the metric is", fix=f"name it ORG/{name}")
    script = f"{name}.py"
    copyfile(MODULES / name / script, scratch / script)
    page, metadata = _APP.format(name=name, repo=repo), {"title": name, "tags": ["evaluate", "metric", "hf_sne"]}
    description = inspect.getdoc(METRICS[name]) or ""
    write_page(scratch, page, "metric_space.md", metadata, name=name, repo=repo, description=description)
    files = [path.name for path in scratch.iterdir()]
    return Parcel(scratch, files, f"metric {name}", "space", marker=script)
