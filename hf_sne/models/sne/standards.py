"""What is read of a tensor before it is chunked: its scale and shape as features, and its values block by block."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .chunking import Matrix, Tile
from .planning import PlannedTensor

NUM_TENSOR_FEATURES = 8
# A network trained in float32 has no use for elements this many times its tensor's root mean square, a hostile one may.
MAX_STANDARD = 64.0
# Of features that are logarithms to base 10, and the highest its opposite.
LOWEST_LOG = -12.0


@dataclass(frozen=True)
class Standard:
    """What standardisation takes from a tensor: root mean square, mean, largest magnitude, non-finite elements."""

    rms: float
    mean: float
    largest: float
    nonfinite: int

    def scale(self, values: Tensor, standardise: bool) -> Tensor:
        """Values as the encoder reads them: over the root mean square, or raw, within +-MAX_STANDARD."""
        # Trap 2 of the paper as written: raw scalars are washed out by the layers that follow, so each tensor is
        # standardised (by its root mean square: zero stays zero, signs stay) and the scale is given as a feature.
        divisor = max(self.rms, 1e-30) if standardise else 1.0
        return (values / divisor).clamp_(-MAX_STANDARD, MAX_STANDARD)


def measure(tensor: Any, matrix: Matrix, block_size: int) -> Standard:
    """One pass over a tensor, ``block_size`` elements at a time."""
    total = squares = largest = 0.0
    nonfinite = 0
    count = matrix.out * matrix.fan_in
    for start in range(0, count, block_size):
        block = read_elements(tensor, start, min(count, start + block_size))
        finite = block.isfinite()
        if not bool(finite.all()):
            nonfinite += int((~finite).sum())
            block = block.where(finite, 0)
        top = float(block.abs().max())
        largest = max(largest, top)
        # Divided by the largest magnitude first: the square of 3e38 is infinite, of 1e-40 is zero.
        unit = block / top if top > 0 else block
        total += float(unit.sum(dtype=torch.float64)) * top
        squares += float(unit.square().sum(dtype=torch.float64)) * top**2
    return Standard(math.sqrt(squares / count), total / count, largest, nonfinite)


def tensor_features(standard: Standard, plan: PlannedTensor) -> list[float]:
    """Scale and shape of a tensor, each of the order of 1: logarithms are to base 10 and bounded."""

    def log(value: float) -> float:
        return math.log10(min(max(value, 10**LOWEST_LOG), 10**-LOWEST_LOG))

    matrix, rms = plan.whole, standard.rms
    return [
        log(rms),
        log(rms * math.sqrt(matrix.fan_in)),
        standard.mean / rms if rms > 0 else 0.0,
        log(standard.largest / rms) if rms > 0 else 0.0,
        log(matrix.fan_in),
        log(matrix.out),
        log(matrix.kernel),
        float(plan.feeds),
    ]


def read_elements(tensor: Any, start: int, stop: int) -> Tensor:
    """Elements of a torch tensor or a lazy one in row-major order, float32 on the CPU, [stop - start]."""
    if isinstance(tensor, Tensor):
        return tensor.detach().reshape(-1)[start:stop].to("cpu", torch.float32)
    return tensor.elements(start, stop)  # type: ignore[no-any-return]


def read_tile(tensor: Any, matrix: Matrix, tile: Tile) -> Tensor:
    """The values of a block, [rows, columns, kernel]: whole rows in one piece, parts of rows row by row."""
    size, first, width = matrix.fan_in, tile.column * matrix.kernel, tile.columns * matrix.kernel
    if width == size:
        block = read_elements(tensor, tile.row * size, (tile.row + tile.rows) * size)
    else:
        starts = (row * size + first for row in range(tile.row, tile.row + tile.rows))
        block = torch.cat([read_elements(tensor, start, start + width) for start in starts])
    return block.view(tile.rows, tile.columns, matrix.kernel)
