"""A plan: a YAML search space of architectures and training, drawn with a seed into the runs of a zoo."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from numbers import Real
from pathlib import Path
from random import Random
from typing import Any

from hf_sne.errors import UserError
from hf_sne.evaluation.splits import check_fractions
from hf_sne.zoo.families import get_family
from hf_sne.zoo.space import draw, expand_grids, merge
from hf_sne.zoo.training_settings import TRAINING, TrainingSettings

SPLITS = {"train": 0.7, "validation": 0.15, "test": 0.15}
_PLAN_FIELDS = {
    "data": str,
    "families": Mapping,
    "seed": int,
    "training": Mapping,
    "splits": Mapping,
    "license": str,
}
_FAMILY_FIELDS = {"runs": int, "runs_per_architecture": int, "architecture": Mapping, "training": Mapping}
_KINDS = {str: "a text", int: "a whole number", Real: "a number", Mapping: "a mapping"}


class PlanError(UserError):
    """A plan breaks rules; the message names the field."""


@dataclass(frozen=True)
class Run:
    """One network's whole life: what it is and how it is trained.

    Args:
        id: ``{family}-{plan seed}-{index}``, unique in its zoo. The same plan on two data sets has runs of the same
            id, twins in architecture, initialisation and hyper-parameters, which a split by run keeps together.
        family: Name of the architecture family.
        architecture: What the family's ``build`` takes.
        seed: Of the initialisation, the choice and order of images, label noise, dropout and augmentation.
        training: Its hyper-parameters.
    """

    id: str
    family: str
    architecture: dict[str, Any]
    seed: int
    training: TrainingSettings


@dataclass(frozen=True)
class FamilyPlan:
    """The runs of one family.

    Args:
        runs: Networks; where the space has grids, networks of every grid point.
        runs_per_architecture: So many runs in a row share a drawn architecture and can be trained as one population.
        architecture: Fields of the family's search space to replace.
        training: Fields of the plan's training space to replace.
    """

    runs: int
    runs_per_architecture: int = 1
    architecture: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a zoo is made of.

    Args:
        data: ``digits``, a Hub data set id, or a local folder, as :func:`hf_sne.zoo.images.load_images` takes it.
        families: Name of the family -> its runs.
        seed: Of every draw.
        training: Search space of the hyper-parameters, see :class:`~hf_sne.zoo.training_settings.TrainingSettings`.
        splits: Share of the runs in each split.
        license: Of the zoo, as the Hub names it.
    """

    data: str
    families: dict[str, FamilyPlan]
    seed: int = 0
    training: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, float] = field(default_factory=lambda: dict(SPLITS))
    license: str = "cc-by-4.0"

    @classmethod
    def from_yaml(cls, path: Path) -> "Plan":
        """Read and check a file.

        Raises:
            PlanError: it is not a YAML mapping, or a field is unknown, missing or of the wrong type.
        """
        import yaml

        try:
            content = yaml.safe_load(path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise PlanError(f"{path}: {error}", fix="name a readable YAML file, see recipes/zoos") from error
        return cls.from_json(content, str(path))

    @classmethod
    def from_json(cls, content: Any, source: str = "plan") -> "Plan":
        """A plan of plain JSON; ``source`` is named in errors.

        Raises:
            PlanError: a field is unknown, missing or of the wrong type.
        """
        _check_fields(content, _PLAN_FIELDS, ("data", "families"), source)
        families = {}
        for name, part in content["families"].items():
            _check_fields(part, _FAMILY_FIELDS, ("runs",), f"{source}: families.{name}")
            families[str(name)] = FamilyPlan(**part)
        if not families:
            raise PlanError(f"{source}: 'families' names none", fix="see recipes/zoos")
        splits = content.get("splits", {})
        _check_fields(splits, dict.fromkeys(splits, Real), (), f"{source}: splits")
        unnamed = [name for name in splits if not re.fullmatch(r"\w+", str(name))]
        if unnamed:
            raise PlanError(f"{source}: the split {unnamed[0]!r}", fix="name splits with letters, digits and _ alone")
        plan = cls(**{**content, "families": families})
        try:
            plan.draw_runs()
            check_fractions(plan.splits)
        except UserError as error:
            raise PlanError(f"{source}: {error.message}", fix=error.fix) from error
        return plan

    def as_json(self) -> dict[str, Any]:
        """The plan as plain JSON, defaults filled in; of a local folder of images its name, not where it lies."""
        local = Path(self.data).exists()
        return asdict(self) | {"data": Path(self.data).resolve().name if local else self.data}

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the runs of the plan and the images they are trained on."""
        runs = [asdict(run) for run in self.draw_runs()]
        content = [Path(self.data).name, list(self.splits.items()), runs]
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def draw_runs(self) -> list[Run]:
        """Every run, family by family; a run depends on the seed, its index and the spaces of its family alone.

        Raises:
            PlanError: a search space breaks a rule.
        """
        return [run for name, part in self.families.items() for run in self._draw_family(name, part)]

    def spaces(self, name: str) -> dict[str, Any]:
        """The search spaces of a family's ``architecture`` and ``training`` with this plan's overrides."""
        part = self.families[name]
        training = merge(merge(TRAINING, self.training, "training"), part.training, f"families.{name}.training")
        architecture = merge(get_family(name).space, part.architecture, f"families.{name}.architecture")
        return {"architecture": architecture, "training": training}

    def _draw_family(self, name: str, part: FamilyPlan) -> list[Run]:
        for count in ("runs", "runs_per_architecture"):
            value = getattr(part, count)
            if value < 1:
                raise PlanError(f"families.{name}.{count} is {value!r}", fix="give a whole number of 1 or more")
        points = expand_grids(self.spaces(name), name)
        return [
            self._draw_run(name, index, points[index % len(points)], part.runs_per_architecture)
            for index in range(part.runs * len(points))
        ]

    def _draw_run(self, name: str, index: int, point: dict[str, Any], shared: int) -> Run:
        rng = Random(f"{name}/{self.seed}/{index}")
        group = Random(f"{name}/{self.seed}/architecture/{index // shared}")
        return Run(
            id=f"{name}-{self.seed}-{index:05d}",
            family=name,
            architecture=draw(point["architecture"], group, f"{name}.architecture"),
            seed=rng.randrange(2**31),
            training=TrainingSettings.from_json(draw(point["training"], rng, f"{name}.training")),
        )


def _check_fields(content: Any, kinds: Mapping[str, type], required: tuple[str, ...], where: str) -> None:
    if not isinstance(content, Mapping):
        found = "empty" if content is None else f"{type(content).__name__} {content!r}, not a mapping"
        raise PlanError(f"{where} is {found}", fix="see recipes/zoos")
    faults = [f"{name!r} is no field" for name in content if name not in kinds]
    faults += [f"{name!r} is missing" for name in required if name not in content]
    faults += [
        f"{name!r} is {content[name]!r}, not {_KINDS[kind]}"
        for name, kind in kinds.items()
        if name in content and not isinstance(content[name], kind)
    ]
    if faults:
        raise PlanError(f"{where}: {'; '.join(faults)}", fix=f"correct them; known fields: {', '.join(kinds)}")
