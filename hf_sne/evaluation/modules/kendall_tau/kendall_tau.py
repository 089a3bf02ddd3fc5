"""Kendall's tau-b between predicted and measured accuracies, as an ``evaluate`` module."""

from hf_sne.evaluation.metric_module import metric_class

KendallTau = metric_class("kendall_tau")
