"""A seeded draw of training runs: architecture and hyper-parameters of each network of a zoo."""

import math
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from hf_sne.zoo.families import get_family


@dataclass(frozen=True)
class Run:
    """One network's whole life: what it is, how it is trained, which snapshots of it are kept."""

    run: str
    family: str
    architecture: dict[str, Any]
    seed: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    train_fraction: float
    label_noise: float
    snapshots: tuple[float, ...]

    def as_row(self) -> dict[str, Any]:
        """The run's settings under ``config.`` names, as the label table has them."""
        settings = asdict(self)
        for key in ("run", "family", "snapshots"):
            settings.pop(key)
        return {f"config.{key}": value for key, value in settings.items()}


def draw_runs(family: str, count: int, seed: int, max_epochs: int = 6) -> list[Run]:
    """``count`` runs named ``{family}-{seed}-{index}``, spread widely on purpose from failures to good networks.

    A run depends on what its name says and on ``max_epochs`` only: a longer plan begins with the shorter one, and the
    same plan on two data sets has runs of the same name, twins in architecture, initialisation and hyper-parameters,
    which a split by run keeps together.
    """
    return [_draw_run(family, seed, index, max_epochs) for index in range(count)]


def _draw_run(family: str, seed: int, index: int, max_epochs: int) -> Run:
    rng = Random(f"{family}/{seed}/{index}")
    optimizer = rng.choice(["sgd", "adam", "adamw"])
    low, high = (3e-3, 0.3) if optimizer == "sgd" else (2e-4, 2e-2)
    snapshots = [rng.uniform(0.05, 0.6), 1.0]
    if rng.random() < 0.1:
        snapshots.insert(0, 0.0)
    return Run(
        run=f"{family}-{seed}-{index:05d}",
        family=family,
        architecture=get_family(family).draw(rng),
        seed=rng.randrange(2**31),
        optimizer=optimizer,
        learning_rate=math.exp(rng.uniform(math.log(low), math.log(high))),
        weight_decay=math.exp(rng.uniform(math.log(1e-6), math.log(1e-2))),
        batch_size=rng.choice([32, 64, 128]),
        epochs=rng.randint(1, max_epochs),
        train_fraction=rng.choice([0.1, 0.3, 1.0, 1.0]),
        label_noise=rng.choice([0.0, 0.0, 0.0, 0.1, 0.3]),
        snapshots=tuple(snapshots),
    )
