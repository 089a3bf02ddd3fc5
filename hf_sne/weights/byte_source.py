"""Elements of a tensor straight from bytes at any place of a file, wherever the file is."""

from typing import Protocol

import torch
from torch import Tensor

from hf_sne.weights.tensors import DTYPE_NAMES

_TORCH_DTYPES = {name: dtype for dtype, name in DTYPE_NAMES.items()}


class ByteSource(Protocol):
    """A file that can be read at any place; ``name`` is what it is called in messages, ``size`` in bytes."""

    name: str
    size: int

    def read_into(self, view: memoryview, start: int) -> None:
        """Fill ``view`` with the bytes from ``start`` on.

        Raises:
            CheckpointError: of the class that tells why they cannot be read.
        """


def read_bytes(source: ByteSource, start: int, stop: int) -> bytes:
    """The bytes from ``start`` up to ``stop``."""
    buffer = bytearray(stop - start)
    source.read_into(memoryview(buffer), start)
    return bytes(buffer)


def read_elements(source: ByteSource, origin: int, dtype: str, start: int, stop: int) -> Tensor:
    """Elements ``start`` to ``stop`` of the tensor whose bytes begin at ``origin``, [stop - start].

    Raises:
        CheckpointError: as :meth:`ByteSource.read_into`.
    """
    kind = _TORCH_DTYPES[dtype]
    if start == stop:
        return torch.empty(0, dtype=kind)
    buffer = bytearray((stop - start) * kind.itemsize)
    source.read_into(memoryview(buffer), origin + start * kind.itemsize)
    return torch.frombuffer(buffer, dtype=kind)
