"""Share of the measured accuracies' variance that the predictions explain, as an ``evaluate`` module."""

from hf_sne.evaluation.metric_module import metric_class

R2 = metric_class("r2")
