"""Scored results as one self-contained HTML page: nothing in it is fetched, nothing runs."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hf_sne.cards import counted
from hf_sne.escape import visible
from hf_sne.pipelines.bars import most_of, strongest
from hf_sne.pipelines.report import DAMAGED, NOT_ACCURACY, how_near, is_damaged
from hf_sne.version import __version__

_TEMPLATES = Path(__file__).parent / "templates"


def html_page(results: Sequence[Mapping[str, Any]], title: str = "Predicted test accuracy") -> str:
    """A whole page of scored and refused checkpoints, the best first; JSON-able results as the pipeline gives them."""
    from markupsafe import Markup

    style, body = Markup(_style()), Markup(_body(results, title))  # noqa: S704 - ours, and escaped by the template
    page: str = _environment().get_template("report.html").render(title=title, style=style, body=body)
    return page


def html_fragment(results: Sequence[Mapping[str, Any]], title: str = "Predicted test accuracy") -> str:
    """The same to stand inside another page."""
    return f"<style>{_style()}</style>{_body(results, title)}"


def _style() -> str:
    return (_TEMPLATES / "report.css").read_text()


def _body(results: Sequence[Mapping[str, Any]], title: str) -> str:
    scored = sorted((each for each in results if "score" in each), key=lambda each: -each["score"])
    refused = [each for each in results if "refused" in each]
    template = _environment().get_template("report_body.html")
    body: str = template.render(title=title, scored=scored, refused=refused, most=most_of(scored))
    return body


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, autoescape=True, trim_blocks=True
    )
    environment.filters |= {
        "visible": visible,
        "share": _share,
        "span": _span,
        "strongest": strongest,
        "damaged": is_damaged,
        "near": how_near,
        "counted": counted,
        "width": _width,
    }
    environment.globals |= {"damaged": DAMAGED, "not_accuracy": NOT_ACCURACY, "version": __version__}
    return environment


def _share(value: float) -> str:
    return f"{100 * min(1.0, max(0.0, value)):.2f}%"


def _span(interval: Mapping[str, float]) -> str:
    return f"left:{_share(interval['low'])};width:{_share(interval['high'] - interval['low'])}"


def _width(attribution: float, most: float) -> str:
    """Of a bar that starts in the middle."""
    return f"{50 * abs(attribution) / most:.1f}%"
