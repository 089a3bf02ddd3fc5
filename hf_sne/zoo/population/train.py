"""Trains a population and yields its networks at the checkpoints each run wants."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from hf_sne.zoo.families import build_network, empty_network
from hf_sne.zoo.images import ImageData
from hf_sne.zoo.initialization import initialize
from hf_sne.zoo.population.batches import Batches, RunImages, generator_of, images_last, seed_of
from hf_sne.zoo.population.layers import Pass
from hf_sne.zoo.population.network import PopulationNetwork
from hf_sne.zoo.population.optimizers import Optimizers
from hf_sne.zoo.population.weights import PopulationWeights, below

if TYPE_CHECKING:
    from hf_sne.zoo.plan import Run

# Images a network is evaluated on at a time.
_EVALUATED = 500
# From this many images in a step on, a CPU is busy with one network's convolutions, and batching networks only costs
# (measured: recipes/benchmark/zoo.py).
_ALONE_IMAGES = 64


@dataclass(frozen=True)
class Snapshot:
    """One network of the population at one of its checkpoints; ``tensors`` is its state dict."""

    run: "Run"
    step: int
    epoch: float
    tensors: dict[str, Tensor]


def initial_network(run: "Run", data: ImageData) -> nn.Module:
    """The run's network before training, a function of the run alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        module = build_network(run.family, run.architecture, data.shape, data.classes)
        initialize(module, run.training.initialization, run.training.init_scale)
    return module


class Population:
    """Networks of one architecture and batch size in training.

    Args:
        runs: What :func:`hf_sne.zoo.unit.group` put together.
        data: Images, on the device to train on.

    Attributes:
        last_steps: Run id -> the step at which the run ends.
    """

    def __init__(self, runs: Sequence["Run"], data: ImageData) -> None:
        # Networks of one optimiser stand together.
        self.runs = runs = sorted(runs, key=lambda run: run.training.optimizer)
        self.data, self.step, self._begun = data, 0, False
        self.device = data.train_images.device
        self.module = empty_network(runs[0].family, runs[0].architecture, data.shape, data.classes)
        self._network = PopulationNetwork(self.module)
        parts = list(self.module.modules())
        self._dropouts = [part for part in parts if isinstance(part, nn.Dropout)]
        convolves = any(isinstance(part, nn.Conv2d) for part in parts)
        self._alone = convolves and self.device.type == "cpu" and runs[0].training.batch_size >= _ALONE_IMAGES
        self.weights = PopulationWeights.stack([initial_network(run, data) for run in runs], self.device)
        rates, decays = (
            torch.tensor([getattr(run.training, name) for run in runs], device=self.device)
            for name in ("learning_rate", "weight_decay")
        )
        self.optimizers = Optimizers([run.training.optimizer for run in runs], rates, decays)
        self.images = [RunImages(run, data) for run in runs]
        self._batches = Batches(self.runs, self.images, data)
        pairs = list(zip(self.runs, self.images, strict=True))
        self.last_steps = {run.id: run.training.steps(len(images)) for run, images in pairs}
        self._wanted = {run.id: frozenset(run.training.checkpoint_steps(len(images))) for run, images in pairs}

    def train(self) -> Iterator[list[Snapshot]]:
        """Trains to the end; yields after every step what that step's checkpoints are, mostly none."""
        if not self._begun:
            self._begun = True
            yield self._snapshots()
        while self.runs:
            self.step += 1
            self._take_step()
            found = self._snapshots()
            self._retire()
            yield found

    def state(self) -> dict[str, Tensor]:
        """Everything that :meth:`restore` needs to go on as if nothing had happened."""
        return {
            **{f"weights.{name}": value for name, value in self.weights.state().items()},
            **{f"optimizers.{name}": value for name, value in self.optimizers.state().items()},
            "step": torch.tensor(self.step),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on where a population of the same runs was when :meth:`state` was taken."""
        self._begun, self.step = True, int(state["step"])
        self._retire()
        if not self.runs:
            return
        self.weights.load(below("weights", state))
        self.optimizers.load(below("optimizers", state), self.step)

    def _retire(self) -> None:
        """Drop the runs that have taken all their steps."""
        going = [place for place, run in enumerate(self.runs) if self.last_steps[run.id] > self.step]
        if len(going) == len(self.runs):
            return
        self.runs, self.images = [self.runs[place] for place in going], [self.images[place] for place in going]
        if going:
            kept = torch.tensor(going, device=self.device)
            self.weights.keep(kept)
            self.optimizers.keep(kept)
            self._batches = Batches(self.runs, self.images, self.data)

    def _take_step(self) -> None:
        images, labels = self._batches.at(self.step)
        logits = self._logits_alone(images) if self._alone else self._logits(images)
        losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        # Every network's mean loss; their sum has each network's own gradient.
        gradients = self.weights.gradients_of(losses.sum() / labels.shape[1])
        self.optimizers.step(self.weights.flat, gradients)

    def _logits(self, images: Tensor) -> Tensor:
        """Logits [networks, batch, classes] of each network's images [networks, batch, channels, height, width]."""
        rates = tuple(run.training.dropout for run in self.runs)
        generators: tuple[torch.Generator, ...] = ()
        if any(rates):
            generators = tuple(generator_of(run.seed, "dropout", self.step, self.device) for run in self.runs)
        state = Pass(True, rates, generators)
        return self._network(self.weights.tensors, images_last(images), state).transpose(1, 2)

    def _logits_alone(self, images: Tensor) -> Tensor:
        """The same, network by network through torch's own layers."""
        self.module.train()
        return torch.stack([self._logits_of(place, part) for place, part in enumerate(images)])

    def _logits_of(self, place: int, images: Tensor) -> Tensor:
        run = self.runs[place]
        for part in self._dropouts:
            part.p = run.training.dropout
        tensors = {name: value[place] for name, value in self.weights.tensors.items()}
        with torch.random.fork_rng(devices=[], enabled=run.training.dropout > 0):
            if run.training.dropout:
                torch.manual_seed(seed_of(run.seed, "dropout", self.step))
            return functional_call(self.module, tensors, images)  # type: ignore[no-any-return]

    def _snapshots(self) -> list[Snapshot]:
        found = []
        for place, (run, images) in enumerate(zip(self.runs, self.images, strict=True)):
            if self.step in self._wanted[run.id]:
                epoch = self.step * run.training.batch_size / len(images)
                found.append(Snapshot(run, self.step, epoch, self.weights.of(place)))
        return found


@torch.no_grad()
def evaluate(module: nn.Module, tensors: Mapping[str, Tensor], images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy of one network, given by its tensors, on images [m, c, h, w] with labels [m]."""
    module.eval()
    parts = [functional_call(module, dict(tensors), part) for part in images.split(_EVALUATED)]
    logits = torch.cat(parts)
    return float(functional.cross_entropy(logits, labels)), float((logits.argmax(1) == labels).float().mean())
