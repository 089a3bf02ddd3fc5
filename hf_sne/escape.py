"""Names and messages from untrusted files, made safe to show: in a terminal, a spreadsheet, JSON."""

import json
import re
from typing import Any

_FORMULA_STARTS = ("=", "+", "-", "@")


def visible(text: str) -> str:
    """``text`` with each character that does not print (control, terminal escape, bidi mark) as a backslash code."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def spreadsheet_cell(text: str) -> str:
    """:func:`visible` text behind an apostrophe where a spreadsheet would run it as a formula."""
    text = visible(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text


def markdown(text: str) -> str:
    """:func:`visible` text that Markdown shows as it is: no markup, no HTML, no new cell of a table."""
    return visible(re.sub(r"[\\`*_&\[\]<>|]", r"\\\g<0>", text))


def ascii_json(value: Any) -> str:
    """Indented JSON in plain ASCII, so that hostile names reach a terminal as escape codes; NaN is a ValueError."""
    return json.dumps(value, indent=2, allow_nan=False)
