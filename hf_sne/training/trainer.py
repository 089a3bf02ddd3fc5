"""The Accelerate loop: train on examples, watch tau on validation runs, stop early, resume to the same curve."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object, set_seed
from torch import Tensor
from transformers import BatchFeature, get_cosine_schedule_with_warmup

from hf_sne.errors import UserError
from hf_sne.evaluation.metrics import kendall_tau, mae
from hf_sne.models.sne import SneConfig, SneForPerformancePrediction
from hf_sne.training.config import TrainingConfig
from hf_sne.training.examples import Example, ExampleMaker
from hf_sne.training.growing import grow
from hf_sne.training.losses import training_loss
from hf_sne.weights.symmetry import permute, permute_one_side
from hf_sne.zoo.entries import targets

STATE = "state"
BEST = "model"
HISTORY = "history.json"


@dataclass
class Progress:
    """Where training stands; saved beside the state, so that a resumed run goes on with it."""

    fingerprint: str
    schedule: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0
    best_tau: float = -2.0
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)

    def stalled(self, patience: int) -> bool:
        """Whether the best epoch lies too far back; never without patience."""
        return patience > 0 and self.epoch - 1 - self.best_epoch >= patience


def train(
    config: TrainingConfig,
    maker: ExampleMaker,
    examples: dict[str, list[Example]],
    output: Path,
    accelerator: Accelerator,
    on_epoch: Callable[[Progress], None] = lambda _: None,
) -> SneForPerformancePrediction:
    """Train on ``examples["train"]``; the last epoch, or with patience the best by tau on ``examples["validation"]``.

    ``output`` holds ``state/`` after each epoch: the same call again goes on from there, and, because the order of
    examples and the permutations are drawn from (seed, epoch, step, process) alone, along the same loss curve.
    """
    set_seed(config.seed)
    model = SneForPerformancePrediction(SneConfig(**config.model))
    if model.sne.statistics_encoder is not None:
        model.sne.statistics_encoder.fit(torch.cat([example.statistics for example in examples["train"]]))
    kind = model.config.loss
    per_process = max(1, config.batch_size // accelerator.num_processes)
    steps = max(1, len(examples["train"]) // (per_process * accelerator.num_processes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    total = steps * config.epochs
    schedule = get_cosine_schedule_with_warmup(optimizer, int(config.warmup * total), total)
    # The schedule is stepped by hand: Accelerate would step it once for every process.
    model, optimizer = accelerator.prepare(model, optimizer)
    progress = _resume(output, accelerator, _fingerprint(config, examples))
    if progress.schedule:
        schedule.load_state_dict(progress.schedule)
    while progress.epoch < config.epochs and not progress.stalled(config.patience):
        model.train()
        losses = []
        for batch in _batches(examples["train"], per_process, steps, config.seed, progress.epoch, accelerator):
            inputs = _to(_inputs(maker, batch, config), accelerator.device)
            labels, has_symmetry = batch.labels.to(accelerator.device), batch.has_symmetry.to(accelerator.device)
            loss = training_loss(model(**inputs).member_logits, labels, has_symmetry, config, kind)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            losses.append(float(loss.detach()))
        scores = predict_distributed(accelerator, model, maker, examples["validation"])
        progress.schedule = schedule.state_dict()
        _note_epoch(progress, float(np.mean(gather_object(losses))), scores, examples["validation"], config.patience)
        accelerator.log(progress.history[-1], step=progress.epoch)
        if progress.best_epoch == progress.epoch - 1:
            _save_model(accelerator, model, output / BEST)
        _save_state(accelerator, progress, output)
        on_epoch(progress)
    accelerator.wait_for_everyone()
    accelerator.free_memory()  # what it holds it would save with the next training's state
    best: SneForPerformancePrediction = SneForPerformancePrediction.from_pretrained(output / BEST)
    if best.trees is not None:
        # Not before: with them the first epoch ranks nearly as well as any, and would be kept with a head that has
        # learned nothing.
        grow(best.trees, examples["train"], config.seed)
    best.to(accelerator.device)
    return best


@dataclass(frozen=True)
class _Batch:
    examples: list[Example]
    generator: torch.Generator

    @property
    def labels(self) -> Tensor:
        """What is to be predicted, [b]."""
        return torch.tensor([example.entry.target for example in self.examples])

    @property
    def has_symmetry(self) -> Tensor:
        """1 where the network has hidden units that can be moved, [b]."""
        return torch.tensor([float(bool(example.layout.symmetry)) for example in self.examples])


def _batches(
    examples: Sequence[Example], size: int, steps: int, seed: int, epoch: int, accelerator: Accelerator
) -> Iterator[_Batch]:
    """This process's share of each step, in an order that (seed, epoch) decides."""
    order = np.random.default_rng((seed, epoch)).permutation(len(examples))
    world, rank = accelerator.num_processes, accelerator.process_index
    for step in range(steps):
        chosen = order[step * size * world : (step + 1) * size * world][rank::world]
        draw = int(np.random.default_rng((seed, epoch, step, rank)).integers(2**62))
        yield _Batch([examples[i] for i in chosen], torch.Generator().manual_seed(draw))


