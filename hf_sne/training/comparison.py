"""Compare predictors: every one trained on the same networks, with several seeds, and measured on the same others."""

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hf_sne.errors import UserError
from hf_sne.evaluation.splits import check_disjoint_runs
from hf_sne.models.baselines.tensor_statistics import OtherArchitectureError
from hf_sne.training.cells import Predictions, measure_cells
from hf_sne.training.config import TrainingConfig
from hf_sne.training.experiment import split_entries
from hf_sne.training.folds import FOLDS, Domain, Fold, cells_by_place
from hf_sne.training.predictors import CONFIGURED, PREDICTORS, Predictor, SnePredictor
from hf_sne.training.system_info import system_info
from hf_sne.version import __version__
from hf_sne.zoo.atomic import write_bytes
from hf_sne.zoo.entries import Target, ZooEntry
from hf_sne.zoo.read import read_zoos

# Domain -> split -> networks.
Zoos = Mapping[Domain, Mapping[str, list[ZooEntry]]]
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
        data_fraction: About this share of the training and validation runs is kept, the same runs in all zoos.
        training: Fields of :class:`~hf_sne.training.config.TrainingConfig`, for the predictors that are SNE.
        variants: Name -> fields that replace those of ``training`` (of ``model``, one by one): SNE trained otherwise,
            which ``predictors`` names like any other.
    """

    zoos: list[str]
    folds: str
    predictors: list[str]
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    families: list[str] = field(default_factory=list)
    target: dict[str, Any] = field(default_factory=dict)
    data_fraction: float = 1.0
    training: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)

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
        for name in ("", *config.variants):
            TrainingConfig.from_mapping(config.settings(name), f"{path}: {name or 'training'}")
        unknown = [name for name in config.predictors if name not in PREDICTORS and name not in config.variants]
        if unknown or config.folds not in FOLDS:
            known = f"predictors {', '.join(PREDICTORS)}; folds {', '.join(FOLDS)}"
            raise UserError(f"{path}: {unknown[0] if unknown else config.folds!r} is not known", fix=known)
        return config

    @property
    def sne(self) -> TrainingConfig:
        """How SNE is trained."""
        return TrainingConfig(**self.settings())

    def settings(self, variant: str = "") -> dict[str, Any]:
        """Fields of TrainingConfig, as they are or as a variant has them."""
        changes = self.variants.get(variant, {})
        model = {**self.training.get("model", {}), **changes.get("model", {})}
        return {"zoos": self.zoos, **self.training, **changes, "model": model}

    def predictor(self, name: str) -> Predictor:
        """An unfitted predictor."""
        if name in self.variants:
            return SnePredictor(TrainingConfig(**self.settings(name)))
        return PREDICTORS[name](self.sne)

    def trained_by(self, name: str) -> dict[str, Any]:
        """The settings that decide what a predictor learns; those of SNE are nothing to most baselines."""
        if name not in CONFIGURED and name not in self.variants:
            return {}
        told = {**TrainingConfig(**self.settings(name)).resolved(), "zoos": []}
        # Every predictor of a comparison sees each network once.
        del told["repeat"]
        return told


def load_domains(config: ComparisonConfig, root: Path) -> Zoos:
    """The networks of all zoos by domain and split; twins damaged on purpose are left out."""
    entries = read_zoos(config.zoos, root, Target(**config.target))
    domains: dict[Domain, dict[str, list[ZooEntry]]] = {}
    for split, members in split_entries(entries, config.sne).items():
        for entry in members:
            domain = Domain(str(entry.labels["data"]), str(entry.labels["family"]))
            wanted = not config.families or domain.family in config.families
            wanted = wanted and (split == "test" or _share(entry.run) < config.data_fraction)
            if wanted and entry.labels.get("damage", "none") == "none":
                domains.setdefault(domain, {name: [] for name in config.sne.splits})[split].append(entry)
    return domains


def _share(run: str) -> float:
    """A number in [0, 1) that a run's name decides, so that a smaller fraction's runs are among a larger one's."""
    return int(hashlib.sha256(run.encode()).hexdigest()[:8], 16) / 16**8


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
        **measure_cells(
            config.predictors,
            Target(**config.target),
            {str(domain): splits["test"] for domain, splits in zoos.items()},
            cells_by_place(folds),
            predictions,
        ),
    }


def _fit(config: ComparisonConfig, zoos: Zoos, fold: Fold, name: str, seed: int, output: Path) -> Predictions:
    """Predictions of one predictor with one seed for every test domain of a fold, fitted or found."""
    parts = _parts(config, zoos, fold)
    tests = {str(domain): zoos[domain]["test"] for domain in fold.test}
    networks = [[(entry.zoo, entry.id, entry.target) for entry in part] for part in (*parts.values(), *tests.values())]
    told = json.dumps([__version__, config.trained_by(name), name, seed, networks, list(tests)], sort_keys=True)
    fingerprint = hashlib.sha256(told.encode()).hexdigest()[:16]
    path = output / "predictions" / f"{_slug(fold.name)}-{_slug(name, '_')}-{seed}-{fingerprint}.json"
    if not path.exists():
        predictor, work = config.predictor(name), output / "work" / path.stem
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


def _slug(name: str, allowed: str = "") -> str:
    return "".join(char if char.isalnum() or char in allowed else "-" for char in name)
