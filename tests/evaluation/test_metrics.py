import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mean_absolute_error, ndcg_score, r2_score

from hf_sne.errors import UserError
from hf_sne.evaluation import METRICS, kendall_tau, mae, ndcg_at_10, r2, spearman, tau_ceiling


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(0)
    targets = rng.random(200).round(2)
    return np.clip(targets + rng.normal(scale=0.2, size=200), 0, 1).round(2), targets


def test_metrics_agree_with_scipy_and_sklearn(scored):
    predictions, targets = scored
    expected = {
        "kendall_tau": stats.kendalltau(predictions, targets, variant="b").statistic,
        "spearman": stats.spearmanr(predictions, targets).statistic,
        "r2": r2_score(targets, predictions),
        "mae": mean_absolute_error(targets, predictions),
        "ndcg_at_10": ndcg_score([targets], [predictions], k=10),
    }
    assert {name: metric(predictions, targets) for name, metric in METRICS.items()} == pytest.approx(expected)


def test_tau_b_by_hand():
    # Of six pairs one is tied in the predictions, four agree and one does not: (4 - 1) / sqrt(5 * 6).
    assert kendall_tau([0.1, 0.1, 0.3, 0.2], [0.1, 0.2, 0.3, 0.4]) == pytest.approx(3 / np.sqrt(30))


def test_ndcg_by_hand():
    gained = 0.5 / np.log2(2) + 1.0 / np.log2(3)
    assert ndcg_at_10([0.9, 0.1], [0.5, 1.0]) == pytest.approx(gained / (1.0 / np.log2(2) + 0.5 / np.log2(3)))


def test_ndcg_counts_the_ten_best_predicted_only():
    targets = np.concatenate([np.ones(10), np.full(30, 0.5)])
    best_first = np.linspace(1, 0, 40)
    assert ndcg_at_10(best_first, targets) == pytest.approx(1.0)
    assert ndcg_at_10(-best_first, targets) == pytest.approx(0.5)


def test_tau_ceiling_by_hand():
    # Of six pairs one is tied: sqrt(5 / 6).
    assert tau_ceiling([0.1, 0.1, 0.2, 0.3]) == pytest.approx(np.sqrt(5 / 6))


def test_tau_ceiling_of_the_published_svhn_zoo():
    """The published .9031 is what 42.9 % of the targets in one tie leave; all 46.6 % in one tie would leave .885."""
    distinct = np.linspace(0.2, 0.9, 10_000)
    assert tau_ceiling(np.r_[np.full(4294, 0.196), distinct[4294:]]) == pytest.approx(0.9031, abs=1e-4)
    assert tau_ceiling(np.r_[np.full(4660, 0.196), distinct[4660:]]) == pytest.approx(0.8848, abs=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=2, max_size=60))
def test_tau_ceiling_is_the_tau_of_a_perfect_ranker(levels):
    targets = np.array(levels) / 8
    perfect = targets + np.linspace(0, 0.01, len(targets))
    assert tau_ceiling(targets) == pytest.approx(kendall_tau(perfect, targets))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=40), st.randoms())
def test_metrics_do_not_depend_on_the_order_of_the_rows(rows, random):
    shuffled = random.sample(rows, len(rows))
    for metric in METRICS.values():
        before = metric(*(np.array(rows).T / 20))
        assert metric(*(np.array(shuffled).T / 20)) == pytest.approx(before)


@pytest.mark.parametrize("metric", [kendall_tau, spearman])
def test_nothing_ranked_is_zero(metric):
    assert metric([0.5, 0.5, 0.5], [0.1, 0.2, 0.3]) == 0.0
    assert metric([0.1, 0.2, 0.3], [0.5, 0.5, 0.5]) == 0.0


def test_constant_predictions_have_a_decided_error_and_gain():
    assert r2([0.2, 0.2, 0.2], [0.1, 0.2, 0.3]) == pytest.approx(0.0)
    assert mae([0.2, 0.2, 0.2], [0.1, 0.2, 0.3]) == pytest.approx(0.2 / 3)
    discounts = 1 / np.log2([2, 3, 4])
    assert ndcg_at_10([0.2, 0.2, 0.2], [0.1, 0.2, 0.3]) == pytest.approx(
        0.2 * discounts.sum() / (discounts @ [0.3, 0.2, 0.1])
    )


def test_equal_targets_have_a_decided_value():
    assert tau_ceiling([0.1, 0.1, 0.1]) == 0.0
    assert r2([0.1, 0.1], [0.1, 0.1]) == 1.0
    assert r2([0.2, 0.3], [0.1, 0.1]) == 0.0
    assert ndcg_at_10([0.2, 0.3], [0.0, 0.0]) == 0.0


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize(
    ("predictions", "targets", "message"),
    [
        ([0.5], [0.5], "found 1 predictions, at least 2 are needed"),
        ([], [], "found 0 predictions, at least 2 are needed"),
        ([0.1, np.nan], [0.1, 0.2], r"predictions\[1\] is nan"),
        ([0.1, 0.2], [np.inf, 0.2], r"targets\[0\] is inf"),
        ([0.1, 0.2, 0.3], [0.1, 0.2], "3 predictions, 2 targets"),
        ([[0.1], [0.2]], [0.1, 0.2], r"predictions have shape \(2, 1\)"),
    ],
)
def test_unusable_inputs_are_refused(metric, predictions, targets, message):
    with pytest.raises(UserError, match=message):
        metric(predictions, targets)


def test_a_negative_gain_is_refused():
    with pytest.raises(UserError, match=r"found the target -0\.1"):
        ndcg_at_10([0.1, 0.2], [-0.1, 0.2])


def test_the_ceiling_names_the_targets_it_refuses():
    with pytest.raises(UserError, match=r"targets\[1\] is nan"):
        tau_ceiling([0.1, np.nan])
    with pytest.raises(UserError, match="found 1 targets"):
        tau_ceiling([0.1])
