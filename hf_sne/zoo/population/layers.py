"""Layers for a population: what each torch module does to activations [networks, features, ..., images].

Every function takes the module (for its settings), the population's tensors of that module by their local names
([networks, *shape]), the activations, and the :class:`Pass`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hf_sne.zoo.families.parts import AddPosition, MeanOverTokens, Resize, SelfAttention, ToTokens
from hf_sne.zoo.population.convolution import convolve
from hf_sne.zoo.population.weights import below

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Pass:
    """One forward pass: training or evaluation, and each network's dropout rate and generator in training."""

    training: bool
    dropout: tuple[float, ...] = ()
    generators: tuple[torch.Generator, ...] = ()


Layer = Callable[[Any, Tensors, Tensor, Pass], Tensor]


def linear(_: nn.Linear, tensors: Tensors, x: Tensor, __: Pass) -> Tensor:
    """[n, in, ..., b] -> [n, out, ..., b]."""
    weight, bias = tensors["weight"], tensors.get("bias")
    flat = x.flatten(2)
    out = torch.bmm(weight, flat) if bias is None else torch.baddbmm(bias.unsqueeze(2), weight, flat)
    return out.view(len(x), weight.shape[1], *x.shape[2:])


def conv2d(module: nn.Conv2d, tensors: Tensors, x: Tensor, _: Pass) -> Tensor:
    """[n, in, h, w, b] -> [n, out, h', w', b]."""
    stride, padding = module.stride[0], int(module.padding[0])
    out = convolve(x, tensors["weight"], stride, padding)
    return out + tensors["bias"][:, :, None, None, None] if "bias" in tensors else out


def batch_norm2d(module: nn.BatchNorm2d, tensors: Tensors, x: Tensor, state: Pass) -> Tensor:
    """Statistics of each channel of each network; the running ones are updated in place in training."""
    out = functional.batch_norm(
        x.reshape(1, x.shape[0] * x.shape[1], -1),
        tensors["running_mean"].view(-1),
        tensors["running_var"].view(-1),
        tensors["weight"].reshape(-1),
        tensors["bias"].reshape(-1),
        training=state.training,
        momentum=module.momentum or 0.0,
        eps=module.eps,
    )
    return out.view(x.shape)


def layer_norm(module: nn.LayerNorm, tensors: Tensors, x: Tensor, _: Pass) -> Tensor:
    """Over the features, dimension 1."""
    variance, mean = torch.var_mean(x, dim=1, correction=0, keepdim=True)
    weight, bias = (_beside_images(tensors[name], x.ndim) for name in ("weight", "bias"))
    return (x - mean) * torch.rsqrt(variance + module.eps) * weight + bias


def dropout(_: nn.Dropout, __: Tensors, x: Tensor, state: Pass) -> Tensor:
    """Each network at its own rate, from its own generator."""
    if not state.training or not any(state.dropout):
        return x
    kept = torch.ones_like(x)
    for mask, rate, generator in zip(kept, state.dropout, state.generators, strict=True):
        if rate:
            mask.bernoulli_(1 - rate, generator=generator).div_(1 - rate)
    return x * kept


def max_pool2d(module: nn.MaxPool2d, _: Tensors, x: Tensor, __: Pass) -> Tensor:
    """[n, c, h, w, b] -> [n, c, h // k, w // k, b]."""
    return _MaxPool.apply(x, _window(module))  # type: ignore[no-any-return, no-untyped-call]


def avg_pool2d(module: nn.AvgPool2d, _: Tensors, x: Tensor, __: Pass) -> Tensor:
    """[n, c, h, w, b] -> [n, c, h // k, w // k, b]."""
    size = _window(module)
    return torch.stack(_windows(x, size)).mean(0) if size > 1 else x


def global_avg_pool2d(_: nn.AdaptiveAvgPool2d, __: Tensors, x: Tensor, ___: Pass) -> Tensor:
    """[n, c, h, w, b] -> [n, c, 1, 1, b]."""
    return x.mean((2, 3), keepdim=True)


def flatten(_: nn.Flatten, __: Tensors, x: Tensor, ___: Pass) -> Tensor:
    """[n, c, h, w, b] -> [n, c * h * w, b]."""
    return x.flatten(1, -2)


