import json

import numpy as np
import pytest

from hf_sne.errors import UserError
from hf_sne.evaluation import METRICS, bootstrap_interval, evaluate_predictions, kendall_tau, mae, tau_ceiling


def draw_networks(runs=60, checkpoints=2, seed=0):
    """Predictions, targets and run ids, the checkpoints of a run being copies of each other."""
    rng = np.random.default_rng(seed)
    targets = rng.random(runs)
    predictions = np.clip(targets + rng.normal(scale=0.1, size=runs), 0, 1)
    names = np.array([f"run-{index}" for index in range(runs)])
    return (np.repeat(column, checkpoints) for column in (predictions, targets, names))


def test_interval_of_the_mean_error_is_the_normal_one():
    rng = np.random.default_rng(0)
    errors = rng.normal(0.5, 0.1, size=400)
    interval = bootstrap_interval(mae, errors, np.zeros(400), level=0.9, resamples=4000)
    half_width = 1.645 * errors.std() / np.sqrt(400)
    assert interval.value == pytest.approx(errors.mean())
    assert [interval.low, interval.high] == pytest.approx(
        [errors.mean() - half_width, errors.mean() + half_width], abs=half_width / 10
    )


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("seed", range(3))
def test_interval_contains_the_value(metric, seed):
    predictions, targets, runs = draw_networks(seed=seed)
    interval = bootstrap_interval(metric, predictions, targets, runs, resamples=200)
    assert interval.low <= interval.value <= interval.high
    assert interval.value == pytest.approx(metric(predictions, targets), abs=1e-12)


def test_copies_of_a_network_do_not_narrow_the_interval_of_whole_runs():
    single = bootstrap_interval(mae, *draw_networks(checkpoints=1), resamples=200)
    copied_predictions, copied_targets, runs = draw_networks(checkpoints=4)
    grouped = bootstrap_interval(mae, copied_predictions, copied_targets, runs, resamples=200)
    by_row = bootstrap_interval(mae, copied_predictions, copied_targets, resamples=200)
    assert grouped.high - grouped.low == pytest.approx(single.high - single.low, rel=0.2)
    assert by_row.high - by_row.low < 0.7 * (grouped.high - grouped.low)


def test_runs_of_unequal_length_are_drawn_whole():
    seen = []

    def record(predictions, targets):
        seen.append(predictions)
        return 0.0

    bootstrap_interval(record, [0.1, 0.3, 0.2, 0.3, 0.3], np.zeros(5), ["a", "c", "b", "c", "c"], resamples=50)
    for drawn in seen:
        copies = {value: int((drawn == value).sum()) for value in (0.1, 0.2, 0.3)}
        assert copies[0.3] % 3 == 0
        assert copies[0.1] + copies[0.2] + copies[0.3] // 3 == 3


def test_interval_does_not_depend_on_the_order_of_the_rows():
    predictions, targets, runs = draw_networks()
    order = np.random.default_rng(1).permutation(len(targets))
    before = bootstrap_interval(kendall_tau, predictions, targets, runs, resamples=100)
    after = bootstrap_interval(kendall_tau, predictions[order], targets[order], runs[order], resamples=100)
    assert (after.low, after.high) == pytest.approx((before.low, before.high))


def test_interval_is_repeatable_and_seeded():
    predictions, targets, runs = draw_networks()
    first, again, other = (
        bootstrap_interval(mae, predictions, targets, runs, resamples=100, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_higher_level_is_wider():
    predictions, targets, runs = draw_networks()
    narrow, wide = (bootstrap_interval(mae, predictions, targets, runs, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"groups": ["a", "a", "a"]}, "at least 2 runs, found 1 among 3 networks"),
        ({"groups": ["a", "b"]}, "3 networks, 2 groups"),
        ({"level": 1.0}, r"level is 1\.0 \(allowed: between 0 and 1\)"),
        ({"resamples": 0}, r"resamples is 0 \(allowed: 1 or more\)"),
        ({"targets": [0.1, np.nan, 0.2]}, r"targets\[1\] is nan"),
    ],
)
def test_unusable_inputs_are_refused(changed, message):
    arguments = {"predictions": [0.1, 0.2, 0.3], "targets": [0.1, 0.2, 0.3], **changed}
    with pytest.raises(UserError, match=message):
        bootstrap_interval(mae, **arguments)


def test_evaluation_is_json_with_every_metric_and_its_interval():
    predictions, targets, runs = draw_networks(runs=30)
    targets = np.maximum(targets, 0.4)
    found = json.loads(json.dumps(evaluate_predictions(predictions, targets, runs)))
    assert (found["networks"], found["runs"]) == (60, 30)
    for name, metric in METRICS.items():
        assert found[name]["value"] == pytest.approx(metric(predictions, targets), abs=1e-12)
        assert found[name]["low"] <= found[name]["high"]
        assert found[name]["level"] == 0.95
    assert found["tau_ceiling"] == tau_ceiling(targets) < 1
    for bound in ("value", "low", "high"):
        assert found["tau_over_ceiling"][bound] == pytest.approx(found["kendall_tau"][bound] / found["tau_ceiling"])


def test_evaluation_of_equal_targets_has_no_share_of_the_ceiling():
    found = evaluate_predictions([0.1, 0.2, 0.3], [0.5, 0.5, 0.5])
    assert (found["kendall_tau"]["value"], found["tau_ceiling"], found["tau_over_ceiling"]) == (0.0, 0.0, None)
    assert found["runs"] == 3
