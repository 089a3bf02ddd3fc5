"""One experiment from zoos to numbers: split by run, train, train again without each group, calibrate, compare."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from hf_sne.errors import UserError
from hf_sne.evaluation.splits import check_disjoint_runs, split_by_run
from hf_sne.models.sne import SneConfig, SneForPerformancePrediction, SneProcessor
from hf_sne.training.calibrate import Predicted, calibrate
from hf_sne.training.config import TrainingConfig
from hf_sne.training.examples import Example, ExampleMaker
from hf_sne.training.measure import (
    Held,
    Measured,
    fit_baseline,
    grouped,
    interval_report,
    measure,
    predict_all,
    radii,
    reliability,
    summarise,
)
from hf_sne.training.stacking import Outside, norm_range, norm_weights
from hf_sne.training.system_info import system_info
from hf_sne.training.trainer import Progress, train
from hf_sne.zoo.entries import ZooEntry
from hf_sne.zoo.read import on_hub, read_zoos

PREDICTOR = "predictor"
# The group that is left out of the training on all zoos.
ALL = ""

Splits = dict[str, list[Example]]
Report = Callable[[str, Progress | None], None]


@dataclass(frozen=True)
class Experiment:
    """The data of an experiment: the examples of each split, and the maker that made them."""

    config: TrainingConfig
    maker: ExampleMaker
    splits: Splits

    @classmethod
    def load(cls, config: TrainingConfig, root: Path) -> "Experiment":
        """Read the zoos of a configuration, folders below ``root`` or Hub ids, and split each by run."""
        maker = ExampleMaker(SneProcessor.from_config(SneConfig(**config.model)), shuffles=config.order_weight > 0)
        entries = read_zoos([*config.zoos, *config.test_zoos], root)
        splits = {split: maker.make(members) for split, members in split_entries(entries, config).items()}
        experiment = cls(config, maker, splits)
        experiment.check()
        return experiment

    def check(self) -> None:
        """Refuse before the training what would end it: a test set without enough runs, a run in two splits."""
        for zoo in [*self.config.zoos, *self.config.test_zoos]:
            runs = {example.entry.run for example in self.splits["test"] if example.entry.zoo == zoo}
            if len(runs) < 2:
                raise UserError(
                    f"the zoo {zoo!r} has {len(runs)} runs in its test split, at least 2 are needed",
                    fix="add runs, or a larger share for test; a zoo's name is that of its folder, without a path",
                )
        for group in self.config.leave_out:
            self._check_group(group)
        check_disjoint_runs({name: [e.entry.run for e in examples] for name, examples in self.splits.items()})

    def _check_group(self, group: str) -> None:
        if not any(self.group(group, split) for split in self.splits):
            raise UserError(
                f"leave_out {group!r}: no network has {self.config.leave_out[group]}",
                fix="name columns of the zoos and values that they hold: data, family, optimizer, ...",
            )
        level = SneConfig(**self.config.model).interval_level
        # With fewer calibration runs no interval but [0, 1] has the level, and the widest counts for all networks.
        enough = ceil(level / (1 - level) - 1e-9)
        left = {"calibration": self.group(group, "calibration"), "test": self.tests(group)}
        kept = {"train": 2, "validation": 2, "calibration": 2}
        for name, splits, needed in (
            ("kept", self.training(group), kept),
            ("left out", left, {"calibration": enough, "test": 2}),
        ):
            for split, count in needed.items():
                runs = len({example.entry.run for example in splits[split]})
                if runs < count:
                    raise UserError(
                        f"leave_out {group!r}: {runs} {split} runs are {name}, at least {count} are needed",
                        fix="add runs, or change splits: 9 calibration runs of a group are needed for 90 % intervals",
                    )

    def training(self, without: str = ALL) -> Splits:
        """All splits of the zoos that are trained on, without a group if one is named."""
        return {split: self._of(split, lambda e: not self.is_in(without, e.entry)) for split in self.splits}

    def lessons(self, without: str) -> Splits:
        """:meth:`training` with the networks of some zoos several times, as the configuration repeats them."""
        splits = self.training(without)
        times = self.config.repeat
        return {**splits, "train": [e for e in splits["train"] for _ in range(times.get(e.entry.zoo, 1))]}

    def group(self, name: str, split: str) -> list[Example]:
        """One split of a group that is left out."""
        return self._of(split, lambda example: self.is_in(name, example.entry))

    def is_in(self, group: str, entry: ZooEntry) -> bool:
        """Whether a network is one of a group's; none is of the group that :data:`ALL` stands for."""
        columns = self.config.leave_out.get(group)
        return columns is not None and all(entry.labels.get(column) in values for column, values in columns.items())

    def tests(self, group: str = ALL) -> list[Example]:
        """Test networks of the zoos that are trained on, or of a group, from zoos with two runs of them or more."""
        found = self.group(group, "test") if group else self._of("test", lambda _: True)
        runs: dict[str, set[str]] = {}
        for example in found:
            runs.setdefault(example.entry.zoo, set()).add(example.entry.run)
        return [example for example in found if len(runs[example.entry.zoo]) > 1]

    def test_zoos(self) -> list[Example]:
        """Test networks of zoos of which nothing is trained on."""
        return [example for example in self.splits["test"] if example.entry.zoo in self.config.test_zoos]

    def count(self) -> dict[str, dict[str, int]]:
        """Networks of each zoo in each split."""
        zoos = [*self.config.zoos, *self.config.test_zoos]
        return {
            zoo: {split: sum(e.entry.zoo == zoo for e in examples) for split, examples in self.splits.items()}
            for zoo in zoos
        }

    def _of(self, split: str, wanted: Callable[[Example], bool]) -> list[Example]:
        return [e for e in self.splits[split] if e.entry.zoo in self.config.zoos and wanted(e)]


