"""Layer statistics as part of a layer's code: each read piece by piece, [l, f] -> [l, hidden_size]."""

import torch
from torch import Tensor, nn

from .configuration_sne import SneConfig
from .layer_statistics import count_statistics
from .set_layers import Sets

# Of a piece: statistics are of the order of 1, and between quantiles that all but coincide rounding would be amplified.
_NARROWEST = 1e-4


class StatisticsEncoder(nn.Module):
    """Piecewise linear encoding of every statistic, and a linear map (Gorishniy et al. 2022, section 3.2).

    A statistic is told by how far it has come through each piece, 0 to 1, between quantiles of the training zoos. What
    lies beyond them counts as their end, and thresholds, which trees find with ease, are within a linear map's reach.

    ``edges`` [f, pieces + 1] are set by :meth:`fit` and saved with the model.
    """

    edges: Tensor

    def __init__(self, config: SneConfig) -> None:
        super().__init__()
        count = count_statistics(config.statistics)
        self.register_buffer("edges", torch.zeros(count, config.statistics_bins + 1))
        self.dropout = config.statistics_dropout
        self.linear = nn.Linear(count * config.statistics_bins, config.hidden_size)

    @torch.no_grad()
    def reset_edges(self) -> None:
        """Even pieces, for a model that was never trained."""
        self.edges.copy_(torch.linspace(-4, 4, self.edges.shape[1]).expand_as(self.edges))

    @torch.no_grad()
    def fit(self, statistics: Tensor) -> None:
        """Set the edges to quantiles of the layer statistics of the training zoos, [n, f]."""
        shares = torch.linspace(0, 1, self.edges.shape[1], dtype=torch.float64)
        self.edges.copy_(torch.quantile(statistics.double(), shares, dim=0).T)

    def forward(self, statistics: Tensor, networks: Sets) -> Tensor:
        """[l, f] -> [l, hidden_size]; ``networks`` says each layer's network."""
        low, width = self.edges[:, :-1], self.edges.diff()
        way = (statistics.to(low.dtype).unsqueeze(2) - low) / width.clamp(min=_NARROWEST)
        # Where quantiles coincide there is no way to go.
        way = torch.where(width > 0, way.clamp(0, 1), 0.0)
        if self.training and self.dropout:
            # A predictor must not lean on the few statistics that tell most where it was trained: elsewhere others do.
            kept = torch.rand(networks.count, way.shape[1], 1, device=way.device) >= self.dropout
            way = way * kept[networks.index] / (1 - self.dropout)
        code: Tensor = self.linear(way.flatten(1).to(self.linear.weight.dtype))
        return code
