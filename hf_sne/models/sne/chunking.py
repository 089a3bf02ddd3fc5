"""Pad-chunk: a weight tensor as rows of neurons, cut into chunks of one size (arXiv 2305.16625, section 3.1).

A tensor is seen as a matrix [out, in, kernel]. A chunk never spans two neurons, and holds whole k x k kernels where one
fits ("chunk and pad along the out and in dimensions", paper v3). The functions only move elements, so that an index
vector can be chunked like weights: that gives the gather plan by which a whole zoo of one layout is chunked at once.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

INCOMING, OUTGOING = 0, 1
# A kernel larger than 32 x 32 is cut like any row of elements: what stays together must have a bound.
MAX_KERNEL = 1024


@dataclass(frozen=True)
class Matrix:
    """A tensor's shape as (out, in, kernel): neurons, inputs of a neuron, elements that stay together."""

    out: int
    inputs: int
    kernel: int

    @classmethod
    def of(cls, shape: tuple[int, ...], neuron_level: bool) -> "Matrix":
        """A vector, or any tensor where there is no neuron level, is one row."""
        kernel = math.prod(shape[2:])
        out, inputs = (shape[0], shape[1]) if len(shape) > 1 else (1, math.prod(shape))
        if kernel > MAX_KERNEL:
            inputs, kernel = inputs * kernel, 1
        return cls(out, inputs, kernel) if neuron_level else cls(1, out * inputs, kernel)

    @property
    def fan_in(self) -> int:
        """Elements of a row."""
        return self.inputs * self.kernel


@dataclass(frozen=True)
class Tile:
    """A block of a matrix: rows [row, row + rows) and inputs [column, column + columns)."""

    row: int
    rows: int
    column: int
    columns: int


def kernels_per_chunk(kernel: int, chunk_size: int) -> int:
    """Whole kernels in one chunk; 1 also where a kernel needs several chunks."""
    return max(1, chunk_size // kernel)


def chunks_per_row(inputs: int, kernel: int, chunk_size: int) -> int:
    """Chunks that a row of ``inputs`` kernels takes."""
    if kernel > chunk_size:
        return inputs * math.ceil(kernel / chunk_size)
    return math.ceil(inputs / kernels_per_chunk(kernel, chunk_size))


def pad_chunk(rows: Tensor, chunk_size: int) -> tuple[Tensor, Tensor]:
    """Rows [r, m, k] -> chunks [r, n, chunk_size], zero-padded at the end, and their true lengths [n]."""
    r, m, k = rows.shape
    c = chunk_size
    if k > c:
        parts = math.ceil(k / c)
        chunks = torch.nn.functional.pad(rows, (0, parts * c - k)).view(r, m * parts, c)
        lengths = torch.tensor([c] * (parts - 1) + [k - (parts - 1) * c]).repeat(m)
        return chunks, lengths
    per = kernels_per_chunk(k, c)
    n = math.ceil(m / per)
    padded = torch.nn.functional.pad(rows, (0, 0, 0, n * per - m)) if n * per != m else rows
    lengths = torch.full((n,), per * k)
    lengths[-1:] = (m - (n - 1) * per) * k
    return torch.nn.functional.pad(padded.reshape(r, n, per * k), (0, c - per * k)), lengths


def tiles(matrix: Matrix, chunk_size: int, max_chunks: int) -> Iterator[Tile]:
    """Blocks whose borders are borders of chunks by rows and by columns.

    Both views of a block together have at most ``max_chunks`` chunks, or those of the smallest possible block, which is
    one chunk high and wide: 2 * chunk_size where kernels are single elements.
    """
    step = kernels_per_chunk(matrix.kernel, chunk_size)
    parts = chunks_per_row(1, matrix.kernel, chunk_size)
    # A block of `step` rows has columns * parts chunks by its rows, and as many by its columns.
    columns = min(matrix.inputs, max(step, max_chunks // (2 * parts) // step * step))
    high = chunks_per_row(columns, matrix.kernel, chunk_size) * step + columns * parts
    rows = min(matrix.out, max(1, max_chunks // high) * step)
    for row in range(0, matrix.out, rows):
        for column in range(0, matrix.inputs, columns):
            yield Tile(row, min(rows, matrix.out - row), column, min(columns, matrix.inputs - column))
