"""A local file that is read at any place.

A memory map would be shorter, but each page it touches counts to the process until the kernel wants it back, and a file
that shrinks under it ends the process with a bus error.
"""

import os
from contextlib import ExitStack
from pathlib import Path

from hf_sne.weights.errors import ClosedFileError, FileAccessError, TruncatedFileError


class RangedFile:
    """A file open for reading, until ``stack`` closes; ``name`` is what it is called in messages."""

    def __init__(self, path: Path, name: str, stack: ExitStack) -> None:
        self.name = name
        self._stream = stack.enter_context(path.open("rb", buffering=0))
        self.size = os.fstat(self._stream.fileno()).st_size

    def read_into(self, view: memoryview, start: int) -> None:
        """Fill ``view`` with the bytes from ``start`` on.

        Raises:
            ClosedFileError: the checkpoint has been closed.
            TruncatedFileError, FileAccessError: the file has changed since it was checked, or cannot be read.
        """
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
