"""A named tensor that is read in float32, slice by slice, from wherever it lies."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

# Bits of one element, for every dtype of the safetensors format.
DTYPE_BITS = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
# The dtypes of torch that safetensors can store.
DTYPE_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e4m3fnuz: "F8_E4M3FNUZ",
    torch.float8_e5m2: "F8_E5M2",
    torch.float8_e5m2fnuz: "F8_E5M2FNUZ",
    torch.float8_e8m0fnu: "F8_E8M0",
    torch.complex64: "C64",
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.uint16: "U16",
    torch.uint32: "U32",
    torch.uint64: "U64",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
}
# The dtypes whose elements are the weights themselves.
READABLE_DTYPES = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E4M3FNUZ", "F8_E5M2", "F8_E5M2FNUZ"}


def unreadable_reason(dtype: str) -> str:
    """Why a tensor of ``dtype``, none of ``READABLE_DTYPES``, is in no layer."""
    if dtype.startswith("C"):
        return f"complex numbers ({dtype})"
    if dtype == "BOOL":
        return "booleans (BOOL)"
    if dtype.startswith(("I", "U")):
        return f"integers ({dtype}): indices, or packed weights"
    return f"packed or scale format ({dtype})"


@dataclass(frozen=True)
class Skipped:
    """A tensor of the checkpoint that is in no layer.

    ``elements`` are scalars, not bytes. ``learned`` is False where nothing is lost by the skip: a buffer, or a second
    name of a tensor that is read.
    """

    name: str
    reason: str
    elements: int
    learned: bool = True


@dataclass(frozen=True)
class LazyTensor:
    """A tensor whose numbers are read when asked for, as float32 on the CPU and never as a view of the source.

    ``dtype`` is the safetensors name of the stored type, such as ``"BF16"``. A number beyond float32 reads as infinity.
    ``whole_shape`` is another than ``shape`` where this is a part of a larger tensor.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    _stored: Callable[[int, int], Tensor] = field(repr=False, compare=False)
    _whole: tuple[int, ...] | None = field(default=None, repr=False)

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """The shape of the tensor that this is a part of, or its own."""
        return self.shape if self._whole is None else self._whole

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def elements(self, start: int, stop: int) -> Tensor:
        """The elements from ``start`` up to ``stop`` in row-major order, [stop - start]; only their bytes are read.

        Raises:
            IndexError: the range is not within the tensor.
        """
        if not 0 <= start <= stop <= self.numel:
            raise IndexError(f"tensor {self.name!r}: found elements {start} to {stop}, allowed 0 to {self.numel}")
        return self._stored(start, stop).to(device="cpu", dtype=torch.float32)

    def read(self) -> Tensor:
        """The whole tensor, in its own shape."""
        return self.elements(0, self.numel).view(self.shape)
