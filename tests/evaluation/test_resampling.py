"""Resamples of whole runs: taus of many at once, comparable between predictors, and centred on that of all networks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hf_sne.errors import UserError
from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.evaluation.resampling import Resampled, Resamples

RUNS = ["c", "a", "b", "c", "a", "c", "d"]
VALUES = arrays(np.float64, len(RUNS), elements=st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]))


def _tau_of_pairs(predictions, targets, runs, drawn):
    """Tau-b pair by pair: a run drawn k times is k runs towards others, and k single ones in itself."""
    sums = np.zeros(3)
    for i in range(len(runs)):
        for j in range(i):
            weight = drawn[runs[i]] * (drawn[runs[j]] if runs[i] != runs[j] else 1)
            signs = np.sign([predictions[i] - predictions[j], targets[i] - targets[j]])
            sums += weight * np.array([signs.prod(), *np.abs(signs)])
    return sums[0] / np.sqrt(sums[1] * sums[2]) if sums[1] * sums[2] else 0.0


@given(VALUES, VALUES, st.integers(0, 5), st.sampled_from([2, 256]))
def test_every_resample_has_the_tau_of_its_pairs(predictions, targets, seed, rows):
    resamples = Resamples.draw(RUNS, 20, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hf_sne.evaluation.resampling._ROWS", rows)
        taus = resamples.tau(predictions, targets).values
    assert taus[0] == pytest.approx(kendall_tau(predictions, targets), abs=1e-12)
    for tau, counts in zip(taus, resamples.counts, strict=True):
        drawn = dict(zip(sorted(set(RUNS)), counts, strict=True))
        assert tau == pytest.approx(_tau_of_pairs(predictions, targets, RUNS, drawn), abs=1e-12)


@given(VALUES, VALUES)
def test_where_each_network_is_a_run_the_taus_are_those_of_the_copied_rows(predictions, targets):
    resamples = Resamples.draw(range(len(RUNS)), 20)
    copied = [kendall_tau(predictions[rows], targets[rows]) for rows in resamples.rows()]
    assert resamples.tau(predictions, targets).values == pytest.approx(np.array(copied), abs=1e-12)


def test_trajectories_that_are_ranked_within_but_not_between_runs_do_not_lift_the_interval():
    """Copied rows would: a fifth of their pairs, not a tenth, would lie within a run."""
    rng = np.random.default_rng(0)
    epochs = np.tile(np.arange(8.0), 10)
    predictions = epochs + 100 * np.repeat(rng.permutation(10), 8)
    runs = np.repeat(np.arange(10), 8)
    drawn = Resamples.draw(runs)
    tau = drawn.tau(predictions, epochs)
    copied = [kendall_tau(predictions[rows], epochs[rows]) for rows in drawn.rows()]
    assert np.mean(copied) > 1.6 * tau.values[0]
    assert tau.values.mean() == pytest.approx(tau.values[0], rel=0.15)


def test_whole_runs_are_drawn_and_the_first_resample_is_all_networks():
    resamples = Resamples.draw(RUNS, 500, seed=0)
    assert resamples.counts.shape == (501, 4)
    assert (resamples.counts[0] == 1).all()
    assert (resamples.counts.sum(1) == 4).all()
    assert resamples.counts[1:].mean(0) == pytest.approx(np.ones(4), abs=0.15)
    assert np.array_equal(resamples.counts, Resamples.draw(RUNS, 500, seed=0).counts)
    values = np.arange(7.0)
    means = [values[rows].mean() for rows in resamples.rows()]
    assert resamples.mean(values).values == pytest.approx(np.array(means))


def test_the_interval_of_a_difference_is_narrower_for_predictors_that_err_alike():
    rng = np.random.default_rng(0)
    targets = rng.uniform(size=80)
    one = targets + rng.normal(scale=0.4, size=80)
    two = one + rng.normal(scale=0.01, size=80)
    drawn = Resamples.draw(range(80), seed=1)
    first, second = (drawn.tau(each, targets) for each in (one, two))
    width = [part.interval().high - part.interval().low for part in (first, first - second)]
    assert width[1] < 0.2 * width[0]
    assert Resampled.mean([first, second]).interval().value == pytest.approx((first.values[0] + second.values[0]) / 2)


def test_what_no_metric_takes_is_refused():
    drawn = Resamples.draw(["a", "b"])
    with pytest.raises(UserError, match="predictions"):
        drawn.tau([np.nan, 1.0], [0.0, 1.0])
    with pytest.raises(UserError, match="lengths differ"):
        drawn.tau([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    with pytest.raises(UserError, match="at least 2 runs"):
        Resamples.draw(["a", "a"])
