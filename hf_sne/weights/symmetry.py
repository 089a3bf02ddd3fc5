"""The changes of hidden units that leave a network's function as it is: permutations, and scalings between layers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hf_sne.weights.layers import Layer


@dataclass(frozen=True)
class UnitAxis:
    """One axis of a tensor that runs over hidden units, each of them ``repeat`` entries in a row (flatten).

    ``reads``: the tensor reads the units (a column a unit); else it makes them (a row a unit).
    """

    tensor: str
    axis: int
    repeat: int
    reads: bool


@dataclass(frozen=True)
class HiddenUnits:
    """The hidden units between two dense layers, and every tensor axis that goes with them."""

    units: int
    axes: tuple[UnitAxis, ...]
    has_norm: bool


def is_chain(layers: Sequence[Layer]) -> bool:
    """Whether the names are those of a plain ``nn.Sequential``: only there are the layers known to follow in a row."""
    return all(part.isdigit() for layer in layers for part in layer.name.split("."))


def hidden_units(layers: Sequence[Layer], buffers: Collection[str] = ()) -> tuple[HiddenUnits, ...]:
    """The hidden units of a chain of linear, convolution and batch norm layers; none where the layers are no chain.

    ``buffers`` names the checkpoint's buffers. A norm without running statistics may join units to groups, which no
    tensor tells, so units next to one are left out.
    """
    if not is_chain(layers):
        return ()
    found = (
        _units_between(layers, layer.source, number, buffers)
        for number, layer in enumerate(layers)
        if layer.source is not None
    )
    return tuple(group for group in found if group is not None)


def _units_between(layers: Sequence[Layer], source: int, reader: int, buffers: Collection[str]) -> HiddenUnits | None:
    made, read = layers[source], layers[reader]
    assert made.weight is not None
    assert read.weight is not None
    units = made.weight.shape[0]
    norms = [layer for layer in layers[source + 1 : reader] if layer.role == "norm"]
    axes = [UnitAxis(tensor.name, 0, 1, reads=False) for tensor in (made.weight, made.bias) if tensor is not None]
    for norm in norms:
        # Running statistics are no learned weights and no part of a layer, but they go with the units all the same.
        running = [f"{norm.name}.{buffer}" for buffer in ("running_mean", "running_var")]
        size = max(tensor.numel for tensor in (norm.weight, norm.bias) if tensor is not None)
        if size % units or not set(running) <= set(buffers):
            return None
        names = [tensor.name for tensor in (norm.weight, norm.bias) if tensor is not None] + running
        axes += [UnitAxis(name, 0, size // units, reads=False) for name in names]
    axes.append(UnitAxis(read.weight.name, 1, read.weight.shape[1] // units, reads=True))
    return HiddenUnits(units, tuple(axes), has_norm=bool(norms))


def draw_permutations(groups: Sequence[HiddenUnits], generator: torch.Generator) -> list[Tensor]:
    """A uniformly random order of each group's units."""
    return [torch.randperm(group.units, generator=generator) for group in groups]


def permute(
    tensors: Mapping[str, Tensor], groups: Sequence[HiddenUnits], orders: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Put the hidden units of each group in the given order, in every tensor that knows them."""
    changed = dict(tensors)
    for group, order in zip(groups, orders, strict=True):
        for axis in group.axes:
            if axis.tensor in changed:
                entries = (order.unsqueeze(1) * axis.repeat + torch.arange(axis.repeat)).flatten()
                changed[axis.tensor] = changed[axis.tensor].index_select(axis.axis, entries)
    return changed


def permute_one_side(
    tensors: Mapping[str, Tensor], groups: Sequence[HiddenUnits], orders: Sequence[Tensor]
) -> dict[str, Tensor]:
    """The illegal twin of :func:`permute`: only the readers' columns move, which changes the network's function."""
    readers = [
        HiddenUnits(group.units, tuple(axis for axis in group.axes if axis.reads), group.has_norm) for group in groups
    ]
    return permute(tensors, readers, orders)


def rescale(
    tensors: Mapping[str, Tensor], groups: Sequence[HiddenUnits], scales: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Multiply what makes each unit by its scale and divide what reads it, in groups without a norm layer.

    Leaves the function as it is for positive scales between ReLU layers, and for signs (-1, 1) between tanh layers.
    """
    changed = dict(tensors)
    for group, scale in zip(groups, scales, strict=True):
        if group.has_norm:
            continue
        for axis in group.axes:
            tensor = changed[axis.tensor]
            factor = (1 / scale if axis.reads else scale).repeat_interleave(axis.repeat)
            changed[axis.tensor] = tensor * factor.view([-1 if n == axis.axis else 1 for n in range(tensor.ndim)])
    return changed
