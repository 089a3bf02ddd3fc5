"""safetensors files: the header is checked here before anything is allocated, the numbers are read lazily.

The rules are at least those of the safetensors library, which checks the file once more when it opens it.
"""

import math
import struct
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from hf_sne.limits import Limits
from hf_sne.weights.byte_source import ByteSource, read_bytes, read_elements
from hf_sne.weights.checks import Totals, check_name, check_rank
from hf_sne.weights.errors import (
    HeaderLengthError,
    HeaderSyntaxError,
    HoleError,
    LoaderRefusalError,
    OffsetsError,
    OverlapError,
    TensorDtypeError,
    TensorShapeError,
    TrailingBytesError,
    TruncatedFileError,
)
from hf_sne.weights.ranged_file import RangedFile
from hf_sne.weights.strict_json import parse_object
from hf_sne.weights.tensors import DTYPE_BITS, LazyTensor

_LENGTH = struct.Struct("<Q")
_FIELDS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a header; ``start`` and ``stop`` are bytes of the data that follow the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def open_safetensors(path: Path, file: str, totals: Totals, stack: ExitStack) -> dict[str, LazyTensor]:
    """The tensors of the file at ``path``, called ``file`` in messages, readable until ``stack`` closes.

    Raises:
        CheckpointError: of the class of the rule that the file breaks.
    """
    opened = RangedFile(path, file, stack)
    tensors = read_tensors(opened, totals)
    try:
        with safe_open(path, framework="pt", device="cpu"):
            pass  # its verdict is all that is wanted: ours is never looser
    except (SafetensorError, OSError) as error:
        raise LoaderRefusalError(file, found=error, allowed="a file that it opens") from None
    return tensors


def read_tensors(source: ByteSource, totals: Totals) -> dict[str, LazyTensor]:
    """The tensors of a safetensors file, of which the header is read and checked.

    Raises:
        CheckpointError: of the class of the rule that the file breaks.
    """
    data_start, entries = read_header(source, totals)
    return {
        entry.name: LazyTensor(
            entry.name,
            entry.shape,
            entry.dtype,
            partial(read_elements, source, data_start + entry.start, entry.dtype),
        )
        for entry in entries
    }


def read_header(source: ByteSource, totals: Totals) -> tuple[int, list[TensorEntry]]:
    """Where the data begin, and the checked entries of a safetensors header in the order of their bytes.

    Memory stays within a small multiple of ``Limits.header_bytes``, whatever the header says.

    Raises:
        CheckpointError: of the class of the rule that the file breaks.
    """
    file, size = source.name, source.size
    length = _header_length(read_bytes(source, 0, min(_LENGTH.size, size)), size, file, totals.limits)
    header = read_bytes(source, _LENGTH.size, _LENGTH.size + length)
    _check_complexity(header, file, totals.limits)
    named = parse_object(header, file, HeaderSyntaxError)
    _check_metadata(named.pop("__metadata__", {}), file)
    entries = [_entry(name, fields, file, totals) for name, fields in named.items()]
    entries.sort(key=lambda entry: (entry.start, entry.stop))
    _check_layout(entries, size - _LENGTH.size - len(header), file)
    return _LENGTH.size + len(header), entries


def _header_length(prefix: bytes, size: int, file: str, limits: Limits) -> int:
    if len(prefix) < _LENGTH.size:
        raise TruncatedFileError(file, found=f"{size} bytes", allowed=f"{_LENGTH.size} or more")
    length: int = _LENGTH.unpack(prefix)[0]
    if length > limits.header_bytes:
        raise HeaderLengthError(file, found=f"{length} bytes", allowed=limits.header_bytes)
    if length > size - _LENGTH.size:
        raise TruncatedFileError(file, found=f"{size} bytes", allowed=f"{_LENGTH.size + length} or more")
    return length


def _check_complexity(header: bytes, file: str, limits: Limits) -> None:
    """Refuses a header of far more JSON objects than its tensors need, which would fill the memory when parsed."""
    # A tensor needs three; names may hold some brackets.
    found, allowed = header.count(b"{") + header.count(b"["), 4 * limits.tensors + 16
    if found > allowed:
        raise HeaderSyntaxError(file, found=f"{found} objects and lists", allowed=allowed)


def _check_metadata(metadata: Any, file: str) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderSyntaxError(file, found="other values in __metadata__", allowed="strings")


def _entry(name: str, fields: Any, file: str, totals: Totals) -> TensorEntry:
    check_name(name, file, totals.limits)
    if not isinstance(fields, dict) or set(fields) != _FIELDS:
        raise HeaderSyntaxError(file, found=f"the entry of {name!r}", allowed=f"an object of {sorted(_FIELDS)}")
    dtype = fields["dtype"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise TensorDtypeError(file, found=f"{_brief(dtype)} of {name!r}", allowed=", ".join(sorted(DTYPE_BITS)))
    shape = _shape(name, fields["shape"], file, totals.limits)
    start, stop = _offsets(name, fields["data_offsets"], file)
    bits = math.prod(shape) * DTYPE_BITS[dtype]
    if bits != 8 * (stop - start):
        raise TensorShapeError(file, found=f"{list(shape)} {dtype} of {name!r}", allowed=f"{stop - start} bytes")
    totals.add(name, stop - start, file)
    return TensorEntry(name, dtype, shape, start, stop)


def _shape(name: str, shape: Any, file: str, limits: Limits) -> tuple[int, ...]:
    if not isinstance(shape, list):
        raise TensorShapeError(file, found=f"{_brief(shape)} of {name!r}", allowed="a list")
    check_rank(name, len(shape), file, limits)
    if not all(_is_whole(size) for size in shape):
        raise TensorShapeError(file, found=f"{_brief(shape)} of {name!r}", allowed="whole numbers from 0 to 2^63 - 1")
    return tuple(shape)


def _offsets(name: str, offsets: Any, file: str) -> tuple[int, int]:
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_whole(offset) for offset in offsets):
        raise OffsetsError(file, found=f"{_brief(offsets)} of {name!r}", allowed="two whole numbers from 0 to 2^63 - 1")
    start, stop = offsets
    if start > stop:
        raise OffsetsError(file, found=f"{start} before {stop} of {name!r}", allowed="start <= stop")
    return start, stop


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _brief(value: Any) -> str:
    """``value`` for a message; what is nested is named by its type, as its repr could exhaust the stack."""
    if isinstance(value, list):
        return f"[{', '.join(str(item) if type(item) is int else type(item).__name__ for item in value)}]"
    return repr(value) if isinstance(value, str) else type(value).__name__


def _check_layout(entries: list[TensorEntry], data_bytes: int, file: str) -> None:
    """Refuses data that are not exactly covered, once, by ``entries`` in the order of their bytes."""
    origin = TensorEntry("the start of the data", "U8", (0,), 0, 0)
    for before, entry in pairwise([origin, *entries]):
        if entry.start < before.stop:
            raise OverlapError(file, found=f"{entry.name!r} from {entry.start}", allowed=f"{before.stop} or later")
        if entry.start > before.stop:
            raise HoleError(file, found=f"{entry.name!r} from {entry.start}", allowed=before.stop)
    end = entries[-1].stop if entries else 0
    if end > data_bytes:
        raise TruncatedFileError(file, found=f"{data_bytes} bytes of data", allowed=end)
    if end < data_bytes:
        raise TrailingBytesError(file, found=f"{data_bytes} bytes of data", allowed=end)
