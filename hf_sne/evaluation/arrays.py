"""What the metrics demand of their inputs: finite vectors of one length, of enough networks."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_sne.errors import UserError

FloatVector: TypeAlias = NDArray[np.float64]


def finite_vector(name: str, values: ArrayLike, at_least: int = 0) -> FloatVector:
    """``values`` as float64 [n]; ``name`` is what an error calls them.

    Raises ``UserError`` when they are not one-dimensional, fewer than ``at_least``, or hold a NaN or an infinity.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise UserError(f"{name} have shape {vector.shape}, not [n]", fix="pass one number a network")
    if len(vector) < at_least:
        raise UserError(f"found {len(vector)} {name}, at least {at_least} are needed", fix="evaluate more networks")
    if not np.isfinite(vector).all():
        position = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise UserError(
            f"{name}[{position}] is {vector[position]}, not a finite number",
            fix="leave out the networks without a finite value and say how many they were",
        )
    return vector


def finite_pair(predictions: ArrayLike, targets: ArrayLike) -> tuple[FloatVector, FloatVector]:
    """Both as float64 [n], n >= 2. Raises ``UserError`` on unequal lengths, n < 2, a NaN or an infinity."""
    pair = finite_vector("predictions", predictions, at_least=2), finite_vector("targets", targets, at_least=2)
    same_length({"predictions": len(pair[0]), "targets": len(pair[1])})
    return pair


def same_length(lengths: dict[str, int]) -> None:
    """Raise ``UserError`` unless every named length is the same."""
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise UserError(f"lengths differ: {found}", fix="pass one entry a network in each")
