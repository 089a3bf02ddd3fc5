"""Optimisers over a population's weights [networks, parameters], each network with its own rate and decay.

The updates are those of ``torch.optim`` with its default settings (momentum 0.9 for ``momentum``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

from hf_sne.zoo.population.weights import below

_BETAS = (0.9, 0.999)
_EPS = 1e-8
_MOMENTUM = 0.9
_RMSPROP_DECAY = 0.99


@dataclass
class Optimizer:
    """One optimiser of several networks.

    Args:
        kind: A name of :data:`OPTIMIZERS`.
        learning_rate: [networks, 1].
        weight_decay: [networks, 1].
        steps: Steps taken.
        state: What the update remembers, each [networks, parameters].
    """

    kind: str
    learning_rate: Tensor
    weight_decay: Tensor
    steps: int = 0
    state: dict[str, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def step(self, weights: Tensor, gradients: Tensor) -> None:
        """Move ``weights`` in place; ``gradients`` is used up."""
        self.steps += 1
        if self.kind == "adamw":
            weights.mul_(1 - self.learning_rate * self.weight_decay)
        elif self.weight_decay.any():
            gradients.addcmul_(weights, self.weight_decay)
        weights.sub_(_UPDATES[self.kind](self, gradients).mul_(self.learning_rate))

    def keep(self, networks: Tensor) -> None:
        """Forget all networks but those at these places."""
        self.learning_rate, self.weight_decay = self.learning_rate[networks], self.weight_decay[networks]
        self.state = {name: value[networks] for name, value in self.state.items()}

    def remembered(self, name: str, like: Tensor) -> Tensor:
        """A tensor of the state, zeros at first."""
        if name not in self.state:
            self.state[name] = torch.zeros_like(like)
        return self.state[name]


class Optimizers:
    """The optimisers of a population, each of a run of neighbouring networks.

    Args:
        kinds: Optimiser of each network; networks of one kind stand together.
        learning_rate: [networks].
        weight_decay: [networks].
    """

    def __init__(self, kinds: Sequence[str], learning_rate: Tensor, weight_decay: Tensor) -> None:
        self._parts: list[tuple[slice, Optimizer]] = []
        for part in _stretches(kinds):
            rate, decay = (values[part].unsqueeze(1) for values in (learning_rate, weight_decay))
            self._parts.append((part, Optimizer(kinds[part.start], rate, decay)))

    def step(self, weights: Tensor, gradients: Tensor) -> None:
        """Move ``weights`` [networks, parameters] in place; ``gradients`` is used up."""
        for part, optimizer in self._parts:
            optimizer.step(weights[part], gradients[part])

    def keep(self, networks: Tensor) -> None:
        """Forget all networks but those at these places, ascending."""
        start, kept = 0, []
        for part, optimizer in self._parts:
            inside = networks[(networks >= part.start) & (networks < part.stop)] - part.start
            if len(inside):
                optimizer.keep(inside)
                kept.append((slice(start, start := start + len(inside)), optimizer))
        self._parts = kept

    def state(self) -> dict[str, Tensor]:
        """What :meth:`load` takes."""
        return {f"{o.kind}.{name}": value for _, o in self._parts for name, value in o.state.items()}

    def load(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on after ``steps`` steps with the state of optimisers of the same networks."""
        for _, optimizer in self._parts:
            optimizer.steps = steps
            device = optimizer.learning_rate.device
            optimizer.state = {name: value.to(device) for name, value in below(optimizer.kind, state).items()}


def _stretches(kinds: Sequence[str]) -> list[slice]:
    """Where each kind's networks stand."""
    found, start = [], 0
    for _, members in groupby(kinds):
        found.append(slice(start, start := start + len(list(members))))
    if len(found) != len(set(kinds)):
        raise ValueError(f"networks of one optimiser do not stand together: {', '.join(kinds)}")
    return found


def _sgd(_: Optimizer, gradients: Tensor) -> Tensor:
    return gradients


def _momentum(optimizer: Optimizer, gradients: Tensor) -> Tensor:
    return optimizer.remembered("velocity", gradients).mul_(_MOMENTUM).add_(gradients).clone()


def _adam(optimizer: Optimizer, gradients: Tensor) -> Tensor:
    first, second = (optimizer.remembered(name, gradients) for name in ("first_moment", "second_moment"))
    first.lerp_(gradients, 1 - _BETAS[0])
    second.mul_(_BETAS[1]).addcmul_(gradients, gradients, value=1 - _BETAS[1])
    corrections = [1 - beta**optimizer.steps for beta in _BETAS]
    root = torch.sqrt(second, out=gradients).div_(corrections[1] ** 0.5).add_(_EPS)
    return torch.div(first, root, out=gradients).div_(corrections[0])


def _rmsprop(optimizer: Optimizer, gradients: Tensor) -> Tensor:
    squares = optimizer.remembered("mean_square", gradients)
    squares.mul_(_RMSPROP_DECAY).addcmul_(gradients, gradients, value=1 - _RMSPROP_DECAY)
    return gradients.div_(squares.sqrt().add_(_EPS))


_UPDATES: dict[str, Callable[[Optimizer, Tensor], Tensor]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "adam": _adam,
    "adamw": _adam,
    "rmsprop": _rmsprop,
}
OPTIMIZERS = tuple(_UPDATES)
