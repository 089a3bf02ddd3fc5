"""Slices of a tensor straight from a file's bytes.

A memory map would be shorter, but each page it touches counts to the process until the kernel wants it back, and a file
that shrinks under it ends the process with a bus error.
"""

import math
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from hf_sne.weights.errors import ClosedFileError, FileAccessError, TruncatedFileError
from hf_sne.weights.tensors import DTYPE_NAMES, Slices

_TORCH_DTYPES = {name: dtype for dtype, name in DTYPE_NAMES.items()}


class RangedFile:
    """A file open for reading at any place; ``name`` is what it is called in messages."""

    def __init__(self, path: Path, name: str, stack: ExitStack) -> None:
        self.name = name
        self._stream = stack.enter_context(path.open("rb", buffering=0))

    def read_slices(self, start: int, dtype: str, shape: tuple[int, ...], slices: Slices) -> Tensor:
        """The part in ``slices`` of the tensor of ``shape`` whose bytes begin at ``start``.

        ``slices`` are for leading dimensions, with bounds in order. Only the bytes from the first to the last number
        of each run are read: whole rows in one, columns row by row.

        Raises:
            ClosedFileError: the checkpoint has been closed.
            TruncatedFileError, FileAccessError: the file has changed since it was checked, or cannot be read.
        """
        item = _TORCH_DTYPES[dtype].itemsize
        strides = [math.prod(shape[axis + 1 :]) * item for axis in range(len(shape))]
        full = (*slices, *(slice(0, size) for size in shape[len(slices) :]))
        partial = [axis for axis, (part, size) in enumerate(zip(full, shape, strict=True)) if part != slice(0, size)]
        inner = partial[-1] if partial else 0
        sizes = [part.stop - part.start for part in full]
        if not math.prod(sizes):
            return torch.empty(sizes, dtype=_TORCH_DTYPES[dtype])
        run = sizes[inner] * strides[inner] if shape else item
        buffer = bytearray(math.prod(sizes) * item)
        view = memoryview(buffer)
        for number, place in enumerate(_places(full[:inner], strides)):
            first = start + place + (full[inner].start * strides[inner] if shape else 0)
            self._read_into(view[number * run : (number + 1) * run], first)
        return torch.frombuffer(buffer, dtype=_TORCH_DTYPES[dtype]).view(sizes)

    def _read_into(self, view: memoryview, start: int) -> None:
        if self._stream.closed:
            raise ClosedFileError(self.name, found="a closed file", allowed="an open one")
        done = 0
        try:
            self._stream.seek(start)
            while done < len(view):
                count = self._stream.readinto(view[done:])
                if not count:
                    end, wanted = start + done, start + len(view)
                    raise TruncatedFileError(self.name, found=f"{end} bytes", allowed=f"{wanted} or more")
                done += count
        except OSError as error:
            raise FileAccessError(self.name, found=error, allowed="a file that can be read") from None


def _places(outer: Slices, strides: list[int]) -> list[int]:
    """Byte offsets of the runs: one for each index of the outer dimensions, in order."""
    places = [0]
    for part, stride in zip(outer, strides, strict=False):
        places = [place + index * stride for place in places for index in range(part.start, part.stop)]
    return places
