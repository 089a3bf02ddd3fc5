import json
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_sne.zoo.space import SpaceError, draw, expand_grids, merge

seeds = st.integers(0, 2**32)
reals = st.floats(-1e6, 1e6)
names = st.sampled_from(["width", "depth", "kernel", "activation"])
constants = st.none() | st.booleans() | st.integers(-1000, 1000) | reals | st.text(max_size=3)


def ordered(numbers):
    return st.tuples(numbers, numbers).map(sorted)


def distributions(inner):
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"choice": options}),
        st.builds(lambda times, of: {"repeat": {"times": times, "of": of}}, st.integers(0, 3), inner),
        st.dictionaries(names, inner, max_size=3),
        st.lists(inner, max_size=3),
    )


leaves = constants | st.one_of(
    ordered(reals).map(lambda bounds: {"uniform": bounds}),
    ordered(st.floats(1e-9, 1e9)).map(lambda bounds: {"log_uniform": bounds}),
    ordered(st.integers(-50, 50)).map(lambda bounds: {"integers": bounds}),
)
spaces = st.recursive(leaves, distributions, max_leaves=8)
spaces_with_grids = st.recursive(
    leaves,
    lambda inner: distributions(inner) | st.lists(inner, min_size=1, max_size=3).map(lambda options: {"grid": options}),
    max_leaves=6,
)


def holds_grid(space):
    if isinstance(space, dict):
        return "grid" in space or any(map(holds_grid, space.values()))
    return isinstance(space, list) and any(map(holds_grid, space))


def points_in(space):
    """How many spaces the grids span, counted from the definition."""
    if isinstance(space, dict) and "grid" in space:
        return sum(map(points_in, space["grid"]))
    parts = space.values() if isinstance(space, dict) else space if isinstance(space, list) else []
    return math.prod(map(points_in, parts))


@given(ordered(reals), seeds)
def test_a_uniform_draw_lies_between_its_bounds(bounds, seed):
    assert bounds[0] <= draw({"uniform": bounds}, Random(seed)) <= bounds[1]


@given(ordered(st.floats(1e-12, 1e12)), seeds)
def test_a_log_uniform_draw_lies_between_its_bounds(bounds, seed):
    assert bounds[0] <= draw({"log_uniform": bounds}, Random(seed)) <= bounds[1]


def test_a_log_uniform_draw_is_uniform_in_its_logarithm():
    rng = Random(0)
    draws = [draw({"log_uniform": [1e-4, 1e-2]}, rng) for _ in range(4000)]
    assert sum(value < 1e-3 for value in draws) / len(draws) == pytest.approx(0.5, abs=0.03)


@given(ordered(st.integers(-100, 100)), seeds)
def test_integers_are_whole_and_between_their_bounds(bounds, seed):
    value = draw({"integers": bounds}, Random(seed))
    assert isinstance(value, int)
    assert bounds[0] <= value <= bounds[1]


def test_integers_include_both_ends():
    rng = Random(0)
    assert {draw({"integers": [2, 4]}, rng) for _ in range(100)} == {2, 3, 4}


@given(st.lists(constants, min_size=1, max_size=5), seeds)
def test_a_choice_is_one_of_its_options(options, seed):
    assert draw({"choice": options}, Random(seed)) in options


@given(ordered(st.integers(0, 6)), seeds)
def test_a_repeat_draws_each_value_anew(bounds, seed):
    values = draw({"repeat": {"times": {"integers": bounds}, "of": {"uniform": [0, 1]}}}, Random(seed))
    assert bounds[0] <= len(values) <= bounds[1]
    assert len(set(values)) == len(values)


@given(spaces, seeds)
def test_a_draw_is_plain_json_and_the_same_for_the_same_seed(space, seed):
    first = draw(space, Random(seed))
    assert first == draw(space, Random(seed))
    assert json.loads(json.dumps(first)) == first


@given(constants | st.lists(constants) | st.dictionaries(names, constants))
def test_constants_are_drawn_as_they_are(space):
    assert draw(space, Random(0)) == space


@given(spaces_with_grids)
def test_grids_expand_to_as_many_spaces_as_they_span_and_none_is_left(space):
    points = expand_grids(space)
    assert len(points) == points_in(space)
    assert not any(map(holds_grid, points))


@given(spaces)
def test_a_space_without_grids_is_its_own_only_point(space):
    assert expand_grids(space) == [space]


def test_grids_are_a_nested_loop_with_the_last_one_fastest():
    space = {"optimizer": {"grid": ["sgd", "adam"]}, "rate": {"grid": [1, {"uniform": [2, 3]}]}, "epochs": 5}
    assert [(point["optimizer"], point["rate"]) for point in expand_grids(space)] == [
        ("sgd", 1),
        ("sgd", {"uniform": [2, 3]}),
        ("adam", 1),
        ("adam", {"uniform": [2, 3]}),
    ]


MALFORMED = {
    "no list of options": {"choice": "relu"},
    "no options": {"choice": []},
    "two distributions": {"choice": [1], "uniform": [0, 1]},
    "one bound": {"uniform": [1]},
    "bounds that are no list": {"uniform": 3},
    "words as bounds": {"uniform": ["low", "high"]},
    "truth values as bounds": {"uniform": [False, True]},
    "bounds the wrong way round": {"uniform": [2, 1]},
    "a bound that is no number": {"uniform": [0, math.nan]},
    "an infinite bound": {"uniform": [0, math.inf]},
    "a logarithm of zero": {"log_uniform": [0, 1]},
    "a logarithm of a negative number": {"log_uniform": [-1, 1]},
    "integers the wrong way round": {"integers": [3, 1]},
    "fractions as bounds of integers": {"integers": [0.5, 2.5]},
    "a repeat of nothing": {"repeat": {"times": 3}},
    "a repeat with a third field": {"repeat": {"times": 3, "of": 1, "from": 2}},
    "a repeat that is no mapping": {"repeat": 3},
    "a fraction of times": {"repeat": {"times": 1.5, "of": 1}},
    "fewer than no times": {"repeat": {"times": -1, "of": 1}},
    "a word for times": {"repeat": {"times": "twice", "of": 1}},
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_distribution_is_refused_by_the_name_of_its_field(malformed):
    space = {"training": [1, {"rate": malformed}]}
    with pytest.raises(SpaceError, match=r"plan\.training\[1\]\.rate.*Fix: "):
        draw(space, Random(0), "plan")


@pytest.mark.parametrize("malformed", [{"grid": 3}, {"grid": []}, {"grid": [1], "choice": [1]}])
def test_a_malformed_grid_is_refused_by_the_name_of_its_field(malformed):
    with pytest.raises(SpaceError, match=r"plan\.training\[0\]\.rate.*Fix: "):
        expand_grids({"training": [{"rate": malformed}]}, "plan")


def test_merging_replaces_fields_whole():
    default = {"widths": {"choice": [1, 2]}, "depth": 3}
    assert merge(default, {"widths": 4}, "mlp") == {"widths": 4, "depth": 3}
    assert default["widths"] == {"choice": [1, 2]}


def test_merging_an_unknown_field_is_refused():
    with pytest.raises(SpaceError, match=r"mlp has no field dept.*known fields: widths, depth"):
        merge({"widths": 1, "depth": 3}, {"dept": 4}, "mlp")
