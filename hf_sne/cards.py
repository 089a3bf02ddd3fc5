"""Cards for the Hub, written from templates in ``hub_cards``."""

from importlib import resources
from pathlib import Path
from typing import Any


def render_card(template: str, card_data: Any, **facts: Any) -> str:
    """A card's text: the metadata as YAML, and the template with what is told of the thing.

    Args:
        template: A file's name in ``hub_cards``.
        card_data: Of ``huggingface_hub``, what stands above the text.
        facts: What the template names; text from elsewhere must be escaped.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (Markdown)
    )
    environment.filters |= {"thousands": "{:,}".format, "counted": counted}
    return environment.from_string(_read(template)).render(card_data=card_data.to_yaml(), **facts)


def counted(number: int, noun: str) -> str:
    """``1 network``, ``2,000 networks``, ``2 processes``."""
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('s') else 's'}"


def _read(template: str) -> str:
    packaged = resources.files("hf_sne") / "hub_cards" / template
    source = Path(__file__).parents[1] / "hub_cards" / template
    return (packaged if packaged.is_file() else source).read_text()
