"""Spearman's rank correlation between predicted and measured accuracies, as an ``evaluate`` module."""

from hf_sne.evaluation.metric_module import metric_class

Spearman = metric_class("spearman")