def elementwise(module: nn.Module, _: Tensors, x: Tensor, __: Pass) -> Tensor:
    """An activation function, which knows no layout."""
    return module(x)  # type: ignore[no-any-return]


def resize(module: Resize, _: Tensors, x: Tensor, __: Pass) -> Tensor:
    """[n, c, h, w, b] -> [n, c, size, size, b]."""
    images = x.permute(0, 4, 1, 2, 3)
    resized: Tensor = module(images.flatten(0, 1)).unflatten(0, images.shape[:2])
    return resized.permute(0, 2, 3, 4, 1).contiguous()


def to_tokens(_: ToTokens, __: Tensors, x: Tensor, ___: Pass) -> Tensor:
    """[n, c, h, w, b] -> [n, c, h * w, b]: a token's features stay in dimension 1."""
    return x.flatten(2, 3)


def add_position(_: AddPosition, tensors: Tensors, x: Tensor, __: Pass) -> Tensor:
    """Adds a vector to every token."""
    return x + tensors["weight"].transpose(1, 2).unsqueeze(-1)


def mean_over_tokens(_: MeanOverTokens, __: Tensors, x: Tensor, ___: Pass) -> Tensor:
    """[n, c, t, b] -> [n, c, b]."""
    return x.mean(2)


def self_attention(module: SelfAttention, tensors: Tensors, x: Tensor, state: Pass) -> Tensor:
    """[n, c, t, b] -> [n, c, t, b]."""
    parts = linear(module.qkv, below("qkv", tensors), x, state).unflatten(1, (3, module.heads, -1))
    query, key, value = (part.permute(0, 1, 4, 3, 2) for part in parts.unbind(1))
    mixed = functional.scaled_dot_product_attention(query, key, value).permute(0, 1, 4, 3, 2)
    return linear(module.out, below("out", tensors), mixed.reshape(x.shape), state)


def _beside_images(vector: Tensor, rank: int) -> Tensor:
    return vector[(..., *[None] * (rank - 2))]


def _window(module: nn.MaxPool2d | nn.AvgPool2d) -> int:
    """Pixels along a side; windows of a population are square."""
    assert isinstance(module.kernel_size, int)
    return module.kernel_size


def _windows(x: Tensor, size: int) -> list[Tensor]:
    """The elements of every pooling window as ``size ** 2`` views, in the order torch looks at them."""
    height, width = (length // size * size for length in x.shape[2:4])
    return [x[:, :, i:height:size, j:width:size] for i in range(size) for j in range(size)]


class _MaxPool(torch.autograd.Function):
    """Where several elements of a window are largest, the first gets the gradient, as in torch."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int) -> Tensor:
        largest, *others = _windows(x, size)
        largest = largest.clone()
        for other in others:
            torch.maximum(largest, other, out=largest)
        ctx.save_for_backward(x, largest)
        ctx.size = size
        return largest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x, largest = ctx.saved_tensors
        below = -torch.finfo(x.dtype).tiny
        left = gradients[0].clone()
        spread = torch.zeros_like(x)
        for part, to in zip(_windows(x, ctx.size), _windows(spread, ctx.size), strict=True):
            # threshold_backward is the fastest `gradient where part == largest, else 0` on a CPU.
            share = torch.ops.aten.threshold_backward(left, part - largest, below)
            to.copy_(share)
            left -= share
        return spread, None


LAYERS: dict[type[nn.Module], Layer] = {
    nn.Linear: linear,
    nn.Conv2d: conv2d,
    nn.BatchNorm2d: batch_norm2d,
    nn.LayerNorm: layer_norm,
    nn.Dropout: dropout,
    nn.MaxPool2d: max_pool2d,
    nn.AvgPool2d: avg_pool2d,
    nn.AdaptiveAvgPool2d: global_avg_pool2d,
    nn.Flatten: flatten,
    Resize: resize,
    ToTokens: to_tokens,
    AddPosition: add_position,
    MeanOverTokens: mean_over_tokens,
    SelfAttention: self_attention,
    **dict.fromkeys((nn.Identity, nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.ELU), elementwise),
}
