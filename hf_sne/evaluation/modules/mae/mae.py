"""Mean absolute error of predicted accuracies, as an ``evaluate`` module."""

from hf_sne.evaluation.metric_module import metric_class

Mae = metric_class("mae")
