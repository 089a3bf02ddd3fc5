import json

import pytest

from hf_sne.escape import ascii_json, spreadsheet_cell, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("layer1.weight", "layer1.weight"),
        ("Gewichte/Schicht größer 层", "Gewichte/Schicht größer 层"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("safe\u202egpj.exe", "safe\\u202egpj.exe"),
        ("\x9b2J", "\\x9b2J"),
        ("bad\udc80byte", "bad\\udc80byte"),
    ],
)
def test_only_characters_that_do_not_print_are_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " ="])
def test_a_formula_becomes_text(start: str) -> None:
    cell = spreadsheet_cell(f"{start}1+1")
    assert cell.startswith("'")
    assert cell.endswith("1+1")


def test_a_formula_behind_a_tab_does_not_survive() -> None:
    assert spreadsheet_cell("\t=1+1") == "\\t=1+1"


def test_an_ordinary_path_stays_as_it_is() -> None:
    assert spreadsheet_cell("runs/net-1.safetensors") == "runs/net-1.safetensors"


def test_json_is_ascii_and_lossless() -> None:
    value = [{"name": "=1\x1b[2J\u202e\udc80", "score": 0.5}]
    text = ascii_json(value)
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == value


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        ascii_json(float("nan"))
