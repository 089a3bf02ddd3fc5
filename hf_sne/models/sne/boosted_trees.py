"""Boosted trees on the statistics of a network's layers: a second opinion beside what the encoder learns."""

import torch
from torch import Tensor, nn

from .configuration_sne import SneConfig
from .set_layers import Sets


def pool_statistics(statistics: Tensor, networks: Sets) -> Tensor:
    """Mean, minimum and maximum over a network's layers, and the last layer's: [l, f] -> [b, 4 f]."""
    parts = [networks.mean(statistics), -networks.max(-statistics), networks.max(statistics), networks.last(statistics)]
    return torch.cat(parts, 1)


class BoostedTrees(nn.Module):
    """Regression trees that are added up (Friedman 2001), from pooled statistics [b, i] to logits [b].

    Trees find thresholds that few networks suffice to tell, and err elsewhere than what gradients teach. They are
    grown once the encoder is trained (:mod:`hf_sne.training.growing`), and saved with it as buffers: of t trees of n
    nodes the statistic ``features`` [t, n] that a node asks for, its ``thresholds`` [t, n], the ``branches`` [t, n, 2]
    that values up to it and above it take, a leaf leading to itself, and the ``values`` [t, n] of leaves. ``weight``
    [1] is the trees' share of the predictor's logit, 0 until they are grown.
    """

    features: Tensor
    thresholds: Tensor
    branches: Tensor
    values: Tensor
    weight: Tensor

    def __init__(self, config: SneConfig) -> None:
        super().__init__()
        # A tree of k leaves has k - 1 other nodes, at most all of them one below the other.
        self.depth = config.tree_leaves - 1
        nodes = config.num_trees, config.tree_leaves + self.depth
        self.register_buffer("features", torch.zeros(nodes, dtype=torch.long))
        self.register_buffer("thresholds", torch.zeros(nodes))
        self.register_buffer("branches", torch.zeros(*nodes, 2, dtype=torch.long))
        self.register_buffer("values", torch.zeros(nodes))
        self.register_buffer("weight", torch.zeros(1))

    @torch.no_grad()
    def reset(self) -> None:
        """No trees, for a model that was never trained."""
        for buffer in self.buffers():
            buffer.zero_()

    def forward(self, statistics: Tensor) -> Tensor:
        """[b, i] -> [b]."""
        rows = statistics.to(self.thresholds.dtype)
        trees = torch.arange(len(self.features), device=rows.device)
        place = torch.zeros(len(rows), len(trees), dtype=torch.long, device=rows.device)
        for _ in range(self.depth):
            above = rows.gather(1, self.features[trees, place]) > self.thresholds[trees, place]
            place = self.branches[trees, place, above.long()]
        return self.values[trees, place].sum(1)
