"""Compare predictors: every one trained on the same networks, with several seeds, and measured on the same others."""

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hf_sne.errors import UserError
from hf_sne.evaluation.metrics import mae, r2, tau_ceiling
from hf_sne.evaluation.resampling import Resampled, draw_counts, resampled_tau
from hf_sne.evaluation.splits import check_disjoint_runs
from hf_sne.models.baselines.tensor_statistics import OtherArchitectureError
from hf_sne.training.config import TrainingConfig
from hf_sne.training.experiment import split_entries
from hf_sne.training.folds import FOLDS, Domain, Fold
from hf_sne.training.predictors import PREDICTORS, SNE
from hf_sne.training.system_info import system_info
from hf_sne.version import __version__
from hf_sne.zoo.atomic import write_bytes
from hf_sne.zoo.entries import Target, ZooEntry, targets
from hf_sne.zoo.read import read_zoo

RESAMPLES = 1000

# Domain -> split -> networks.
Zoos = Mapping[Domain, Mapping[str, list[ZooEntry]]]
# Domain -> predicted accuracies of its test networks in their order, or why there are none.
Predictions = dict[str, list[float] | str]
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ComparisonConfig:
    """A comparison.

    Args:
        zoos: Folders below the root that the command line gives, or Hub ids; their rows tell data set and family.
        folds: Task, a name in :data:`~hf_sne.training.folds.FOLDS`.
        predictors: Names in :data:`~hf_sne.training.predictors.PREDICTORS`; the others are compared with the first.
        seeds: Of each predictor; the splits are the same for all.
        families: To keep; none: all.
        target: Column of the zoos that is predicted, and the values that count as 0 and 1: ``{column, low, high}``;
            errors are told in the column's units.
        training: Fields of :class:`~hf_sne.training.config.TrainingConfig`, for the predictors that are SNE.
    """

    zoos: list[str]
    folds: str
    predictors: list[str]
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    families: list[str] = field(default_factory=list)
    target: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_yaml(cls, path: Path) -> "ComparisonConfig":
        """Read and check a file.

        Raises:
            UserError: it cannot be read, or a field is unknown, missing or names what is not there.
        """
        import yaml

        try:
            config = cls(**yaml.safe_load(path.read_text()))
        except (OSError, TypeError, yaml.YAMLError) as error:
            raise UserError(f"{path}: {error}", fix="see recipes/in-dataset for an example") from error
        try:
            Target(**config.target)
        except TypeError as error:
            raise UserError(f"{path}: target: {error}", fix="write {column: epoch, low: 0, high: 10}") from error
        TrainingConfig.from_mapping({"zoos": config.zoos, **config.training}, f"{path}: training")
        unknown = [name for name in config.predictors if name not in PREDICTORS]
        if unknown or config.folds not in FOLDS:
            known = f"predictors {', '.join(PREDICTORS)}; folds {', '.join(FOLDS)}"
            raise UserError(f"{path}: {unknown[0] if unknown else config.folds!r} is not known", fix=known)
        return config

    @property
    def sne(self) -> TrainingConfig:
        """How SNE is trained."""
        return TrainingConfig(zoos=self.zoos, **self.training)


def load_domains(config: ComparisonConfig, root: Path) -> Zoos:
    """The networks of all zoos by domain and split; twins damaged on purpose are left out."""
    target = Target(**config.target)
    entries = [
        entry
        for name in config.zoos
        for entry in read_zoo(root / name if (root / name).exists() else name, name, target)
    ]
    domains: dict[Domain, dict[str, list[ZooEntry]]] = {}
    for split, members in split_entries(entries, config.sne).items():
        for entry in members:
            domain = Domain(str(entry.labels["data"]), str(entry.labels["family"]))
            wanted = not config.families or domain.family in config.families
            if wanted and entry.labels.get("damage", "none") == "none":
                domains.setdefault(domain, {name: [] for name in config.sne.splits})[split].append(entry)
    return domains


def run_comparison(config: ComparisonConfig, root: Path, output: Path, report: Report) -> dict[str, Any]:
    """Fit and measure everything; resumable: fits that are done below ``output`` are not done again."""
    report("reading zoos", 0, 1)
    zoos = load_domains(config, root)
    folds = list(FOLDS[config.folds](sorted(zoos)))
    _check(config, zoos, folds)
    fits = [(fold, name, seed) for fold in folds for name in config.predictors for seed in config.seeds]
    predictions: dict[str, dict[str, list[Predictions]]] = defaultdict(lambda: defaultdict(list))
    for number, (fold, name, seed) in enumerate(fits):
        report(f"{fold.name}: {name}, seed {seed}", number, len(fits))
        predictions[fold.name][name].append(_fit(config, zoos, fold, name, seed, output))
    report("measuring", len(fits), len(fits))
    return {
        "config": asdict(config),
        "system": system_info(),
        "networks": {
            str(domain): {name: len(part) for name, part in splits.items()} for domain, splits in zoos.items()
        },
        **_measure(config, zoos, folds, predictions),
    }


