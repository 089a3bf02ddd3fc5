"""How well predicted accuracies agree with measured ones, and how sure that is."""

from hf_sne.evaluation.bootstrap import bootstrap_interval, evaluate_predictions
from hf_sne.evaluation.conformal import conformal_interval, conformal_quantile, coverage
from hf_sne.evaluation.loading import load_metric
from hf_sne.evaluation.metrics import METRICS, kendall_tau, mae, ndcg_at_10, r2, spearman, tau_ceiling
from hf_sne.evaluation.resampling import Interval
from hf_sne.evaluation.splits import check_disjoint_runs, split_by_run

__all__ = [
    "METRICS",
    "Interval",
    "bootstrap_interval",
    "check_disjoint_runs",
    "conformal_interval",
    "conformal_quantile",
    "coverage",
    "evaluate_predictions",
    "kendall_tau",
    "load_metric",
    "mae",
    "ndcg_at_10",
    "r2",
    "spearman",
    "split_by_run",
    "tau_ceiling",
]
