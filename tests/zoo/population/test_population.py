"""A population trains every network as if it were alone: compared with plain torch, network by network."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hf_sne.errors import UserError
from hf_sne.zoo.families import FAMILIES
from hf_sne.zoo.images import ImageData
from hf_sne.zoo.plan import Plan, Run
from hf_sne.zoo.population.batches import Batches, RunImages
from hf_sne.zoo.population.network import PopulationNetwork
from hf_sne.zoo.population.optimizers import Optimizer
from hf_sne.zoo.population.train import Population, Snapshot, initial_network

OPTIMIZERS: dict[str, Any] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda weights, **rest: torch.optim.SGD(weights, momentum=0.9, **rest),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}


@pytest.fixture(scope="module")
def data() -> ImageData:
    generator = torch.Generator().manual_seed(0)
    images = [torch.randn(count, 1, 28, 28, generator=generator) for count in (60, 30)]
    # A black border, as digits have: equal values in a pooling window.
    for split in images:
        split[..., :6] = split[..., 20:] = -0.4
    labels = [torch.randint(5, (len(split),), generator=generator) for split in images]
    black, white = torch.full((1, 1, 1), -0.4), torch.full((1, 1, 1), 3.0)
    return ImageData("noise", images[0], labels[0], images[1], labels[1], black, white, 5)


def draw(family: str, count: int, training: dict[str, Any], architecture: dict[str, Any] | None = None) -> list[Run]:
    """Runs of one architecture."""
    part = {"runs": count, "runs_per_architecture": count, "architecture": architecture or {}}
    settings = {"batch_size": 8, "epochs": {"choice": [1.0, 1.5]}, **training}
    return Plan.from_json({"data": "noise", "families": {family: part}, "training": settings}).draw_runs()


def train_alone(run: Run, data: ImageData) -> dict[str, Tensor]:
    """The run's last network, trained with torch's own layers and optimisers."""
    module = initial_network(run, data)
    images = RunImages(run, data)
    batches = Batches([run], [images], data)
    kind = OPTIMIZERS[run.training.optimizer]
    optimizer = kind(module.parameters(), lr=run.training.learning_rate, weight_decay=run.training.weight_decay)
    module.train()
    for step in range(1, run.training.steps(len(images)) + 1):
        pictures, labels = batches.at(step)
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(pictures[0]), labels[0]).backward()
        optimizer.step()
    return module.state_dict()


def last_networks(runs: list[Run], data: ImageData) -> dict[str, Snapshot]:
    snapshots = [found for step in Population(runs, data).train() for found in step]
    return {found.run.id: found for found in snapshots}


def assert_same(population: dict[str, Tensor], alone: dict[str, Tensor]) -> None:
    for name, value in population.items():
        torch.testing.assert_close(value, alone[name], rtol=2e-4, atol=2e-5, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_trains_as_alone(family, data):
    runs = draw(family, 3, {"optimizer": "momentum", "learning_rate": {"log_uniform": [1e-3, 1e-2]}})
    together = last_networks(runs, data)
    for run in runs:
        assert_same(together[run.id].tensors, train_alone(run, data))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_is_that_of_torch(kind):
    """Given the same gradients: in a network, Adam would blow rounding up wherever a gradient is nearly zero."""
    weights = torch.randn(3, 40)
    rates, decays = torch.tensor([1e-3, 1e-2, 0.1]), torch.tensor([0.0, 1e-2, 0.3])
    alone = [nn.Parameter(row.clone()) for row in weights]
    theirs = [
        OPTIMIZERS[kind]([row], lr=float(rate), weight_decay=float(decay))
        for row, rate, decay in zip(alone, rates, decays, strict=True)
    ]
    ours = Optimizer(kind, rates.unsqueeze(1), decays.unsqueeze(1))
    for _ in range(20):
        gradients = torch.randn(3, 40)
        for row, optimizer, gradient in zip(alone, theirs, gradients, strict=True):
            row.grad = gradient.clone()
            optimizer.step()
        ours.step(weights, gradients)
    torch.testing.assert_close(weights, torch.stack([row.detach() for row in alone]), rtol=1e-5, atol=1e-6)


def test_the_curve_of_a_run_is_the_same_alone_and_in_a_population(data):
    space = {"optimizer": "adam", "learning_rate": {"log_uniform": [1e-4, 1e-2]}, "weight_decay": 1e-3}
    runs = draw("small_cnn", 4, {**space, "epochs": 3, "checkpoints": "every_epoch"})
    together = [found for step in Population(runs, data).train() for found in step]
    for run in runs:
        curve = [loss_of(found, data) for found in together if found.run == run]
        lonely = [loss_of(found, data) for step in Population([run], data).train() for found in step]
        assert len(curve) == 3
        assert curve == pytest.approx(lonely, rel=1e-4)


def loss_of(snapshot: Snapshot, data: ImageData) -> float:
    module = initial_network(snapshot.run, data)
    module.load_state_dict(snapshot.tensors)
    with torch.no_grad():
        return float(nn.functional.cross_entropy(module.eval()(data.test_images), data.test_labels))


@pytest.mark.parametrize("family", ["cnn", "resnet"])
def test_large_batches_are_trained_network_by_network_to_the_same_weights(family, data):
    runs = draw(family, 2, {"batch_size": 128, "epochs": 9.0, "dropout": 0.3, "optimizer": "momentum"})
    together = last_networks(runs, data)
    for run in runs:
        assert_same(together[run.id].tensors, last_networks([run], data)[run.id].tensors)
    still = [replace(run, training=replace(run.training, dropout=0.0)) for run in runs]
    together = last_networks(still, data)
    for run in still:
        assert_same(together[run.id].tensors, train_alone(run, data))


def test_a_population_taken_up_again_goes_on_bit_for_bit(data):
    drawn = {"optimizer": {"choice": ["adam", "momentum"]}, "augmentation": {"choice": ["none", "shift_flip"]}}
    runs = draw("resnet", 4, {**drawn, "dropout": 0.3})
    assert len({run.training.optimizer for run in runs}) == 2
    whole = last_networks(runs, data)
    first = Population(runs, data)
    training = first.train()
    for _ in range(9):  # one run has ended, two have not
        next(training)
    state = {name: value.clone() for name, value in first.state().items()}
    second = Population(runs, data)
    second.restore(state)
    assert 0 < len(second.runs) < len(runs)
    for snapshot in (found for step in second.train() for found in step):
        assert all(value.equal(whole[snapshot.run.id].tensors[name]) for name, value in snapshot.tensors.items())


def test_dropout_and_noise_are_each_runs_own(data):
    """A run's network does not depend on the runs beside it, whatever is drawn at random in training."""
    settings = {
        "dropout": {"choice": [0.0, 0.5]},
        "augmentation": {"choice": ["none", "shift"]},
        "label_noise": {"uniform": [0, 0.5]},
        "train_fraction": {"choice": [0.3, 1.0]},
        "optimizer": {"choice": ["sgd", "momentum"]},
        "inputs": {"choice": ["standardised", "unit"]},
    }
    runs = draw("mlp", 6, settings)
    for name in ("dropout", "augmentation", "optimizer", "inputs"):
        assert len({getattr(run.training, name) for run in runs}) == 2
    together = last_networks(runs, data)
    for run in runs:
        assert_same(together[run.id].tensors, last_networks([run], data)[run.id].tensors)


def test_a_diverging_network_leaves_the_others_alone(data):
    rates = {"learning_rate": {"choice": [1e30, 1e-3]}, "optimizer": "sgd"}
    relu = {"activation": "relu"}
    runs = draw("cnn_s", 6, {**rates, "epochs": 2}, relu)
    together = last_networks(runs, data)
    finite = {run: all(v.isfinite().all() for v in found.tensors.values()) for run, found in together.items()}
    assert finite == {run.id: run.training.learning_rate < 1 for run in runs}
    assert len(set(finite.values())) == 2


def test_an_unknown_layer_is_refused_by_name():
    with pytest.raises(UserError, match="layer 0 is a ConvTranspose2d, which a population cannot train"):
        PopulationNetwork(nn.Sequential(nn.ConvTranspose2d(1, 1, 3)))
    with pytest.raises(UserError, match="grouped"):
        PopulationNetwork(nn.Sequential(nn.Conv2d(2, 2, 3, groups=2)))
    with pytest.raises(UserError, match="overlapping"):
        PopulationNetwork(nn.Sequential(nn.MaxPool2d(3, stride=2)))
