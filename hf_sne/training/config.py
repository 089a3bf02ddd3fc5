"""What a training run is told: a YAML file checked whole, with every fault named at once."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from hf_sne.errors import UserError
from hf_sne.models.sne import SneConfig

# What people write for a number and YAML takes for a text.
_NUMBER = re.compile(r"[-+]?[\d.]+[eE][-+]?\d+")


class TrainingConfigError(UserError):
    """A training configuration breaks rules; the message lists all of them."""


@dataclass(frozen=True)
class TrainingConfig:
    """One training run.

    Args:
        zoos: Names of zoo folders, below the root that the command line gives, or Hub ids. Of a published zoo the test
            split stays the test split; the rest, and zoos without splits, are divided by ``splits``.
        test_zoos: Further zoos of which the test split is scored; nothing of them is trained on.
        leave_out: Name of a group -> column of the zoos -> values: the networks that have one of them in every such
            column (``{cnns: {family: [cnn, resnet]}}``). For each group a model of the same recipe is trained without
            its networks and scored on them: the errors elsewhere, by which the intervals are set.
        repeat: Zoo -> how often an epoch holds each of its training networks; of the others once.
        seed: Of the splits, the initialisation, the order of examples and the permutations.
        splits: Share of the runs in each split; a run is never in two.
        epochs: At most this many passes.
        patience: Epochs without a better validation tau before training stops, and the best counts; 0: all epochs are
            trained, and the last counts, whose errors are smaller where validation runs are few.
        batch_size: Networks in a step over all processes, rounded down to the same number in each, at least one.
        learning_rate: Peak, after a linear warm-up, then a cosine to zero.
        warmup: Share of all steps.
        weight_decay: Of AdamW.
        invariance_weight: v of the paper's logit-invariance term; 0 leaves permutation as augmentation only.
        order_weight: Of the ranking loss between a network and itself with hidden units shuffled on one side.
        max_chunks: Chunks of one tensor view that a training step reads of a network, at random; all in evaluation.
        model: Fields of SneConfig.
        trackers: Accelerate's names (``tensorboard``, ...); ``state/history.json`` is written in any case.
    """

    zoos: list[str]
    test_zoos: list[str] = field(default_factory=list)
    leave_out: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    repeat: dict[str, int] = field(default_factory=dict)
    seed: int = 0
    splits: dict[str, float] = field(
        default_factory=lambda: {"train": 0.6, "validation": 0.1, "calibration": 0.1, "test": 0.2}
    )
    epochs: int = 60
    patience: int = 20
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    invariance_weight: float = 0.0
    order_weight: float = 0.0
    max_chunks: int = 256
    model: dict[str, Any] = field(default_factory=dict)
    trackers: list[str] = field(default_factory=list)

    def resolved(self) -> dict[str, Any]:
        """All that decides a training, with the fields of SneConfig that are at their defaults."""
        return {**asdict(self), "model": SneConfig(**self.model).to_dict()}

    @classmethod
    def from_yaml(cls, path: Path) -> "TrainingConfig":
        """Read and check a file.

        Raises:
            TrainingConfigError: unknown or missing fields, wrong types, values out of range; all in one message.
        """
        import yaml

        try:
            content = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise TrainingConfigError(f"{path}: {error}", fix="correct the YAML") from error
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingConfigError(f"{path}: {error}", fix="name a YAML file, see recipes/ for examples") from error
        if not isinstance(content, Mapping):
            raise TrainingConfigError(f"{path}: not a YAML mapping", fix="see recipes/ for examples")
        return cls.from_mapping(content, str(path))

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], source: str) -> "TrainingConfig":
        """Check fields; ``source`` is named in the error.

        Raises:
            TrainingConfigError: as :meth:`from_yaml`.
        """
        faults = _faults(cls, content)
        if faults:
            texts = [value for value in content.values() if isinstance(value, str) and _NUMBER.fullmatch(value)]
            hint = f"; YAML takes {texts[0]} for a text and 1.0e-3 for a number" if texts else ""
            raise TrainingConfigError(f"{source}: " + "; ".join(faults), fix=f"change these fields{hint}")
        return cls(**content)


def _faults(cls: type[TrainingConfig], content: Mapping[str, Any]) -> list[str]:
    hints = get_type_hints(cls)
    faults = [f"{name!r} is no field (known: {', '.join(hints)})" for name in content if name not in hints]
    required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    faults += [f"{name!r} is missing" for name in required if name not in content]
    for name, value in content.items():
        wanted = getattr(hints.get(name), "__origin__", hints.get(name))
        if wanted is not None and not isinstance(value, (int, float) if wanted is float else wanted):
            faults.append(f"{name} is {value!r}, must be {wanted.__name__}")
        elif wanted in (int, float) and name in ("epochs", "batch_size", "learning_rate", "max_chunks"):
            faults += [f"{name} is {value}, must be above 0"] if value <= 0 else []
    if not faults:
        faults += _faults_between(cls(**content))
    return faults


def _faults_between(config: TrainingConfig) -> list[str]:
    """Faults of fields whose types are right."""
    faults = [
        f"leave_out {group!r} is {told!r}, must be columns with lists of values, as {{family: [mlp]}}"
        for group, told in config.leave_out.items()
        if not isinstance(told, dict) or not told or not all(isinstance(values, list) for values in told.values())
    ]
    faults += [
        f"leave_out {group!r} must be a name of letters, digits, - and _"
        for group in config.leave_out
        if not isinstance(group, str) or not re.fullmatch(r"\w[\w-]*", group)
    ]
    faults += [
        f"repeat {zoo!r}: {times!r} must be a whole number above 0, and the zoo one of zoos"
        for zoo, times in config.repeat.items()
        if zoo not in config.zoos or type(times) is not int or times < 1
    ]
    faults += [f"{zoo!r} is in zoos and in test_zoos" for zoo in config.test_zoos if zoo in config.zoos]
    if config.patience < 0:
        faults.append(f"patience is {config.patience}, must be 0 or more")
    if set(config.splits) != {"train", "validation", "calibration", "test"}:
        faults.append(f"splits are {', '.join(config.splits)}, must be train, validation, calibration and test")
    if abs(sum(config.splits.values()) - 1) > 1e-6:
        faults.append(f"splits add up to {sum(config.splits.values())}, must be 1")
    known = {each.name for each in fields(SneConfig)}
    unknown = [f"model.{name}" for name in config.model if name not in known]
    if unknown:
        faults.append(f"{', '.join(unknown)}: no field of SneConfig (known: {', '.join(sorted(known))})")
    return faults