def split_entries(entries: Sequence[ZooEntry], config: TrainingConfig) -> dict[str, list[ZooEntry]]:
    """Each split's entries: what a published zoo keeps for testing is tested on, all else is divided here.

    Divided once over all zoos: runs of one name in two zoos are twins that differ in their data alone.
    """
    kept = [entry for entry in entries if entry.labels.get("split") == "test"]
    rest = [entry for entry in entries if "split" in entry.labels and entry.labels["split"] != "test"]
    free = [entry for entry in entries if "split" not in entry.labels]
    inner = {name: share / (1 - config.splits["test"]) for name, share in config.splits.items() if name != "test"}
    splits: dict[str, list[ZooEntry]] = {name: [] for name in config.splits} | {"test": kept}
    for members, shares in ((rest, inner), (free, config.splits)):
        if members:
            for name, rows in split_by_run([entry.run for entry in members], shares, config.seed).items():
                splits[name] = splits[name] + [members[row] for row in rows]
    return splits


def run_experiment(
    config: TrainingConfig, root: Path, output: Path, accelerator: Accelerator, report: Report
) -> tuple[dict[str, Any], list[Measured]]:
    """Train and measure; ``output/predictor`` is the calibrated predictor.

    Resumable: trainings that are finished or under way below ``output`` are taken up again.

    Returns:
        The results, JSON-able, and every test network with what was predicted; both empty but in the main process.
    """
    report("reading zoos", None)
    experiment = Experiment.load(config, root)

    def fit(group: str) -> SneForPerformancePrediction:
        folder, stage = (output / f"without-{group}", f"without {group}") if group else (output, "all zoos")
        return train(config, experiment.maker, experiment.lessons(group), folder, accelerator, partial(report, stage))

    models = {group: fit(group) for group in [*config.leave_out, ALL]}
    if not accelerator.is_main_process:
        return {}, []
    report("calibrating", None)
    _stack(experiment, models)
    held = {group: _hold_out(experiment, model, group) for group, model in models.items()}
    own = held[ALL]
    for group, each in held.items():
        level = each.model.config.interval_level
        each.model.calibration.radius.copy_(torch.tensor(radii(held, group, level, experiment.is_in)))
    own.model.save_pretrained(output / PREDICTOR)
    experiment.maker.processor.save_pretrained(output / PREDICTOR)
    baselines = {}
    for group in held:
        report(f"weight statistics without {group}" if group else "weight statistics", None)
        training = experiment.training(group)
        baselines[group] = fit_baseline([*training["train"], *training["validation"]])
    rows = {group: measure(each, baselines[group]) for group, each in held.items()}
    elsewhere = measure(own.on(experiment.test_zoos(), experiment.maker), baselines[ALL])
    results = {
        "config": asdict(config),
        "zoos_on_hub": [zoo for zoo in config.zoos if on_hub(zoo, root)],
        "system": {**system_info(), "processes": accelerator.num_processes, "accelerator": str(accelerator.device)},
        "parameters": sum(weight.numel() for weight in own.model.parameters()),
        "radius": own.model.calibration.radius.tolist(),
        "norm_weight": {group: each.model.config.norm_weight for group, each in held.items()},
        "networks": experiment.count(),
        "test": summarise([*rows[ALL], *elsewhere]),
        "left_out": {group: summarise(rows[group]) for group in config.leave_out},
        "coverage": {
            "family": grouped(rows[ALL], lambda row: row.family),
            "data": grouped(rows[ALL], lambda row: row.data),
            "left out": {group: interval_report(rows[group]) for group in config.leave_out},
        },
        "reliability": reliability(held, experiment.is_in),
    }
    return results, [row for found in (*rows.values(), elsewhere) for row in found]


def _stack(experiment: Experiment, models: dict[str, SneForPerformancePrediction]) -> None:
    """Set how much the norms count in each model, by the other models on the groups that they were trained without."""
    outside = {}
    for group, model in models.items():
        if group:
            found = predict_all(model, experiment.maker, experiment.group(group, "calibration"))
            outside[group] = Outside(found.scores, found.entries)
    spans = {group: norm_range([e.entry for e in experiment.training(group)["calibration"]]) for group in models}
    for group, weight in norm_weights(outside, spans, experiment.is_in).items():
        models[group].config.norm_weight, models[group].config.norm_range = weight, spans[group]


def _hold_out(experiment: Experiment, model: SneForPerformancePrediction, left_out: str) -> Held:
    """The model calibrated on its own zoos, and its predictions of networks that it was not trained on."""

    def predicted(examples: list[Example]) -> Predicted:
        return predict_all(model, experiment.maker, examples)

    training = experiment.training(left_out)
    trained_on, own = predicted(training["train"]), predicted(training["calibration"])
    calibrated = calibrate(model, trained_on, own, experiment.config.seed)
    elsewhere = predicted(experiment.group(left_out, "calibration")) if left_out else None
    tests = experiment.tests(left_out)
    return Held(left_out, calibrated, own, elsewhere, tests, predicted(tests))
