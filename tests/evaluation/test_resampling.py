"""Taus of many resamples at once are those of the resamples, one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hf_sne.errors import UserError
from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.evaluation.resampling import Resampled, draw_counts, resampled_tau

RUNS = ["a", "a", "b", "c", "c", "c", "d"]
VALUES = arrays(np.float64, len(RUNS), elements=st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]))


@given(VALUES, VALUES, st.integers(0, 5))
def test_every_resample_has_the_tau_of_its_networks(predictions, targets, seed):
    counts = draw_counts(RUNS, 20, seed)
    for tau, drawn in zip(resampled_tau(predictions, targets, counts), counts.astype(int), strict=True):
        rows = np.repeat(np.arange(len(RUNS)), drawn)
        assert tau == pytest.approx(kendall_tau(predictions[rows], targets[rows]), abs=1e-12)


def test_whole_runs_are_drawn_and_the_first_row_is_all_networks():
    counts = draw_counts(RUNS, 500, seed=0)
    assert counts.shape == (501, len(RUNS))
    assert (counts[0] == 1).all()
    assert (counts[:, 0] == counts[:, 1]).all()
    per_run = counts[:, [0, 2, 3, 6]]
    assert (per_run.sum(1) == 4).all()
    assert per_run[1:].mean(0) == pytest.approx(np.ones(4), abs=0.15)
    assert np.array_equal(counts, draw_counts(RUNS, 500, seed=0))


def test_the_interval_of_a_difference_is_narrower_for_predictors_that_err_alike():
    rng = np.random.default_rng(0)
    runs, targets = [str(n) for n in range(80)], rng.uniform(size=80)
    one = targets + rng.normal(scale=0.4, size=80)
    two = one + rng.normal(scale=0.01, size=80)
    counts = draw_counts(runs, 1000, seed=1)
    first, second = (Resampled(resampled_tau(each, targets, counts)) for each in (one, two))
    width = [part.interval().high - part.interval().low for part in (first, first - second)]
    assert width[1] < 0.2 * width[0]
    assert Resampled.mean([first, second]).interval().value == pytest.approx((first.values[0] + second.values[0]) / 2)


def test_what_no_metric_takes_is_refused():
    with pytest.raises(UserError, match="predictions"):
        resampled_tau([np.nan, 1.0], [0.0, 1.0], np.ones((1, 2)))
