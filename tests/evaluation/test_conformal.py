import numpy as np
import pytest

from hf_sne.errors import UserError
from hf_sne.evaluation import conformal_interval, conformal_quantile, coverage


def test_quantile_by_hand():
    # ceil((9 + 1) * 0.8) = 8, so the eighth smallest of nine.
    assert conformal_quantile([0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], level=0.8) == 0.8
    assert conformal_quantile([0.1, 0.2, 0.3], level=0.5) == 0.2


def test_rounding_error_does_not_raise_the_rank():
    residuals = np.arange(1, 100) / 100
    assert (99 + 1) * 0.07 > 7
    assert conformal_quantile(residuals, level=0.07) == 0.07


@pytest.mark.parametrize("residuals", [[], [0.1], [0.1] * 8])
def test_too_few_residuals_cover_everything(residuals):
    half_width = conformal_quantile(residuals, level=0.9)
    low, high = conformal_interval([0.0, 0.4, 1.0], half_width)
    assert half_width == 1.0
    assert low.tolist() == [0.0, 0.0, 0.0]
    assert high.tolist() == [1.0, 1.0, 1.0]
    assert conformal_quantile([0.1] * 9, level=0.9) == 0.1


def test_interval_is_cut_to_accuracies():
    low, high = conformal_interval([0.05, 0.5, 0.95], 0.1)
    assert low == pytest.approx([0.0, 0.4, 0.85])
    assert high == pytest.approx([0.15, 0.6, 1.0])


def test_coverage_counts_the_bounds_in():
    assert coverage([0.0, 0.2, 0.3, 0.5], [0.1, 0.4, 0.4, 0.6], [0.1, 0.2, 0.45, 0.7]) == 0.5


@pytest.mark.parametrize("calibration", [19, 200])
@pytest.mark.parametrize("level", [0.8, 0.9])
def test_coverage_keeps_the_promise_on_exchangeable_networks(calibration, level):
    """Averaged over calibration sets the coverage is between level and level + 1 / (n + 1), up to sampling error."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(500):
        targets = rng.beta(2, 2, size=calibration + 100)
        predictions = np.clip(targets + rng.standard_t(3, size=len(targets)) * 0.05, 0, 1)
        residuals = np.abs(predictions - targets)[:calibration]
        low, high = conformal_interval(predictions[calibration:], conformal_quantile(residuals, level))
        covered.append(coverage(low, high, targets[calibration:]))
    error = 4 * np.std(covered) / np.sqrt(len(covered))
    assert level - error <= np.mean(covered) <= level + 1 / (calibration + 1) + error


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conformal_quantile([0.1, np.nan], 0.9), r"residuals\[1\] is nan"),
        (lambda: conformal_quantile([0.1, -0.2], 0.9), r"a residual is -0\.2, below 0"),
        (lambda: conformal_quantile([0.1], 0.0), r"level is 0\.0"),
        (lambda: conformal_interval([np.nan], 0.1), r"predictions\[0\] is nan"),
        (lambda: coverage([0.1], [0.2, 0.3], [0.1]), "1 low, 2 high, 1 targets"),
        (lambda: coverage([], [], []), "found 0 targets, at least 1 are needed"),
    ],
)
def test_unusable_inputs_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call()
