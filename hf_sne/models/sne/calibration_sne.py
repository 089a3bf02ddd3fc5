"""What stands beside a score: intervals with a level, how far the network is from the training zoo, and who is near."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .configuration_sne import SneConfig

# Nearest references whose distance tells how familiar a network is, and whose errors tell how hard it is to predict.
NEIGHBOURS = 5
ERROR_NEIGHBOURS = 30
# Added to the references' errors, which are small where the encoder was trained: no interval shrinks to a point.
ERROR_FLOOR = 0.02
# A radius at which every interval is [0, 1].
EVERYTHING = 1 / ERROR_FLOOR
_NAME_BYTES = 64


@dataclass(frozen=True)
class Assessment:
    """Of b scores: ``interval`` and ``zoo_interval`` [b, 2] within [0, 1]; percentile [b] in [0, 100]; in_distribution
    [b], bool; ``neighbours`` [b, 5], the nearest references, nearest first.
    """

    interval: Tensor
    zoo_interval: Tensor
    percentile: Tensor
    in_distribution: Tensor
    neighbours: Tensor


class Calibration(nn.Module):
    """Split-conformal intervals, and a distance percentile against held-out runs of the training zoo.

    All buffers are saved with the model. A model without references (``config.num_references`` 0) was never
    calibrated: its intervals are [0, 1] and its percentile 100, which says nothing rather than something untrue.

    - ``references`` [r, h]: embeddings of training networks, less ``center`` [h] and over ``scale`` [h]; their
      ``accuracies`` [r], the model's absolute ``errors`` [r] on them, and ``names`` [r, 64], UTF-8;
    - ``distances`` [101]: percentiles of the distance of held-out networks of the training zoos;
    - ``radius`` [2]: half-widths over the expected error, for networks of the zoos' own data sets (held-out runs), and
      for others (the worst of the data sets and families that models of the same recipe were trained without).
    """

    references: Tensor
    accuracies: Tensor
    errors: Tensor
    names: Tensor
    center: Tensor
    scale: Tensor
    distances: Tensor
    radius: Tensor

    def __init__(self, config: SneConfig) -> None:
        super().__init__()
        self.is_fitted = config.num_references > 0
        # A row also where there are none: Accelerate takes empty tensors for one and the same when it saves a state.
        size, count = config.embedding_size, max(1, config.num_references)
        self.limit = config.in_distribution_percentile
        self.register_buffer("references", torch.zeros(count, size))
        self.register_buffer("accuracies", torch.zeros(count))
        self.register_buffer("errors", torch.zeros(count))
        self.register_buffer("names", torch.zeros(count, _NAME_BYTES, dtype=torch.uint8))
        self.register_buffer("center", torch.zeros(size))
        self.register_buffer("scale", torch.zeros(size))
        self.register_buffer("distances", torch.zeros(101))
        self.register_buffer("radius", torch.zeros(2))
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """As before any calibration."""
        for buffer in self.buffers():
            buffer.zero_()
        self.scale.fill_(1.0)
        self.radius.fill_(EVERYTHING)

    def name_references(self, names: Sequence[str]) -> None:
        """Set the references' names; of a long one its start, with the zoo, is kept."""
        cut = [name.encode()[:_NAME_BYTES] for name in names]
        self.names.copy_(torch.from_numpy(np.array(cut, dtype=f"S{_NAME_BYTES}").view(np.uint8).reshape(len(cut), -1)))

    def name(self, reference: int) -> str:
        """What a reference is called: its zoo and its id there."""
        return bytes(self.names[reference].tolist()).rstrip(b"\0").decode(errors="ignore")

    def standardise(self, embeddings: Tensor) -> Tensor:
        """Embeddings [b, h] in the training zoo's deviations from its mean."""
        # Not whitened: directions of little variance, made as wide as the rest, hide which networks are alike.
        return (embeddings.float() - self.center.float()) / self.scale.float()

    def nearest(self, embeddings: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Distances and places of the nearest references, [b, h] -> [b, count] each, nearest first."""
        distances = torch.cdist(self.standardise(embeddings), self.references.float())
        found = distances.topk(min(count, distances.shape[1]), largest=False)
        return found.values, found.indices

    def distance(self, embeddings: Tensor) -> Tensor:
        """Mean distance to the nearest references, [b, h] -> [b]."""
        return self.nearest(embeddings, NEIGHBOURS)[0].mean(1)

    def expected_error(self, embeddings: Tensor) -> Tensor:
        """What an interval is measured in: the error on the nearest references, [b, h] -> [b], at least ERROR_FLOOR.

        Normalised conformal prediction (Papadopoulos, Vovk and Gammerman 2011, equation 16).
        """
        return self._mean_error(self.nearest(embeddings, ERROR_NEIGHBOURS)[1])

    def _mean_error(self, references: Tensor) -> Tensor:
        return self.errors.float()[references].mean(1) + ERROR_FLOOR

    def forward(self, scores: Tensor, embeddings: Tensor) -> Assessment:
        """Scores [b] in [0, 1] and network embeddings [b, h]."""
        if not self.is_fitted:
            everything = torch.stack([torch.zeros_like(scores), torch.ones_like(scores)], 1)
            nobody = torch.zeros(len(scores), 0, dtype=torch.long, device=scores.device)
            strange = torch.zeros_like(scores, dtype=torch.bool)
            return Assessment(everything, everything, torch.full_like(scores, 100.0), strange, nobody)
        distances, nearest = self.nearest(embeddings, ERROR_NEIGHBOURS)
        distance, neighbours = distances[:, :NEIGHBOURS].mean(1), nearest[:, :NEIGHBOURS]
        percentile = torch.searchsorted(self.distances.float(), distance).clamp(max=100)
        inside = percentile <= self.limit
        expected = self._mean_error(nearest)
        zoo, anywhere = ((expected * radius).unsqueeze(1) for radius in self.radius.float())
        ends = scores.new_tensor([-1.0, 1.0])
        interval = (scores.unsqueeze(1) + anywhere * ends).clamp(0, 1)
        # Of a network unlike any in the zoo it is idle to say how it would be if it were one of them.
        zoo_interval = torch.where(inside.unsqueeze(1), (scores.unsqueeze(1) + zoo * ends).clamp(0, 1), interval)
        return Assessment(interval, zoo_interval, percentile.to(scores.dtype), inside, neighbours)
