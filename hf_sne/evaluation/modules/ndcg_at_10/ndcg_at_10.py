"""NDCG of the ten networks that are predicted to be the best, as an ``evaluate`` module."""

from hf_sne.evaluation.metric_module import metric_class

NdcgAt10 = metric_class("ndcg_at_10")