def _inputs(maker: ExampleMaker, batch: _Batch, config: TrainingConfig) -> BatchFeature:
    """Networks under a random legal permutation, and their copies for the terms of :func:`training_loss`."""
    changes = [permute]
    changes += [permute] if config.invariance_weight else []
    changes += [permute_one_side] if config.order_weight else []
    copies = [maker.encode(batch.examples, batch.generator, config.max_chunks, change) for change in changes]
    return maker.processor.collate(copies)


def _to(inputs: Any, device: torch.device) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in inputs.items()}


@torch.no_grad()
def predict(
    model: SneForPerformancePrediction, maker: ExampleMaker, examples: Sequence[Example], batch_size: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Scores [n] and network embeddings [n, h] of examples, whole networks, no augmentation."""
    model.eval()
    device = next(model.parameters()).device
    scores, embeddings = [], []
    for start in range(0, len(examples), batch_size):
        inputs = maker.encode(examples[start : start + batch_size], None, 0)
        result = model(**_to(inputs, device))
        scores.append(result.scores.cpu())
        embeddings.append(result.network_embedding.float().cpu())
    if not scores:
        return np.zeros(0), np.zeros((0, model.config.embedding_size), dtype=np.float32)
    return torch.cat(scores).double().numpy(), torch.cat(embeddings).numpy()


def predict_distributed(
    accelerator: Accelerator, model: torch.nn.Module, maker: ExampleMaker, examples: Sequence[Example]
) -> np.ndarray:
    """Scores of examples, every process its share, the whole on each."""
    world, rank = accelerator.num_processes, accelerator.process_index
    own = range(rank, len(examples), world)
    scores, _ = predict(accelerator.unwrap_model(model), maker, [examples[i] for i in own])
    whole = np.zeros(len(examples))
    for index, score in gather_object(list(zip(own, scores.tolist(), strict=True))):
        whole[index] = score
    return whole


def _note_epoch(
    progress: Progress, loss: float, scores: np.ndarray, examples: Sequence[Example], patience: int
) -> None:
    """Add the epoch to the history, and call it the best if its tau is, or without patience."""
    truth = targets([example.entry for example in examples])
    tau = kendall_tau(scores, truth)
    progress.history.append(
        {"epoch": progress.epoch, "loss": loss, "validation_tau": tau, "validation_mae": mae(scores, truth)}
    )
    if tau > progress.best_tau or not patience:
        progress.best_tau, progress.best_epoch = tau, progress.epoch
    progress.epoch += 1


def _save_model(accelerator: Accelerator, model: torch.nn.Module, folder: Path) -> None:
    if accelerator.is_main_process:
        accelerator.unwrap_model(model).save_pretrained(folder)
    accelerator.wait_for_everyone()


def _save_state(accelerator: Accelerator, progress: Progress, output: Path) -> None:
    """Beside the old state, then in its place, so that a kill at any moment leaves a whole one."""
    fresh, state, old = (output / name for name in (f"{STATE}.new", STATE, f"{STATE}.old"))
    accelerator.save_state(str(fresh))
    accelerator.wait_for_everyone()  # every process writes its random state into the folder that is then moved
    if accelerator.is_main_process:
        (fresh / HISTORY).write_text(json.dumps(asdict(progress)))
        shutil.rmtree(old, ignore_errors=True)
        if state.exists():
            state.rename(old)
        fresh.rename(state)
        shutil.rmtree(old, ignore_errors=True)
    accelerator.wait_for_everyone()


def _resume(output: Path, accelerator: Accelerator, fingerprint: str) -> Progress:
    """The saved progress with model, optimizer and random states loaded; a new one where none is saved."""
    found = [output / name for name in (STATE, f"{STATE}.old") if (output / name / HISTORY).is_file()]
    choice = broadcast_object_list([str(found[0]) if found else ""])[0]
    if not choice:
        return Progress(fingerprint)
    progress = Progress(**json.loads((Path(choice) / HISTORY).read_text()))
    if progress.fingerprint != fingerprint:
        raise UserError(
            f"{choice} was saved by a training with other settings or networks "
            f"(fingerprint {progress.fingerprint}, this one {fingerprint})",
            fix="give another --output, or remove that folder to start anew",
        )
    accelerator.load_state(choice)
    return progress


def _fingerprint(config: TrainingConfig, examples: dict[str, list[Example]]) -> str:
    """Of all that decides the loss curve but the number of processes."""
    networks = {split: [(e.entry.zoo, e.entry.id, e.entry.target) for e in part] for split, part in examples.items()}
    told = json.dumps([config.resolved(), networks], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
