"""Vectors that are kept on disk until they are written to a zoo."""

import os
import tempfile
from pathlib import Path

import numpy as np

from hf_sne.zoo.atomic import check_space
from hf_sne.zoo.schema import Vector


class Spool:
    """Vectors in a temporary file that goes with this object; any thread may read them once they are there."""

    def __init__(self, expected: int) -> None:
        """Make room for about ``expected`` bytes.

        Raises:
            UserError: the temporary folder (TMPDIR) has no space for them.
        """
        check_space(Path(tempfile.gettempdir()), expected)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as vectors are asked for
        self._ends = [0]

    def append(self, vector: Vector) -> None:
        """Keep a vector; its number is how many there were before."""
        self._file.write(vector.tobytes())
        self._file.flush()
        self._ends.append(self._ends[-1] + vector.nbytes)

    def vector(self, index: int) -> Vector:
        """The vector of that number, a copy."""
        start, end = self._ends[index], self._ends[index + 1]
        return np.frombuffer(bytearray(os.pread(self._file.fileno(), end - start, start)), np.float32)
