"""Training of neural baselines in one process: learning rate and epoch are chosen by tau on validation runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from transformers import get_cosine_schedule_with_warmup

from hf_sne.errors import UserError
from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.models.sne.modeling_sne import accuracy_loss

LEARNING_RATES = (1e-3, 3e-3)
_WARMUP = 0.05

Encode = Callable[[Sequence[int]], Mapping[str, Tensor]]


def fit_module(
    build: Callable[[], nn.Module],
    train: tuple[Encode, ArrayLike],
    validation: tuple[Encode, ArrayLike],
    *,
    epochs: int,
    batch_size: int,
    weight_decay: float,
    seed: int,
) -> nn.Module:
    """The module with the best validation tau over :data:`LEARNING_RATES` and epochs.

    Args:
        build: An untrained module, from inputs to logits [b].
        train: Inputs of the networks at some places, and the accuracies [n] of all.
        validation: The same, of other runs.
        epochs: Passes over the training networks.
        batch_size: Networks in a step.
        weight_decay: Of AdamW.
        seed: Of the initialisation and the order.

    Raises:
        UserError: every training diverged.
    """
    targets = np.asarray(validation[1])
    best, best_tau = nn.Module(), -np.inf
    for rate in LEARNING_RATES:
        torch.manual_seed(seed)
        module = build()
        for _ in _passes(module, *train, rate, weight_decay, epochs, batch_size, seed):
            predicted = predict_module(module, validation[0], len(targets), batch_size)
            if not np.isfinite(predicted).all():
                break
            if (tau := kendall_tau(predicted, targets)) > best_tau:
                best, best_tau = deepcopy(module), tau
    if best_tau == -np.inf:
        raise UserError(f"the training diverged at every learning rate of {LEARNING_RATES}", fix="look at the networks")
    return best


def _passes(
    module: nn.Module,
    encode: Encode,
    accuracies: ArrayLike,
    rate: float,
    weight_decay: float,
    epochs: int,
    batch_size: int,
    seed: int,
) -> Iterator[None]:
    """Train; yields after every pass."""
    labels = torch.as_tensor(np.asarray(accuracies), dtype=torch.float32)
    size = min(batch_size, len(labels))
    steps = len(labels) // size
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=weight_decay)
    schedule = get_cosine_schedule_with_warmup(optimizer, int(_WARMUP * epochs * steps), epochs * steps)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        module.train()
        order = rng.permutation(len(labels))
        for step in range(steps):
            chosen = order[step * size : (step + 1) * size].tolist()
            optimizer.zero_grad()
            accuracy_loss(module(**encode(chosen)), labels[chosen], "bce").backward()
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        yield


@torch.no_grad()
def predict_module(module: nn.Module, encode: Encode, count: int, batch_size: int) -> NDArray[np.float64]:
    """Predicted accuracies [count]."""
    module.eval()
    places = range(count)
    parts = [module(**encode(places[start : start + batch_size])) for start in range(0, len(places), batch_size)]
    return torch.cat(parts).sigmoid().double().numpy()
