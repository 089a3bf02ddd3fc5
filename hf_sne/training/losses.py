"""What training minimises: the accuracy loss, the paper's logit invariance, and the order against broken twins."""

from torch import Tensor, nn

from hf_sne.models.sne.modeling_sne import accuracy_loss
from hf_sne.training.config import TrainingConfig


def invariance_loss(logits: Tensor, permuted: Tensor) -> Tensor:
    """Mean of 1/2 (f(x) - f(gx))^2 over networks, both [b, k] (arXiv 2305.16625, equation 7)."""
    return 0.5 * (logits - permuted).square().mean()


def order_loss(logits: Tensor, shuffled: Tensor, weights: Tensor) -> Tensor:
    """Pairwise ranking loss, softplus(f(sx) - f(x)), both [b, k], weights [b]: shuffled on one side it ranks lower.

    Not in the paper, whose term alone is met by an encoder that no permutation moves, legal or not.
    """
    return (weights.unsqueeze(1) * nn.functional.softplus(shuffled - logits)).mean()


def training_loss(logits: Tensor, labels: Tensor, has_symmetry: Tensor, config: TrainingConfig, kind: str) -> Tensor:
    """The weighted sum, of logits [n b, k]: b networks, again permuted, and shuffled, where their terms have a weight.

    A broken network is the worse the better the whole one was, hence the labels as weights of the order.
    """
    parts = iter(logits.split(len(labels)))
    plain = next(parts)
    loss = accuracy_loss(plain, labels, kind)
    if config.invariance_weight:
        loss = loss + config.invariance_weight * invariance_loss(plain, next(parts))
    if config.order_weight:
        loss = loss + config.order_weight * order_loss(plain, next(parts), labels * has_symmetry)
    return loss
