"""``layout.csv`` of the Small CNN Zoo: which numbers of a row are which tensor, in TensorFlow's order or PyTorch's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hf_sne.errors import UserError
from hf_sne.zoo.adapters.labels import read_table
from hf_sne.zoo.adapters.networks import fitting_family, layout_of
from hf_sne.zoo.schema import Layout

Order = Literal["auto", "tensorflow", "pytorch"]
Places = NDArray[np.int64]

_COLUMNS = ("varname", "start_idx", "end_idx", "shape")
_SHAPE = re.compile(r"[(\[]?\s*[1-9][0-9]*(?:\s*[x,]\s*[1-9][0-9]*)*,?\s*[)\]]?")
# Keras names -> torch names, in the order of torch's state dict.
_LEAVES = {
    "kernel": "weight",
    "weight": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


@dataclass(frozen=True)
class RowForm:
    """How a row of weights is read.

    Args:
        family: Whose module the tensors load into; None if no family fits.
        layout: Of the tensors in PyTorch's order.
        places: [length] where in the row each number of the layout stands.
    """

    family: str | None
    layout: Layout
    places: Places


@dataclass(frozen=True)
class _Variable:
    name: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def path(self) -> list[str]:
        """``sequential/conv2d/kernel:0`` -> sequential, conv2d, kernel."""
        return re.split(r"[/.]", self.name.split(":")[0])

    @property
    def places(self) -> Places:
        return np.arange(self.start, self.end).reshape(self.shape)


def read_form(path: Path, order: Order, length: int) -> RowForm:
    """The form of rows of ``length`` numbers that ``layout.csv`` describes.

    Raises:
        UserError: the table is malformed or leaves numbers of a row out, or its order cannot be converted.
    """
    table = read_table(path, _COLUMNS)
    variables = [
        _variable(path, *fields) for fields in zip(*(table[column].tolist() for column in _COLUMNS), strict=True)
    ]
    _check_cover(path, variables, length)
    if order == "auto":
        order = "tensorflow" if any(variable.path[-1] == "kernel" for variable in variables) else "pytorch"
    tensors = (
        _from_tensorflow(path, variables)
        if order == "tensorflow"
        else {variable.name: variable.places for variable in variables}
    )
    return _form(path, tensors, len(variables))


def _form(path: Path, tensors: Mapping[str, Places], count: int) -> RowForm:
    if len(tensors) != count:
        raise UserError(f"{path}: {count} variables have {len(tensors)} different names", fix="name each one once")
    shapes = {name: places.shape for name, places in tensors.items()}
    fit = fitting_family(shapes, ["small_cnn"])
    if fit is not None:
        shapes = dict(zip(fit[1], shapes.values(), strict=True))
    places = np.concatenate([places.ravel() for places in tensors.values()])
    return RowForm(None if fit is None else fit[0], layout_of(shapes), places)


def _variable(path: Path, name: str, start: object, end: object, shape: str) -> _Variable:
    if not _SHAPE.fullmatch(str(shape)):
        raise UserError(f"{path}: the shape of {name} is {shape!r}", fix="write it as 3x3x1x16 or (3, 3, 1, 16)")
    sizes = tuple(map(int, re.findall(r"[0-9]+", shape)))
    if not isinstance(start, int) or not isinstance(end, int) or end - start != prod(sizes):
        raise UserError(
            f"{path}: {name} of shape {shape} has {prod(sizes)} numbers, start_idx {start} to end_idx {end} are others",
            fix="correct the row; end_idx is the first number after the variable",
        )
    return _Variable(str(name), sizes, start, end)


def _check_cover(path: Path, variables: Sequence[_Variable], length: int) -> None:
    bounds = [
        0,
        *(bound for start, end in sorted((v.start, v.end) for v in variables) for bound in (start, end)),
        length,
    ]
    for end, start in zip(bounds[::2], bounds[1::2], strict=True):
        if end != start:
            raise UserError(
                f"{path}: a variable ends at {end}, the next one or the end of the rows is at {start}",
                fix=f"list every variable of the rows of {length} numbers once",
            )


def _from_tensorflow(path: Path, variables: Sequence[_Variable]) -> dict[str, Places]:
    """The variables by torch's names and in torch's order, layers in the order in which they first appear."""
    _check_no_flatten(path, variables)
    paths = [variable.path for variable in variables]
    prefix = 1 if len({steps[0] for steps in paths}) == 1 and all(len(steps) > 2 for steps in paths) else 0
    layers = [".".join(steps[prefix:-1]) for steps in paths]
    unknown = [variable.name for variable in variables if variable.path[-1] not in _LEAVES]
    if unknown:
        raise UserError(
            f"{path}: {', '.join(unknown)} cannot be converted from TensorFlow's order; {', '.join(_LEAVES)} can be",
            fix="write the zoo in PyTorch's order, with names such as conv1.weight",
        )
    leaves = list(_LEAVES)
    ranked = sorted(
        zip(layers, variables, strict=True),
        key=lambda item: (layers.index(item[0]), leaves.index(item[1].path[-1])),
    )
    return {
        f"{layer}.{_LEAVES[variable.path[-1]]}".removeprefix("."): _torch_order(variable.places)
        for layer, variable in ranked
    }


def _torch_order(places: Places) -> Places:
    """[..., in, out] -> [out, in, ...]; vectors stay as they are."""
    axes = range(places.ndim)
    return places.transpose(*axes[-1:-3:-1], *axes[:-2])


def _check_no_flatten(path: Path, variables: Sequence[_Variable]) -> None:
    convolutions = [variable for variable in variables if len(variable.shape) == 4]
    dense = [variable for variable in variables if len(variable.shape) == 2]
    if not convolutions or not dense:
        return
    channels, inputs = convolutions[-1].shape[-1], dense[0].shape[0]
    if inputs > channels and inputs % channels == 0:
        raise UserError(
            f"{path}: {dense[0].name} has {inputs} inputs, a flattened map of the {channels} channels of "
            f"{convolutions[-1].name}, whose pixels TensorFlow and PyTorch flatten in different orders",
            fix="write the zoo in PyTorch's order; a dense layer after global pooling could be converted",
        )
