"""Convolution of a population: every network's images with its own kernels."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# Above so many bytes a network's unfolded images leave a core's cache, and torch's own convolution, network by network,
# is faster than one batched matrix product (measured: recipes/benchmark/zoo.py).
_UNFOLDED_BYTES = 2**20


def convolve(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Images [n, in, h, w, b] and kernels [n, out, in, k, k] -> [n, out, h', w', b]."""
    kernel = weight.shape[-1]
    height, width = ((length + 2 * padding - kernel) // stride + 1 for length in x.shape[2:4])
    unfolded = x.element_size() * weight[0, 0].numel() * height * width * x.shape[-1]
    if x.device.type == "cpu" and unfolded > _UNFOLDED_BYTES:
        return _one_by_one(x, weight, stride, padding)
    if padding:
        x = functional.pad(x, (0, 0, padding, padding, padding, padding))
    return _Convolution.apply(x, weight, stride)  # type: ignore[no-any-return, no-untyped-call]


def _one_by_one(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    outputs = [
        torch.conv2d(images.permute(3, 0, 1, 2), kernels, stride=stride, padding=padding).permute(1, 2, 3, 0)
        for images, kernels in zip(x.unbind(), weight.unbind(), strict=True)
    ]
    return torch.stack(outputs)


class _Convolution(torch.autograd.Function):
    """Unfold, then one matrix product a network; the images innermost make unfolding a copy of long runs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        networks, out, _, kernel, _ = weight.shape
        windows = x.unfold(2, kernel, stride).unfold(3, kernel, stride).permute(0, 1, 5, 6, 2, 3, 4)
        size = windows.shape[4:]
        unfolded = windows.reshape(networks, weight[0, 0].numel(), -1)
        ctx.save_for_backward(unfolded, weight)
        ctx.stride, ctx.shape, ctx.size = stride, x.shape, size
        return torch.bmm(weight.flatten(2), unfolded).view(networks, out, *size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        unfolded, weight = ctx.saved_tensors
        gradient = gradients[0].flatten(2)
        of_weight = torch.bmm(gradient, unfolded.transpose(1, 2)).view(weight.shape)
        if not ctx.needs_input_grad[0]:
            return None, of_weight, None
        channels, kernel, stride, (height, width, _) = weight.shape[2], weight.shape[-1], ctx.stride, ctx.size
        spread = torch.bmm(weight.flatten(2).transpose(1, 2), gradient)
        spread = spread.view(len(weight), channels, kernel, kernel, *ctx.size)
        of_x = gradient.new_zeros(ctx.shape)
        for i in range(kernel):
            for j in range(kernel):
                rows, columns = (slice(p, p + stride * (n - 1) + 1, stride) for p, n in ((i, height), (j, width)))
                of_x[:, :, rows, columns] += spread[:, :, i, j]
        return of_x, of_weight, None
