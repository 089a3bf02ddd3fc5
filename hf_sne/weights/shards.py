"""Which files of a folder or repository hold the weights, and the rules of an index over several."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hf_sne.limits import Limits
from hf_sne.weights.errors import (
    AmbiguousWeightsError,
    IndexLengthError,
    IndexSyntaxError,
    NoWeightFileError,
    PickleRefusedError,
    ShardCountError,
    ShardExtensionError,
    ShardMissingError,
    ShardNamesError,
    ShardPathError,
)
from hf_sne.weights.strict_json import parse_object

SAFETENSORS_SUFFIX = ".safetensors"
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")
INDEX_SUFFIX = ".index.json"
_CACHE_SNAPSHOT = re.compile(r"models--[^/]+/snapshots/[0-9a-f]{40}")

# What save_pretrained writes, in the order in which transformers looks for it.
STANDARD = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_SHARD = re.compile(r".*-[0-9]{5}-of-[0-9]{5}\.[a-z]+")
# What a Trainer leaves beside the weights.
_TRAINER_STATE = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state).*")
_LISTED = 10  # candidates in a message


def choose_file(names: Collection[str], where: str, *, allow_pickle: bool) -> str:
    """The file of weights, or the index, among the files ``names`` at the top level of ``where``.

    Raises:
        AmbiguousWeightsError: several could be meant; the message lists them.
        PickleRefusedError: there are pickle files only, and no permission to read them.
        NoWeightFileError: there is none.
    """
    candidates = _candidates(names, (SAFETENSORS_SUFFIX,))
    if not candidates:
        candidates = _candidates(names, PICKLE_SUFFIXES)
        if candidates and not allow_pickle:
            raise PickleRefusedError(where, found=listed(candidates), allowed="safetensors")
    if not candidates:
        raise NoWeightFileError(where, found=listed(names) or "no file", allowed=f"one *{SAFETENSORS_SUFFIX}")
    for standard in STANDARD:
        if standard in candidates:
            return standard
    if len(candidates) > 1:
        raise AmbiguousWeightsError(where, found=listed(candidates), allowed=f"one, or one {STANDARD[0]}")
    return candidates[0]


def _candidates(names: Iterable[str], suffixes: tuple[str, ...]) -> list[str]:
    """The files of weights and the indexes; an index stands for its shards."""
    files = [name for name in names if name.endswith(suffixes) and not _TRAINER_STATE.match(name)]
    indexes = [name for name in names if name.endswith(tuple(suffix + INDEX_SUFFIX for suffix in suffixes))]
    return indexes + [name for name in files if not (indexes and _SHARD.fullmatch(name))]


def listed(names: Collection[str]) -> str:
    """The first of the names, for a message."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(sorted(names)[:_LISTED]) + more


@dataclass(frozen=True)
class ShardIndex:
    """A checked index: the name of its file, and the shard that holds each tensor."""

    file: str
    shard_of: dict[str, str]

    @property
    def shards(self) -> list[str]:
        """The shards' names, sorted."""
        return sorted(set(self.shard_of.values()))

    def check_names(self, shard: str, names: Collection[str]) -> None:
        """Refuses a shard whose tensors are not those that the index says it has.

        Raises:
            ShardNamesError: the first tensor that is missing, or that belongs elsewhere.
        """
        for name in names:
            if self.shard_of.get(name) != shard:
                found = self.shard_of.get(name, "no shard")
                raise ShardNamesError(self.file, found=f"{name!r} in {shard}", allowed=f"{name!r} in {found}")
        missing = next((name for name, home in self.shard_of.items() if home == shard and name not in names), None)
        if missing is not None:
            raise ShardNamesError(self.file, found=f"no {missing!r} in {shard}", allowed="the tensors of the index")


def read_index(path: Path, file: str, limits: Limits) -> ShardIndex:
    """The index at ``path``, called ``file`` in messages; its shards are not looked at.

    Raises:
        CheckpointError: of the class of the rule that the index breaks.
    """
    check_index_size(path.stat().st_size, file, limits)
    return parse_index(path.read_bytes(), file, limits)


def check_index_size(size: int, file: str, limits: Limits) -> None:
    """Refuses, before it is read, an index of more bytes than the limit.

    Raises:
        IndexLengthError: it has.
    """
    if size > limits.index_bytes:
        raise IndexLengthError(file, found=f"{size} bytes", allowed=limits.index_bytes)


def parse_index(content: bytes, file: str, limits: Limits) -> ShardIndex:
    """The index with that content; as :func:`read_index`."""
    shard_of = parse_object(content, file, IndexSyntaxError).get("weight_map")
    if not isinstance(shard_of, dict) or not shard_of:
        raise IndexSyntaxError(file, found="no weight_map", allowed="an object of tensor names and shard files")
    suffix = PurePosixPath(file.removesuffix(INDEX_SUFFIX)).suffix
    for shard in set(map(_text_or_none, shard_of.values())):
        _check_shard_name(shard, suffix, file)
    index = ShardIndex(file, shard_of)
    if len(index.shards) > limits.shards:
        raise ShardCountError(file, found=len(index.shards), allowed=limits.shards)
    return index


def _text_or_none(shard: Any) -> str | None:
    return shard if isinstance(shard, str) else None


def _check_shard_name(shard: str | None, suffix: str, file: str) -> None:
    if shard is None:
        raise IndexSyntaxError(file, found="a shard that is no text", allowed="file names")
    path = PurePosixPath(shard)
    if path.is_absolute() or ".." in path.parts or "\\" in shard or ":" in shard or not shard.isprintable():
        raise ShardPathError(file, found=repr(shard), allowed="a relative path without '..'")
    if path.suffix != suffix:
        raise ShardExtensionError(file, found=repr(shard), allowed=f"*{suffix}")


def locate_shard(folder: Path, shard: str, file: str) -> Path:
    """The path of a shard, which must be there and inside ``folder``.

    Raises:
        ShardPathError: it leads out of the folder, links resolved.
        ShardMissingError: there is no such file.
    """
    path = folder / shard
    resolved = path.resolve()
    own = folder.resolve()
    # The Hub's cache keeps the bytes of a snapshot beside it and links to them.
    snapshots = (above for above in (own, *own.parents) if _CACHE_SNAPSHOT.fullmatch("/".join(above.parts[-3:])))
    roots = [own, *(snapshot.parents[1] / "blobs" for snapshot in snapshots)]
    if not any(resolved.is_relative_to(root) for root in roots):
        raise ShardPathError(file, found=f"{shard} at {resolved}", allowed=f"inside {folder}")
    if not resolved.is_file():
        raise ShardMissingError(file, found=f"no file {shard}", allowed="every shard of the index")
    return path
