"""Elements of a tensor straight from a file's bytes.

A memory map would be shorter, but each page it touches counts to the process until the kernel wants it back, and a file
that shrinks under it ends the process with a bus error.
"""

from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from hf_sne.weights.errors import ClosedFileError, FileAccessError, TruncatedFileError
from hf_sne.weights.tensors import DTYPE_NAMES

_TORCH_DTYPES = {name: dtype for dtype, name in DTYPE_NAMES.items()}


class RangedFile:
    """A file open for reading at any place; ``name`` is what it is called in messages."""

    def __init__(self, path: Path, name: str, stack: ExitStack) -> None:
        self.name = name
        self._stream = stack.enter_context(path.open("rb", buffering=0))

    def read_elements(self, origin: int, dtype: str, start: int, stop: int) -> Tensor:
        """Elements ``start`` to ``stop`` of the tensor whose bytes begin at ``origin``, [stop - start].

        Raises:
            ClosedFileError: the checkpoint has been closed.
            TruncatedFileError, FileAccessError: the file has changed since it was checked, or cannot be read.
        """
        kind = _TORCH_DTYPES[dtype]
        if start == stop:
            return torch.empty(0, dtype=kind)
        buffer = bytearray((stop - start) * kind.itemsize)
        self._read_into(memoryview(buffer), origin + start * kind.itemsize)
        return torch.frombuffer(buffer, dtype=kind)

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
