import csv
import io
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from hf_sne.pipelines.report import COLUMNS, ranked, refusal_table, score_table, to_csv, to_rows

HOSTILE = "=cmd|'/c calc'!A1\x1b[2J[bold red]\n\u202e.safetensors"


def scored(source: str, score: float) -> dict[str, Any]:
    return {
        "score": score,
        "interval": {"low": score - 0.1, "high": score + 0.1, "level": 0.9},
        "zoo_interval": {"low": score - 0.05, "high": score + 0.05, "level": 0.9},
        "in_distribution": {"verdict": score < 0.8, "percentile": 40.0},
        "coverage": {
            "parameters_total": 1200,
            "parameters_read": 1100,
            "fraction": 1100 / 1200,
            "layers": 3,
            "skipped": [{"name": "steps", "reason": "integer buffer", "elements": 100}],
        },
        "checkpoint": {
            "source": source,
            "commit": None,
            "files": [{"name": "a", "size": 1, "sha256": "aa"}, {"name": "b", "size": 1, "sha256": "bb"}],
        },
        "predictor": {"name": "sne-base", "version": "0.1.0"},
    }


def refused(source: str) -> dict[str, Any]:
    reason = {"error": "NotWeights", "message": f"{source}: an HTML page", "fix": "name a checkpoint"}
    return {"refused": reason, "checkpoint": {"source": source}}


def printed(table: Table) -> str:
    text = io.StringIO()
    Console(file=text, width=220, force_terminal=True).print(table)
    return text.getvalue()


def test_rows_keep_the_order_and_all_columns() -> None:
    rows = to_rows([scored("low", 0.2), refused("bad"), scored("high", 0.9)])
    assert [row["source"] for row in rows] == ["low", "bad", "high"]
    assert all(tuple(row) == COLUMNS for row in rows)
    assert rows[0]["sha256"] == "aa bb"
    assert rows[0]["error"] is None
    assert rows[1]["error"] == "NotWeights"
    assert rows[1]["score"] is None


def test_ranking_is_best_first_stable_and_without_refusals() -> None:
    rows = to_rows([scored("low", 0.2), scored("tie1", 0.5), refused("bad"), scored("tie2", 0.5), scored("high", 0.9)])
    assert [row["source"] for row in ranked(rows)] == ["high", "tie1", "tie2", "low"]


def test_csv_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(to_rows([scored("a,b", 0.25), refused("bad")])))))
    assert [row["source"] for row in rows] == ["a,b", "bad"]
    assert float(rows[0]["score"]) == 0.25
    assert rows[0]["in_distribution"] == "True"
    assert rows[1]["score"] == ""
    assert rows[1]["fix"] == "name a checkpoint"


def test_csv_keeps_a_negative_number_a_number() -> None:
    row = to_rows([scored("a", 0.05)])
    assert next(csv.DictReader(io.StringIO(to_csv(row))))["low"] == "-0.05"


@pytest.mark.parametrize("result", [scored(HOSTILE, 0.5), refused(HOSTILE)], ids=["scored", "refused"])
def test_csv_defuses_hostile_names(result: dict[str, Any]) -> None:
    text = to_csv(to_rows([result]))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text.splitlines()) == 2
    assert next(csv.DictReader(io.StringIO(text)))["source"].startswith("'=cmd")


@pytest.mark.parametrize(
    ("table", "result"),
    [(score_table, scored(HOSTILE, 0.5)), (refusal_table, refused(HOSTILE))],
    ids=["scored", "refused"],
)
def test_tables_show_hostile_names_as_text(table, result: dict[str, Any]) -> None:
    shown = printed(table(to_rows([result])))
    assert "\\x1b[2J[bold red]\\n\\u202e" in shown
    assert "\x1b[2J" not in shown


def test_the_folder_and_the_ending_that_all_share_are_told_once() -> None:
    shown = printed(score_table(to_rows([scored("zoos/wild/one.pt", 0.2), scored("zoos/wild/other.pt", 0.5)])))
    assert shown.count("zoos/wild/") == shown.count(".pt") == shown.count("zoos/wild/*.pt") == 1
    assert "one" in shown
    mixed = printed(score_table(to_rows([scored("zoos/wild/one.pt", 0.2), scored("zoos/wild/other.bin", 0.5)])))
    assert "one.pt" in mixed
    alone = printed(score_table(to_rows([scored("zoos/wild/one.pt", 0.2)])))
    assert "zoos/wild/one.pt" in alone
    apart = printed(score_table(to_rows([scored("org/model", 0.2), scored("other/model", 0.5)])))
    assert "org/model" in apart


def test_a_verdict_that_cannot_be_told_is_unknown() -> None:
    part = scored("part", 0.5)
    part["in_distribution"] = {"verdict": None, "percentile": None}
    assert "unknown" in printed(score_table(to_rows([part])))
    assert next(csv.DictReader(io.StringIO(to_csv(to_rows([part])))))["in_distribution"] == ""


def test_the_table_flags_what_lies_outside_the_training_distribution() -> None:
    lines = printed(score_table(to_rows([scored("near", 0.7), scored("far", 0.9)]))).splitlines()
    assert "yes" in next(line for line in lines if "near" in line)
    assert "NO" in next(line for line in lines if "far" in line)
