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

Slices = tuple[slice, ...]


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
    """A tensor whose numbers are read when indexed, as float32 on the CPU and never as a view of the source.

    ``dtype`` is the safetensors name of the stored type, such as ``"BF16"``. A number beyond float32 reads as infinity.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    _stored: Callable[[Slices], Tensor] = field(repr=False, compare=False)

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __getitem__(self, index: slice | Slices) -> Tensor:
        """The part in ``index``, slices with step 1 over the leading dimensions; only its bytes are read.

        Raises:
            TypeError: an index that is not a slice with step 1.
            IndexError: more slices than dimensions.
        """
        slices = index if isinstance(index, tuple) else (index,)
        if not all(isinstance(part, slice) and part.step in (None, 1) for part in slices):
            raise TypeError(f"tensor {self.name!r}: found index {index!r}, allowed slices with step 1")
        if len(slices) > len(self.shape):
            raise IndexError(f"tensor {self.name!r}: found {len(slices)} slices, allowed {len(self.shape)}")
        # safetensors takes neither negative nor reversed bounds.
        bounds = [part.indices(size)[:2] for part, size in zip(slices, self.shape, strict=False)]
        stored = self._stored(tuple(slice(start, max(start, stop)) for start, stop in bounds))
        return stored.to(device="cpu", dtype=torch.float32, copy=True)

    def read(self) -> Tensor:
        """The whole tensor, float32 in its own shape."""
        return self[()]
