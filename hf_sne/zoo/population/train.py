"""Trains a population and yields its networks at the checkpoints each run wants."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hf_sne.zoo.families import build_network, empty_network
from hf_sne.zoo.images import ImageData
from hf_sne.zoo.initialization import initialize
from hf_sne.zoo.population.batches import Batches, RunImages, generator_of
from hf_sne.zoo.population.layers import Pass
from hf_sne.zoo.population.network import PopulationNetwork
from hf_sne.zoo.population.optimizers import Optimizer
from hf_sne.zoo.population.weights import PopulationWeights

if TYPE_CHECKING:
    from hf_sne.zoo.plan import Run


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
    """Networks of one architecture, batch size, optimiser and augmentation, in training.

    Args:
        runs: What :func:`hf_sne.zoo.populations.group` put together.
        data: Images, on the device to train on.
    """

    def __init__(self, runs: Sequence["Run"], data: ImageData) -> None:
        self.data, self.runs, self.step = data, list(runs), 0
        self.device = data.train_images.device
        self.network = PopulationNetwork(
            empty_network(runs[0].family, runs[0].architecture, data.shape, data.classes)
        )
        self.weights = PopulationWeights.stack([initial_network(run, data) for run in runs], self.device)
        self.optimizer = Optimizer(
            runs[0].training.optimizer,
            self._column([run.training.learning_rate for run in runs]),
            self._column([run.training.weight_decay for run in runs]),
        )
        self.images = [RunImages(run, data) for run in runs]
        self._batches = Batches(self.runs, self.images, data)

    def train(self) -> Iterator[list[Snapshot]]:
        """Trains to the end; yields after every step what that step's checkpoints are, mostly none."""
        if self.step == 0:
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
            **{f"optimizer.{name}": value for name, value in self.optimizer.state.items()},
            "step": torch.tensor(self.step),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on where a population of the same runs was when :meth:`state` was taken."""
        self.step = self.optimizer.steps = int(state["step"])
        self._retire()
        self.weights.load({name.removeprefix("weights."): v for name, v in state.items() if name.startswith("weights.")})
        self.optimizer.state = {
            name.removeprefix("optimizer."): value.to(self.device)
            for name, value in state.items()
            if name.startswith("optimizer.")
        }

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, device=self.device).unsqueeze(1)

    def _retire(self) -> None:
        """Drop the runs that have taken all their steps."""
        pairs = zip(self.runs, self.images, strict=True)
        going = [place for place, (run, images) in enumerate(pairs) if run.training.steps(len(images)) > self.step]
        if len(going) == len(self.runs):
            return
        self.runs, self.images = [self.runs[place] for place in going], [self.images[place] for place in going]
        if going:
            kept = torch.tensor(going, device=self.device)
            self.weights.keep(kept)
            self.optimizer.keep(kept)
            self._batches = Batches(self.runs, self.images, self.data)

    def _take_step(self) -> None:
        images, labels = self._batches.at(self.step)
        rates = tuple(run.training.dropout for run in self.runs)
        generators: tuple[torch.Generator, ...] = ()
        if any(rates):
            generators = tuple(generator_of(run.seed, "dropout", self.step, self.device) for run in self.runs)
        logits = self.network(self.weights.tensors, images, Pass(True, rates, generators))
        losses = functional.cross_entropy(logits.transpose(1, 2).flatten(0, 1), labels.flatten(), reduction="none")
        # Every network's mean loss; their sum has each network's own gradient.
        gradients = self.weights.gradients_of(losses.sum() / labels.shape[1])
        self.optimizer.step(self.weights.flat, gradients)

    def _snapshots(self) -> list[Snapshot]:
        found = []
        for place, (run, images) in enumerate(zip(self.runs, self.images, strict=True)):
            if self.step in run.training.checkpoint_steps(len(images)):
                epoch = self.step * run.training.batch_size / len(images)
                found.append(Snapshot(run, self.step, epoch, self.weights.of(place)))
        return found


# Images a network is evaluated on at a time.
_EVALUATED = 250


@torch.no_grad()
def evaluate(network: PopulationNetwork, tensors: Mapping[str, Tensor], images: Tensor, labels: Tensor) -> Any:
    """Mean loss [n] and accuracy [n] of networks on ``images`` [n or 1, c, h, w, m] with ``labels`` [n or 1, m]."""
    count = len(next(iter(tensors.values())))
    losses, hits = torch.zeros(count), torch.zeros(count)
    for part, wanted in zip(images.split(_EVALUATED, dim=-1), labels.split(_EVALUATED, dim=-1), strict=True):
        logits = network(tensors, part.expand(count, *part.shape[1:]), Pass(False))
        targets = wanted.expand(count, -1)
        loss = functional.cross_entropy(logits.transpose(1, 2).flatten(0, 1), targets.flatten(), reduction="none")
        losses += loss.view(targets.shape).sum(1).cpu()
        hits += (logits.argmax(1) == targets).sum(1).cpu()
    return losses / labels.shape[-1], hits / labels.shape[-1]

