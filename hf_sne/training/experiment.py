"""One experiment from zoos to numbers: split by run, train, train again without each group, calibrate, compare."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from hf_sne.errors import UserError
from hf_sne.evaluation.bootstrap import evaluate_predictions
from hf_sne.evaluation.conformal import coverage
from hf_sne.evaluation.splits import check_disjoint_runs, split_by_run
from hf_sne.models.baselines.tuned_regressor import TunedRegressor
from hf_sne.models.baselines.weight_statistics import pooled_features
from hf_sne.models.sne import SneConfig, SneForPerformancePrediction, SneProcessor
from hf_sne.models.sne.calibration_sne import Assessment
from hf_sne.training.calibrate import HeldOut, Outside, calibrate
from hf_sne.training.config import TrainingConfig
from hf_sne.training.examples import Example, ExampleMaker, accuracies
from hf_sne.training.system_info import system_info
from hf_sne.training.trainer import Progress, predict, train
from hf_sne.zoo.entries import ZooEntry
from hf_sne.zoo.read import read_zoo

PREDICTOR = "predictor"

Splits = dict[str, list[Example]]
Report = Callable[[str, Progress | None], None]


@dataclass(frozen=True)
class Experiment:
    """The data of an experiment: for each zoo its splits by run, and the maker that made the examples."""

    config: TrainingConfig
    maker: ExampleMaker
    zoos: dict[str, Splits]

    @classmethod
    def load(cls, config: TrainingConfig, root: Path) -> "Experiment":
        """Read the zoos of a configuration, folders below ``root`` or Hub ids, and split each by run."""
        maker = ExampleMaker(SneProcessor.from_config(SneConfig(**config.model)), shuffles=config.order_weight > 0)
        entries = [
            entry
            for name in [*config.zoos, *config.test_zoos]
            for entry in read_zoo(root / name if (root / name).exists() else name, name)
        ]
        zoos: dict[str, Splits] = {entry.zoo: {split: [] for split in config.splits} for entry in entries}
        for split, members in split_entries(entries, config).items():
            for example in maker.make(members):
                zoos[example.entry.zoo][split].append(example)
        experiment = cls(config, maker, zoos)
        experiment.check()
        return experiment

    def check(self) -> None:
        """Refuse before the training what would end it: a zoo or a split without enough runs, a run in two splits."""
        for zoo in [*self.config.zoos, *self.config.test_zoos]:
            splits = self.zoos.get(zoo, {})
            runs = {name: {example.entry.run for example in split} for name, split in splits.items()}
            if len(runs.get("test", ())) < 2:
                raise UserError(
                    f"the zoo {zoo!r} has {len(runs.get('test', ()))} runs in its test split, at least 2 are needed",
                    fix="add runs, or a larger share for test; a zoo's name is that of its folder, without a path",
                )
        everything = {split: [e.entry.run for e in self.gather(split, list(self.zoos))] for split in self.config.splits}
        check_disjoint_runs(everything)

    def gather(self, split: str, zoos: Sequence[str]) -> list[Example]:
        """One split of several zoos together."""
        return [example for zoo in zoos for example in self.zoos[zoo][split]]

    def tests(self, zoos: Sequence[str]) -> Splits:
        """The test split of each of several zoos."""
        return {zoo: self.zoos[zoo]["test"] for zoo in zoos}

    def splits(self, zoos: Sequence[str]) -> Splits:
        """All splits of several zoos together."""
        return {split: self.gather(split, zoos) for split in self.config.splits}


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
) -> dict[str, Any]:
    """Train and measure; ``output/predictor`` is the calibrated predictor, the result is JSON-able.

    Resumable: trainings that are finished or under way below ``output`` are taken up again.
    """
    report("reading zoos", None)
    experiment = Experiment.load(config, root)
    groups = {}
    for group, zoos in config.leave_out.items():
        kept = [zoo for zoo in config.zoos if zoo not in zoos]
        stage = partial(report, f"without {group}")
        model = train(
            config, experiment.maker, experiment.splits(kept), output / f"without-{group}", accelerator, stage
        )
        groups[group] = (model, kept)
    splits = experiment.splits(config.zoos)
    model = train(config, experiment.maker, splits, output, accelerator, partial(report, "all zoos"))
    if not accelerator.is_main_process:
        return {}
    report("calibrating and measuring", None)
    # The models without a group keep intervals that know the kept zoos alone: their coverage says what such intervals
    # are worth on other data.
    kept_only = {
        group: _calibrate(experiment, left, experiment.splits(kept), Outside.joined([]))
        for group, (left, kept) in groups.items()
    }
    errors = [
        _errors_outside(
            left, _predict(left, experiment.maker, experiment.gather("calibration", config.leave_out[group]))
        )
        for group, left in kept_only.items()
    ]
    calibrated = _calibrate(experiment, model, splits, Outside.joined(errors))
    calibrated.save_pretrained(output / PREDICTOR)
    experiment.maker.processor.save_pretrained(output / PREDICTOR)
    tests = experiment.tests([*config.zoos, *config.test_zoos])
    return {
        "config": asdict(config),
        "system": {**system_info(), "processes": accelerator.num_processes, "accelerator": str(accelerator.device)},
        "parameters": sum(weight.numel() for weight in calibrated.parameters()),
        "radius": calibrated.calibration.radius.tolist(),
        "networks": {zoo: {name: len(split) for name, split in experiment.zoos[zoo].items()} for zoo in tests},
        "test": _compare(experiment, calibrated, config.zoos, tests),
        "left_out": {
            group: _compare(experiment, left, groups[group][1], experiment.tests(config.leave_out[group]))
            for group, left in kept_only.items()
        },
    }


def _calibrate(
    experiment: Experiment, model: SneForPerformancePrediction, splits: Splits, outside: Outside
) -> SneForPerformancePrediction:
    _, embeddings = predict(model, experiment.maker, splits["train"])
    held_out = _predict(model, experiment.maker, splits["calibration"])
    return calibrate(model, embeddings, held_out, outside, experiment.config.seed)


def _errors_outside(model: SneForPerformancePrediction, predicted: HeldOut) -> Outside:
    return Outside(predicted.residuals, _assess(model, predicted).in_distribution.numpy(), predicted.zoos)


@torch.no_grad()
def _assess(model: SneForPerformancePrediction, predicted: HeldOut) -> Assessment:
    return model.calibration(torch.as_tensor(predicted.scores), torch.as_tensor(predicted.embeddings))  # type: ignore[no-any-return]


def _predict(model: SneForPerformancePrediction, maker: ExampleMaker, examples: list[Example]) -> HeldOut:
    scores, embeddings = predict(model, maker, examples)
    return HeldOut(scores, embeddings, accuracies(examples), [example.entry.zoo for example in examples])


def _compare(
    experiment: Experiment,
    model: SneForPerformancePrediction,
    trained_on: Sequence[str],
    tests: dict[str, list[Example]],
) -> dict[str, Any]:
    """SNE and the weight-statistics baseline on each test set; the baseline sees train and validation runs."""
    fitted = experiment.gather("train", trained_on) + experiment.gather("validation", trained_on)
    baseline = TunedRegressor()
    baseline.fit(_features(fitted), accuracies(fitted), [example.entry.run for example in fitted])
    results = {}
    for zoo, examples in tests.items():
        runs, targets = [example.entry.run for example in examples], accuracies(examples)
        predicted = _predict(model, experiment.maker, examples)
        statistics = baseline.predict(_features(examples))
        results[zoo] = {
            "sne": evaluate_predictions(predicted.scores, targets, runs) | _interval_report(model, predicted),
            "weight_statistics": evaluate_predictions(statistics, targets, runs),
        }
    return results


def _interval_report(model: SneForPerformancePrediction, predicted: HeldOut) -> dict[str, Any]:
    """How often the interval covers the truth, and how much of the zoo counts as in distribution."""
    assessment = _assess(model, predicted)
    low, high = assessment.interval.double().numpy().T
    return {
        "interval_coverage": coverage(low, high, predicted.targets),
        "interval_width": float((high - low).mean()),
        "in_distribution": float(assessment.in_distribution.float().mean()),
    }


def _features(examples: Sequence[Example]) -> np.ndarray:
    return pooled_features([example.entry.read() for example in examples])
