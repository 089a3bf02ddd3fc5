import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_sne.errors import UserError
from hf_sne.evaluation import check_disjoint_runs, split_by_run

FRACTIONS = {"train": 0.4, "validation": 0.1, "test": 0.5}
RUNS = [f"run-{index}" for index in range(100) for _ in range(1 + index % 3)]


def runs_of(splits, runs):
    return {name: [runs[row] for row in rows] for name, rows in splits.items()}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=60, max_size=90), st.integers(0, 5))
def test_every_row_is_in_one_split_and_no_run_in_two(numbers, seed):
    runs = [*map(str, range(41)), *map(str, numbers)]
    splits = split_by_run(runs, FRACTIONS, seed)
    check_disjoint_runs(runs_of(splits, runs))
    assert sorted(np.concatenate(list(splits.values()))) == list(range(len(runs)))


def test_fractions_are_of_the_runs_and_exact():
    splits = runs_of(split_by_run(RUNS, FRACTIONS, seed=0), RUNS)
    assert {name: len(set(runs)) for name, runs in splits.items()} == {"train": 40, "validation": 10, "test": 50}


def test_the_order_of_the_rows_does_not_matter():
    order = np.random.default_rng(0).permutation(len(RUNS))
    shuffled = [RUNS[row] for row in order]
    before = runs_of(split_by_run(RUNS, FRACTIONS, seed=3), RUNS)
    after = runs_of(split_by_run(shuffled, FRACTIONS, seed=3), shuffled)
    assert {name: sorted(runs) for name, runs in after.items()} == {name: sorted(runs) for name, runs in before.items()}


def test_a_split_is_the_same_on_every_machine_and_release():
    runs = [f"run-{index}" for index in range(10)]
    splits = runs_of(split_by_run(runs, {"train": 0.7, "test": 0.3}, seed=0), runs)
    assert splits["test"] == ["run-4", "run-7", "run-9"]


def test_another_seed_is_another_split():
    first, second = (split_by_run(RUNS, FRACTIONS, seed)["test"] for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({"train": 0.5, "test": 0.4}, "add up to 0.9, not 1"),
        ({}, "add up to 0, not 1"),
        ({"train": 1.0, "test": 0.0}, "'test' has the fraction 0.0"),
        ({"train": 1.5, "test": -0.5}, "'test' has the fraction -0.5"),
        ({"train": float("nan")}, "'train' has the fraction nan"),
        ({"train": 0.9, "test": 0.1}, "'test' would be empty: 0.1 of 3 runs"),
    ],
)
def test_unusable_fractions_are_refused(fractions, message):
    with pytest.raises(UserError, match=message):
        split_by_run(["a", "b", "c", "c"], fractions, seed=0)


def test_a_shared_run_is_refused_and_named():
    with pytest.raises(UserError, match=r"'train' and 'test' share 1 runs \(as 'b'\); 0 are allowed"):
        check_disjoint_runs({"train": ["a", "b"], "validation": ["c"], "test": ["b", "d"]})
    check_disjoint_runs({"train": ["a", "a"], "test": ["b"]})
