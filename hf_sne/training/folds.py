"""Tasks: which networks are trained on and which are tested on, by data set and architecture family."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Domain(NamedTuple):
    """Networks of one family trained on one data set."""

    data: str
    family: str

    def __str__(self) -> str:
        return f"{self.data}/{self.family}"


@dataclass(frozen=True)
class Fold:
    """One training of every predictor: on the training runs of some domains, tested on the test runs of others."""

    name: str
    train: tuple[Domain, ...]
    test: tuple[Domain, ...]


class Cell(NamedTuple):
    """Two names: of what was trained on, and of what was tested on."""

    trained: str
    tested: str

    def __str__(self) -> str:
        return f"{self.trained} -> {self.tested}"


def cells_by_place(folds: Sequence[Fold]) -> dict[str, list[Cell]]:
    """The cells of folds in two groups, where they hold any: tested on the domains trained on, and on others."""
    groups: dict[str, list[Cell]] = {"same domain": [], "other domains": []}
    for fold in folds:
        for domain in fold.test:
            groups["same domain" if domain in fold.train else "other domains"].append(Cell(fold.name, str(domain)))
    return {name: cells for name, cells in groups.items() if cells}


def _each(domains: Sequence[Domain]) -> Iterator[Fold]:
    """Train on each, test on all of the same family: in-dataset and cross-dataset."""
    for own in domains:
        yield Fold(str(own), (own,), tuple(other for other in domains if other.family == own.family))


def _together(domains: Sequence[Domain]) -> Iterator[Fold]:
    """Train and test on all."""
    yield Fold("all", tuple(domains), tuple(domains))


def _without_data(domains: Sequence[Domain]) -> Iterator[Fold]:
    """Cross-dataset: train on all data sets but one, test on that."""
    yield from _left_out(domains, lambda domain: domain.data)


def _without_family(domains: Sequence[Domain]) -> Iterator[Fold]:
    """Cross-architecture: train on all families but one, test on that."""
    yield from _left_out(domains, lambda domain: domain.family)


def _without_both(domains: Sequence[Domain]) -> Iterator[Fold]:
    """Cross both: train on networks of other data sets and other families than those tested on."""
    for own in domains:
        kept = tuple(other for other in domains if other.data != own.data and other.family != own.family)
        yield Fold(f"without {own}", kept, (own,))


def _left_out(domains: Sequence[Domain], part: Callable[[Domain], str]) -> Iterator[Fold]:
    for name in dict.fromkeys(map(part, domains)):
        kept = tuple(domain for domain in domains if part(domain) != name)
        yield Fold(f"without {name}", kept, tuple(domain for domain in domains if part(domain) == name))


FOLDS: dict[str, Callable[[Sequence[Domain]], Iterator[Fold]]] = {
    "each": _each,
    "together": _together,
    "without_data": _without_data,
    "without_family": _without_family,
    "without_both": _without_both,
}
