"""The files that every Gradio Space of this package has: a script, what it needs installed, a card."""

from pathlib import Path
from typing import Any

from hf_sne.cards import render_card
from hf_sne.version import __version__

_SCRIPT = "app.py"
# The oldest that this package runs on; the Hub's own choice is older.
_PYTHON = "3.11"


def write_page(folder: Path, script: str, template: str, metadata: dict[str, Any], **facts: Any) -> None:
    """Write them into ``folder``.

    Args:
        script: Source of the page.
        template: Of the card, in ``hub_cards``.
        metadata: Of the card, beside what is the same for all.
        facts: What the template names.
    """
    from huggingface_hub import RepoCard, SpaceCardData

    card_data = SpaceCardData(sdk="gradio", app_file=_SCRIPT, python_version=_PYTHON, license="apache-2.0", **metadata)
    (folder / _SCRIPT).write_text(script)
    (folder / "requirements.txt").write_text(f"hf-sne[space]=={__version__}\n")
    RepoCard(render_card(template, card_data, **facts)).save(folder / "README.md")
