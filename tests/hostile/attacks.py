"""Attack files, made on the spot: none is kept in the repository."""

import json
import pickle
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

Header = dict[str, Any]


def entry(shape: list[Any], start: int, stop: int, dtype: Any = "F32") -> Header:
    """The header entry of one tensor."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def safetensors_bytes(header: Header | str | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file around any header, valid or not; ``length`` lies about the header's."""
    raw = header if isinstance(header, bytes) else (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def valid_header(**changes: Any) -> tuple[Header, bytes]:
    """A header of one [2, 3] float32 tensor ``a`` with ``changes`` to its entry, and the data."""
    return {"a": entry([2, 3], 0, 24) | changes}, bytes(24)


def duplicate_names() -> bytes:
    """Two entries of one name with equal offsets: the standard loader keeps the last."""
    one = json.dumps(entry([6], 0, 24))
    other = json.dumps(entry([2, 3], 0, 24))
    return safetensors_bytes(f'{{"a": {one}, "a": {other}}}', bytes(24))


def many_empty_tensors(count: int) -> bytes:
    """Tensors of no elements, which cost header bytes only."""
    return safetensors_bytes({f"t{index}": entry([0], 0, 0) for index in range(count)})


def deep_json(depth: int) -> bytes:
    """A header of lists in lists."""
    return safetensors_bytes('{"a": ' + "[" * depth + "]" * depth + "}")


class RunsCode:
    """Unpickles to a call that makes a file."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.proof,)


def pickle_that_runs_code(path: Path, proof: Path) -> None:
    """A torch archive whose pickle makes the file ``proof`` when a plain unpickler reads it."""
    torch.save({"a": RunsCode(proof)}, path)


def pickle_of_stride_zero(path: Path, elements: int) -> None:
    """A torch archive of four bytes that claims ``elements`` float32."""
    torch.save({"state_dict": {"a": torch.zeros(1).expand(elements)}}, path)


def pickle_of_aliases(path: Path, count: int) -> None:
    """A torch archive of ``count`` overlapping views of one storage, each a byte row further."""
    base = torch.zeros(count + 1000)
    torch.save({f"t{index}": base[index : index + 1000] for index in range(count)}, path)


def deflated_archive(path: Path, elements: int) -> None:
    """A torch archive whose members are compressed: a few bytes that become ``elements`` float32."""
    plain = BytesIO()
    torch.save({"a": torch.zeros(elements)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))


def overlapping_archive(path: Path) -> None:
    """A zip archive whose directory names one stored member many times."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", bytes(10_000))
        archive.filelist.extend(archive.filelist[:1] * 20)
        archive._didModify = True
    path.write_bytes(buffer.getvalue())


def bare_pickle() -> bytes:
    """A pickle without an archive around it."""
    return pickle.dumps({"a": [1.0, 2.0]})


NOT_WEIGHTS = {
    "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "HTML page": b"<!DOCTYPE html>\n<html><body>404</body></html>",
    "empty file": b"",
    "GGUF": b"GGUF\x03\0\0\0" + bytes(32),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(32),
    "ONNX": b"\x08\x07\x12\x07pytorch\x1a\x05" + bytes(32),
    "TensorFlow Lite": b"\x1c\0\0\0TFL3" + bytes(32),
    "NumPy": b"\x93NUMPY\x01\0" + bytes(32),
    "gzip": b"\x1f\x8b\x08" + bytes(32),
    "JSON": b'{"model_type": "bert"}',
    "text file": b"weights are in the other folder\n",
    "zip archive": b"PK\x03\x04" + bytes(32),
}
