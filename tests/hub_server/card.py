"""The metadata a card opens with."""

import re

import yaml

_HEADER = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


def card_metadata(readme: str) -> dict | None:
    """The mapping between the ``---`` lines, None without them.

    Raises yaml.YAMLError for text that is no YAML and ValueError for YAML that is no mapping.
    """
    header = _HEADER.match(readme)
    if header is None:
        return None
    metadata = yaml.safe_load(header[1]) or {}
    if not isinstance(metadata, dict):
        raise ValueError(f"The metadata must be a mapping, found {type(metadata).__name__}")
    return metadata
