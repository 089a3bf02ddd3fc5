"""The weight of the mean log norm beside what the encoder says (stacking: Wolpert 1992).

What an encoder learns of one kind of networks carries over to others in part; that larger norms go with longer training
carries over nearly everywhere. How much the norms should count is read off networks of kinds that the encoder was not
trained on, for on its own kinds it needs no help.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.models.baselines.norms import mean_log_norms
from hf_sne.zoo.entries import ZooEntry, targets

Floats = NDArray[np.floating]
# Of norms that are told apart: the lowest, the one that adds nothing, the highest.
Span = list[float]

# Candidates, in logits per unit of the mean log10 norm.
WEIGHTS = np.arange(0.0, 8.01, 0.25)
# Fewer networks of a zoo and family rank nothing.
_FEWEST = 10
# Norms beyond the outer percentiles of the networks' are not told apart; the one between adds nothing, so that most
# scores stay near what the encoder says.
_RANGE = (1, 50, 99)
_TINY = 1e-7


@dataclass(frozen=True)
class Outside:
    """A model's scores [n] of networks of a group that it was trained without, and the networks."""

    scores: Floats
    entries: Sequence[ZooEntry]

    def keep(self, kept: Sequence[int]) -> "Outside":
        """Some of them."""
        return Outside(self.scores[kept], [self.entries[place] for place in kept])

    @cached_property
    def cells(self) -> list[list[int]]:
        """Places of the networks of each zoo and family, where they are enough to be ranked."""
        places: dict[tuple[str, str], list[int]] = {}
        for place, entry in enumerate(self.entries):
            places.setdefault((entry.zoo, str(entry.labels.get("family"))), []).append(place)
        return [members for members in places.values() if len(members) >= _FEWEST]

    def taus(self, span: Span) -> Floats:
        """Kendall tau with each of :data:`WEIGHTS`, mean over the cells; norms count as far as ``span`` goes."""
        truth, norms = targets(self.entries), log_norms(self.entries).clip(span[0], span[2])
        stacked = logit(self.scores.clip(_TINY, 1 - _TINY)) + WEIGHTS[:, None] * norms
        taus = [[kendall_tau(row[members], truth[members]) for members in self.cells] for row in stacked]
        means: Floats = np.mean(taus, axis=1)
        return means


def norm_weight(outside: Mapping[str, Outside], span: Span) -> float:
    """The one of :data:`WEIGHTS` with the highest tau, mean over the groups; 0 where no group can be ranked."""
    taus = [each.taus(span) for each in outside.values() if each.cells]
    return float(WEIGHTS[int(np.mean(taus, axis=0).argmax())]) if taus else 0.0


def norm_weights(
    outside: Mapping[str, Outside], spans: Mapping[str, Span], is_in: Callable[[str, ZooEntry], bool]
) -> dict[str, float]:
    """:func:`norm_weight` for the model of each group, by the other groups less their networks that are in it too.

    ``spans`` are the models' own (:func:`norm_range`). A group's own networks have no say in it, so that what is
    measured on them is honest.
    """

    def without(group: str) -> dict[str, Outside]:
        others = {name: each for name, each in outside.items() if name != group}
        return {
            name: each.keep([place for place, entry in enumerate(each.entries) if not is_in(group, entry)])
            for name, each in others.items()
        }

    return {group: norm_weight(without(group), span) for group, span in spans.items()}


def norm_range(entries: Sequence[ZooEntry]) -> Span:
    """Norms of networks like those of the training: nearly the lowest, the middle, nearly the highest."""
    return [float(end) for end in np.percentile(log_norms(entries), _RANGE)]


def log_norms(entries: Sequence[ZooEntry]) -> Floats:
    """Mean log10 norm of each network's matrices, [n]."""
    norms: Floats = mean_log_norms([entry.read() for entry in entries])[:, 0]
    return norms
