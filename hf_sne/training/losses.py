"""What training minimises: the accuracy loss and the logit-invariance term (arXiv 2305.16625, equation 7)."""

from torch import Tensor

from hf_sne.models.sne import SnePredictionOutput


def invariance_loss(logits: Tensor, permuted: Tensor) -> Tensor:
    """Mean of 1/2 (f(x) - f(gx))^2 over networks; both [b]."""
    return 0.5 * (logits - permuted).square().mean()


def total_loss(output: SnePredictionOutput, invariance_weight: float) -> Tensor:
    """The head's loss, and v times the invariance term where the batch is [networks, the same permuted]."""
    assert output.loss is not None
    assert output.logits is not None
    if not invariance_weight:
        return output.loss
    logits, permuted = output.logits.chunk(2)
    return output.loss + invariance_weight * invariance_loss(logits, permuted)