def _fit(config: ComparisonConfig, zoos: Zoos, fold: Fold, name: str, seed: int, output: Path) -> Predictions:
    """Predictions of one predictor with one seed for every test domain of a fold, fitted or found."""
    parts = _parts(config, zoos, fold)
    tests = {str(domain): zoos[domain]["test"] for domain in fold.test}
    networks = [[(entry.zoo, entry.id, entry.target) for entry in part] for part in (*parts.values(), *tests.values())]
    # How SNE is trained is nothing to the baselines, which need not be fitted anew when that changes.
    settings = {**config.sne.resolved(), "zoos": []} if name in SNE else {}
    told = json.dumps([__version__, settings, name, seed, networks, list(tests)], sort_keys=True)
    fingerprint = hashlib.sha256(told.encode()).hexdigest()[:16]
    path = output / "predictions" / f"{_slug(fold.name)}-{name}-{seed}-{fingerprint}.json"
    if not path.exists():
        predictor, work = PREDICTORS[name](config.sne), output / "work" / path.stem
        found: Predictions = {}
        try:
            predictor.fit(parts["train"], parts["validation"], seed, work)
        except OtherArchitectureError as error:
            found = dict.fromkeys(tests, str(error))
        for domain in () if found else fold.test:
            try:
                found[str(domain)] = predictor.predict(zoos[domain]["test"]).tolist()
            except OtherArchitectureError as error:
                found[str(domain)] = str(error)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, json.dumps(found).encode())
        shutil.rmtree(work, ignore_errors=True)
    kept: Predictions = json.loads(path.read_text())
    return kept


def _parts(config: ComparisonConfig, zoos: Zoos, fold: Fold) -> dict[str, list[ZooEntry]]:
    """The splits of all domains that a fold trains on."""
    return {split: [entry for domain in fold.train for entry in zoos[domain][split]] for split in config.sne.splits}


def _check(config: ComparisonConfig, zoos: Zoos, folds: Sequence[Fold]) -> None:
    """Refuse before the fits what would end them, and a run that is trained on and tested on."""
    if not folds:
        raise UserError(f"no networks of the families {config.families}", fix="name families that the zoos hold")
    for fold in folds:
        for split in ("train", "validation"):
            runs = {entry.run for entry in _parts(config, zoos, fold)[split]}
            if len(runs) < 2:
                told = f"the task {config.folds!r}, {fold.name}: {len(runs)} runs to be its {split} runs"
                raise UserError(f"{told}, at least 2 are needed", fix="add zoos of other data sets or families")
    for domain, splits in zoos.items():
        if len({entry.run for entry in splits["test"]}) < 2:
            raise UserError(f"{domain}: fewer than 2 runs in its test split", fix="add runs")
    everything = {
        split: [entry.run for splits in zoos.values() for entry in splits[split]] for split in config.sne.splits
    }
    check_disjoint_runs(everything)


def _slug(name: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in name)


def _measure(
    config: ComparisonConfig,
    zoos: Zoos,
    folds: Sequence[Fold],
    predictions: Mapping[str, Mapping[str, list[Predictions]]],
) -> dict[str, Any]:
    """Every cell (what was trained on, what was tested on), and averages over the cells that both predictors have."""
    cells: dict[str, dict[str, Any]] = {}
    taus: dict[str, dict[str, Resampled]] = {name: {} for name in config.predictors}
    target = Target(**config.target)
    scale = target.high - target.low
    for fold in folds:
        for domain in fold.test:
            cell = f"{fold.name} -> {domain}"
            entries = zoos[domain]["test"]
            # The same test networks are drawn in the same way whatever was trained on.
            counts = draw_counts([entry.run for entry in entries], RESAMPLES, seed=0)
            cells[cell] = {"ceiling": tau_ceiling(targets(entries)), "test": len(entries)}
            for name, fits in predictions[fold.name].items():
                found = [fit[str(domain)] for fit in fits]
                refused = next((part for part in found if isinstance(part, str)), None)
                if refused is None:
                    taus[name][cell], cells[cell][name] = _cell(found, targets(entries), counts, scale)
                else:
                    cells[cell][name] = {"refused": refused}
    first = config.predictors[0]
    return {
        "cells": cells,
        "averages": {
            group: {name: _average(first, name, taus, chosen) for name in config.predictors}
            for group, chosen in _groups(folds).items()
        },
    }


def _groups(folds: Sequence[Fold]) -> dict[str, list[str]]:
    """Cells whose average is of interest: tested on the domains trained on, and on others."""
    groups: dict[str, list[str]] = {"same domain": [], "other domains": []}
    for fold in folds:
        for domain in fold.test:
            groups["same domain" if domain in fold.train else "other domains"].append(f"{fold.name} -> {domain}")
    return {name: cells for name, cells in groups.items() if cells}


def _cell(found: Sequence[Any], truth: Any, counts: Any, scale: float) -> tuple[Resampled, dict[str, Any]]:
    """Tau and squared error averaged over the seeds, their intervals over runs, and each seed's own tau."""
    seeds = [Resampled(resampled_tau(part, truth, counts)) for part in found]
    tau = Resampled.mean(seeds)
    clipped = [np.clip(part, 0, 1) for part in found]
    squares = scale**2 * np.mean([(part - truth) ** 2 for part in clipped], axis=0)
    ceiling = tau_ceiling(truth)
    told = {
        "kendall_tau": asdict(tau.interval()),
        "tau_over_ceiling": asdict(tau.interval().scaled(1 / ceiling)) if ceiling > 0 else None,
        "seeds": [float(seed.values[0]) for seed in seeds],
        "mae": scale * float(np.mean([mae(part, truth) for part in clipped])),
        "mse": asdict(Resampled(counts @ squares / counts.sum(1)).interval()),
        "r2": float(np.mean([r2(part, truth) for part in clipped])),
    }
    return tau, told


def _average(
    first: str, name: str, taus: Mapping[str, Mapping[str, Resampled]], chosen: Sequence[str]
) -> dict[str, Any]:
    """Mean tau of a predictor over cells, and by how much the first predictor is above it on the same cells."""
    shared = [cell for cell in chosen if cell in taus[name] and cell in taus[first]]
    if not shared:
        return {"cells": 0}
    own, best = (Resampled.mean([taus[each][cell] for cell in shared]) for each in (name, first))
    return {
        "cells": len(shared),
        "kendall_tau": asdict(own.interval()),
        f"{first}_above": asdict((best - own).interval()),
    }
