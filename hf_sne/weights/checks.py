"""The rules that every tensor must keep, wherever it comes from."""

from dataclasses import dataclass

from hf_sne.limits import Limits
from hf_sne.weights.errors import (
    TensorBytesError,
    TensorCountError,
    TensorNameError,
    TensorRankError,
    TotalBytesError,
)


def check_name(name: str, file: str, limits: Limits) -> None:
    """Refuses an empty, overlong or unprintable tensor name.

    Raises:
        TensorNameError: such a name.
    """
    if len(name) > limits.name_length:
        raise TensorNameError(file, found=f"{len(name)} characters", allowed=limits.name_length)
    if not name or not name.isprintable():
        raise TensorNameError(file, found=repr(name), allowed="printable characters, at least one")


def check_rank(name: str, rank: int, file: str, limits: Limits) -> None:
    """Refuses a tensor of more dimensions than the limit.

    Raises:
        TensorRankError: such a tensor.
    """
    if rank > limits.rank:
        raise TensorRankError(file, found=f"{rank} dimensions of {name!r}", allowed=limits.rank)


@dataclass
class Totals:
    """Running count of a checkpoint's tensors and bytes, over all its shards."""

    limits: Limits
    tensors: int = 0
    bytes: int = 0

    def add(self, name: str, size: int, file: str) -> None:
        """Counts one tensor of ``size`` bytes.

        Raises:
            TensorBytesError: it is larger than the limit.
            TensorCountError: there are more tensors than the limit.
            TotalBytesError: all together are larger than the limit.
        """
        if size > self.limits.tensor_bytes:
            raise TensorBytesError(file, found=f"{size} bytes of {name!r}", allowed=self.limits.tensor_bytes)
        self.tensors += 1
        self.bytes += size
        if self.tensors > self.limits.tensors:
            raise TensorCountError(file, found=f"{self.tensors} or more", allowed=self.limits.tensors)
        if self.bytes > self.limits.total_bytes:
            raise TotalBytesError(file, found=f"{self.bytes} or more", allowed=self.limits.total_bytes)
