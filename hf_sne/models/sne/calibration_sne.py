"""What stands beside a score: an interval with a level, and how far the network is from the training zoo."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .configuration_sne import SneConfig

NEIGHBOURS = 5


@dataclass(frozen=True)
class Assessment:
    """Of b scores: interval [b, 2] within [0, 1]; percentile [b] in [0, 100]; in_distribution [b], bool."""

    interval: Tensor
    percentile: Tensor
    in_distribution: Tensor


class Calibration(nn.Module):
    """Split-conformal intervals, and a distance percentile against held-out runs of the training zoo.

    All buffers are saved with the model. A model without references (``config.num_references`` 0) was never
    calibrated: its interval is [0, 1] and its percentile 100, which says nothing rather than something untrue.

    - ``references`` [r, h]: whitened embeddings of training networks; ``center`` [h], ``whitening`` [h, h];
    - ``distances`` [101]: percentiles of the distance of held-out networks of the training zoos;
    - ``radius`` [2]: half-width of the interval in distribution (residuals of held-out runs), and out of it (residuals
      on zoos that a model of the same recipe was trained without).
    """

    references: Tensor
    center: Tensor
    whitening: Tensor
    distances: Tensor
    radius: Tensor

    def __init__(self, config: SneConfig) -> None:
        super().__init__()
        size, count = config.embedding_size, config.num_references
        self.is_fitted = count > 0
        self.limit = config.in_distribution_percentile
        self.register_buffer("references", torch.zeros(count, size))
        self.register_buffer("center", torch.zeros(size))
        self.register_buffer("whitening", torch.zeros(size, size))
        self.register_buffer("distances", torch.zeros(101))
        self.register_buffer("radius", torch.ones(2))

    def whiten(self, embeddings: Tensor) -> Tensor:
        """Embeddings [b, h] with the training zoo's covariance taken out."""
        return (embeddings.float() - self.center.float()) @ self.whitening.float()

    def distance(self, embeddings: Tensor) -> Tensor:
        """Mean distance to the nearest references, [b, h] -> [b]."""
        nearest = torch.cdist(self.whiten(embeddings), self.references.float())
        return nearest.topk(min(NEIGHBOURS, nearest.shape[1]), largest=False).values.mean(1)

    def forward(self, scores: Tensor, embeddings: Tensor) -> Assessment:
        """Scores [b] in [0, 1] and network embeddings [b, h]."""
        if not self.is_fitted:
            everything = torch.stack([torch.zeros_like(scores), torch.ones_like(scores)], 1)
            return Assessment(everything, torch.full_like(scores, 100.0), torch.zeros_like(scores, dtype=torch.bool))
        percentile = (
            torch.searchsorted(self.distances.float(), self.distance(embeddings)).clamp(max=100).to(scores.dtype)
        )
        inside = percentile <= self.limit
        familiar, strange = self.radius.float()
        radius = torch.where(inside, familiar, strange).unsqueeze(1)
        interval = (scores.unsqueeze(1) + radius * radius.new_tensor([-1.0, 1.0])).clamp(0, 1)
        return Assessment(interval, percentile.to(scores.dtype), inside)
