"""Margins of comparisons, as results files tell them."""

import json

import pytest

from hf_sne.errors import UserError
from hf_sne.evaluation.board import Margin, read_boards, read_margins


def row(low=-0.1, value=0.1, high=0.2, cells=2):
    return {
        "cells": cells,
        "kendall_tau": {"value": 0.6, "low": 0.5, "high": 0.7},
        "sne_above": {"value": value, "low": low, "high": high},
    }


@pytest.fixture
def write(tmp_path):
    def written(averages, name="results.json", cells=None):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"averages": averages, "cells": cells or {}}))
        return path

    return written


def test_margins_of_every_group_of_every_file(write):
    groups = {"same domain": {"sne": row(cells=4), "nfn_hnp": row()}, "other domains": {"sne": row(), "mine": row()}}
    paths = [write(groups, "a/same.json"), write(groups, "b/same.json")]
    found = read_margins(paths)
    assert [(margins.task, margins.group, margins.cells) for margins in found] == [
        ("same", "same domain", 4),
        ("same", "other domains", 2),
    ] * 2
    assert found[0].rows == [Margin("NFN_HNP", 0.1, -0.1, 0.2, 2)]
    assert found[0].tau == 0.6


def test_a_group_without_another_predictor_has_no_margins(write):
    assert read_margins([write({"task": {"sne": row(), "nfn_np": {"cells": 0}}})]) == []
    assert read_margins([write({"task": {"sne": row()}})]) == []


def tau(value):
    return {"kendall_tau": {"value": value, "low": value - 0.1, "high": value + 0.1}}


def test_cells_where_another_predictor_is_first_are_listed(write):
    margin = {"sne_above": {"value": -0.2, "low": -0.3, "high": -0.1}}
    cells = {
        "a/mlp -> a/mlp": {"ceiling": 0.9, "test": 20, "sne": tau(0.7), "nfn_np": tau(0.6)},
        "a/mlp -> b/mlp": {"test": 20, "sne": tau(0.5), "nfn_np": tau(0.6), "deep_sets": {**tau(0.7), **margin}},
        "b/mlp -> a/mlp": {"test": 20, "sne": tau(0.5), "nfn_np": tau(0.6), "deep_sets": {"refused": "another shape"}},
    }
    board = read_boards([write({"task": {"sne": row(), "nfn_np": row()}}, "one.json", cells)])[-1]
    assert board.title == "Cells where SNE is not first"
    best, sne, above = "0.70 (0.60 to 0.80)", "0.50 (0.40 to 0.60)", "-0.20 (-0.30 to -0.10)"
    assert board.rows == [
        ["one", "a/mlp", "b/mlp", "DeepSets", best, sne, above],
        ["one", "b/mlp", "a/mlp", "NFN_NP", "0.60 (0.50 to 0.70)", sne, ""],
    ]


def test_cells_without_what_was_tested_on_are_refused(write):
    cells = {"everything": {"sne": tau(0.5), "nfn_np": tau(0.6)}}
    with pytest.raises(UserError, match="results of another shape"):
        read_boards([write({"task": {"sne": row()}}, cells=cells)])


@pytest.mark.parametrize(
    "ends",
    [
        {"low": float("nan")},
        {"high": float("inf")},
        {"low": -1e308},
        {"value": 0.5},
        {"high": 10**400},
        {"low": None},
        {"cells": "many"},
    ],
    ids=["nan", "infinity", "huge", "outside-its-interval", "beyond-floats", "none", "no-number-of-cells"],
)
def test_margins_that_cannot_be_are_refused(write, ends):
    with pytest.raises(UserError, match="results of another shape"):
        read_margins([write({"task": {"sne": row(), "other": row(**ends)}})])
