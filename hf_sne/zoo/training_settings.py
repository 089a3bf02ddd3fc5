"""How one network of a zoo is trained, and the rules its settings keep."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hf_sne.zoo.images import INPUTS
from hf_sne.zoo.initialization import INITIALIZATIONS
from hf_sne.zoo.population.batches import AUGMENTATIONS
from hf_sne.zoo.population.optimizers import OPTIMIZERS
from hf_sne.zoo.space import DISTRIBUTIONS, SpaceError

EVERY_EPOCH = "every_epoch"


@dataclass(frozen=True)
class TrainingSettings:
    """Hyper-parameters of one run.

    Args:
        initialization: A name of :data:`hf_sne.zoo.initialization.INITIALIZATIONS`.
        init_scale: Standard deviation of ``normal`` and ``truncated_normal``, half the width of ``uniform``; a factor
            on the weights of the others.
        optimizer: A name of :data:`hf_sne.zoo.population.optimizers.OPTIMIZERS`.
        learning_rate: Constant over training.
        weight_decay: Added to the gradient; decoupled for ``adamw``.
        dropout: Rate, in [0, 1), wherever the family has dropout.
        batch_size: Images in a step.
        epochs: Passes over the run's own images; may be a fraction.
        train_fraction: Share of the training images that the run sees, in (0, 1].
        inputs: ``standardised`` (mean 0, deviation 1 in each channel), ``symmetric`` (-1 to 1) or ``unit`` (0 to 1).
        augmentation: ``none``, ``shift`` (up to an eighth of the image), or ``shift_flip``.
        label_noise: Share of the labels drawn anew, in [0, 1].
        checkpoints: Fractions of the run's steps, in [0, 1], after which the network is kept; or ``every_epoch``.
        shuffled_twin: Also keep the last network damaged: the inputs of one layer shuffled.
    """

    initialization: str = "default"
    init_scale: float = 1.0
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    dropout: float = 0.0
    batch_size: int = 32
    epochs: float = 5
    train_fraction: float = 1.0
    inputs: str = "standardised"
    augmentation: str = "none"
    label_noise: float = 0.0
    checkpoints: tuple[float, ...] | str = (1.0,)
    shuffled_twin: bool = False

    def __post_init__(self) -> None:
        """Refuses settings out of range.

        Raises:
            SpaceError: naming every field out of range.
        """
        broken = [(name, rule) for name, rule, holds in _RULES if not _holds(holds, self)]
        faults = [f"{name} is {getattr(self, name)!r}, {rule}" for name, rule in broken]
        if faults:
            raise SpaceError(f"training: {'; '.join(faults)}", fix=_fix([getattr(self, name) for name, _ in broken]))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TrainingSettings":
        """Settings of plain JSON."""
        kept = content["checkpoints"]
        return cls(**{**content, "checkpoints": tuple(kept) if isinstance(kept, list) else kept})

    def steps(self, images: int) -> int:
        """Steps of the whole run on ``images`` training images; at least one."""
        return max(1, round(self.epochs * images / self.batch_size))

    def checkpoint_steps(self, images: int) -> list[int]:
        """The steps after which the network is kept, ascending; 0 is the initial network."""
        total = self.steps(images)
        if isinstance(self.checkpoints, str):
            ends = [round(epoch * images / self.batch_size) for epoch in range(1, int(self.epochs) + 1)]
            return sorted({*(min(end, total) for end in ends), total})
        return sorted({round(fraction * total) for fraction in self.checkpoints})


_RULES: tuple[tuple[str, str, Any], ...] = (
    ("initialization", f"must be one of {', '.join(INITIALIZATIONS)}", lambda s: s.initialization in INITIALIZATIONS),
    ("init_scale", "must be above 0", lambda s: 0 < s.init_scale < math.inf),
    ("optimizer", f"must be one of {', '.join(OPTIMIZERS)}", lambda s: s.optimizer in OPTIMIZERS),
    ("learning_rate", "must be above 0", lambda s: 0 < s.learning_rate < math.inf),
    ("weight_decay", "must be 0 or more", lambda s: 0 <= s.weight_decay < math.inf),
    ("dropout", "must be 0 or more and below 1", lambda s: 0 <= s.dropout < 1),
    ("batch_size", "must be a whole number of 1 or more", lambda s: isinstance(s.batch_size, int) and s.batch_size > 0),
    ("epochs", "must be above 0", lambda s: 0 < s.epochs < math.inf),
    ("train_fraction", "must be above 0 and at most 1", lambda s: 0 < s.train_fraction <= 1),
    ("inputs", f"must be one of {', '.join(INPUTS)}", lambda s: s.inputs in INPUTS),
    ("augmentation", f"must be one of {', '.join(AUGMENTATIONS)}", lambda s: s.augmentation in AUGMENTATIONS),
    ("label_noise", "must be in 0 to 1", lambda s: 0 <= s.label_noise <= 1),
    (
        "checkpoints",
        f"must be {EVERY_EPOCH} or fractions in 0 to 1",
        lambda s: s.checkpoints == EVERY_EPOCH or (s.checkpoints and all(0 <= f <= 1 for f in s.checkpoints)),
    ),
    ("shuffled_twin", "must be true or false", lambda s: isinstance(s.shuffled_twin, bool)),
)


def _fix(values: list[Any]) -> str:
    if any(isinstance(value, Mapping | list) for value in values):
        return f"give a value, or a space: a mapping with one of {', '.join(DISTRIBUTIONS)}"
    if any(isinstance(value, str) and any(char.isdigit() for char in value) for value in values):
        return "YAML takes 1e-3 for a text and 1.0e-3 for a number"
    return "change these fields"


def _holds(rule: Any, settings: TrainingSettings) -> bool:
    try:
        return bool(rule(settings))
    except TypeError:
        return False


# The search space of which every plan overrides fields.
TRAINING: dict[str, Any] = {**asdict(TrainingSettings()), "checkpoints": [1.0]}
