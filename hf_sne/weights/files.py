"""Files of weights -> named tensors: one file, or the shards of an index."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, partial
from hashlib import file_digest
from pathlib import Path, PurePath

from hf_sne.limits import Limits
from hf_sne.weights.checks import Totals
from hf_sne.weights.errors import FileAccessError, NotWeightsError, PickleFormatError, PickleRefusedError
from hf_sne.weights.pickle_file import open_pickle
from hf_sne.weights.safetensors_file import open_safetensors
from hf_sne.weights.shards import INDEX_SUFFIX, PICKLE_SUFFIXES, choose_file, locate_shard, read_index
from hf_sne.weights.sniff import PICKLE, SAFETENSORS, TORCH_ZIP, sniff
from hf_sne.weights.tensors import LazyTensor, Skipped


@dataclass(frozen=True)
class CheckpointFile:
    """One file that was read; ``name`` is relative to the checkpoint's folder, ``size`` in bytes."""

    name: str
    size: int
    _hash: Callable[[], str] = field(repr=False, compare=False)

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the whole file: of a local one computed when first asked for, else as the Hub tells.

        Raises:
            FileAccessError: the file is gone or cannot be read.
        """
        return self._hash()


def _hash_of(path: Path, name: str) -> str:
    """In blocks, however long the file is."""
    try:
        with path.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FileAccessError(name, found=error, allowed="a file that can be read") from None


@dataclass
class Contents:
    """What the files hold, in the order they were read; ``fetched`` tells the bytes that came where they are remote."""

    tensors: dict[str, LazyTensor] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    files: list[CheckpointFile] = field(default_factory=list)
    fetched: Callable[[], int] | None = None


def path_exists(text: str) -> bool:
    """Whether something lies at that path; unlike ``Path.exists`` of every text: too long, or with a NUL in it."""
    return os.path.exists(text)  # noqa: PTH110


def find_weights(path: Path, *, allow_pickle: bool) -> tuple[Path, str]:
    """The folder and the name of the file of weights, or of the index, that ``path`` is or holds.

    Raises:
        CheckpointError: a folder without weights, or with several choices, or that cannot be listed.
    """
    if not path.is_dir():
        return path.parent, path.name
    try:
        names = [entry.name for entry in path.iterdir() if entry.is_file()]
    except OSError as error:
        raise FileAccessError(path, found=error, allowed="a folder that can be listed") from None
    return path, choose_file(names, str(path), allow_pickle=allow_pickle)


def read_files(
    folder: Path, name: str, where: PurePath, stack: ExitStack, *, allow_pickle: bool, limits: Limits
) -> Contents:
    """The tensors of the file or index ``name`` in ``folder``, readable until ``stack`` closes.

    Messages call the folder ``where``.

    Raises:
        CheckpointError: of the class of the rule that a file breaks.
    """
    reader = _Reader(folder, where, Totals(limits), stack, allow_pickle)
    if name.endswith(INDEX_SUFFIX):
        reader.read_shards(name)
    else:
        reader.read(name)
    return reader.contents


@dataclass
class _Reader:
    folder: Path
    where: PurePath
    totals: Totals
    stack: ExitStack
    allow_pickle: bool
    contents: Contents = field(default_factory=Contents)

    def read_shards(self, name: str) -> None:
        shown = str(self.where / name)
        index = read_index(self.folder / name, shown, self.totals.limits)
        self._record(name)
        # All shards are found before the first is opened.
        for shard in index.shards:
            locate_shard(self.folder, shard, shown)
        for shard in index.shards:
            index.check_names(shard, self.read(shard))

    def read(self, name: str) -> set[str]:
        """Reads one file; the names of its tensors."""
        path, shown = self.folder / name, str(self.where / name)
        look = sniff(path, shown)
        if look == SAFETENSORS:
            tensors = open_safetensors(path, shown, self.totals, self.stack)
            skipped: tuple[Skipped, ...] = ()
        else:
            self._check_pickle(look, name, shown)
            tensors, skipped = open_pickle(path, shown, self.totals, self.stack)
        self.contents.tensors.update(tensors)
        self.contents.skipped.extend(skipped)
        self._record(name)
        return {*tensors, *(tensor.name for tensor in skipped)}

    def _check_pickle(self, look: str, name: str, shown: str) -> None:
        if not name.endswith(PICKLE_SUFFIXES):
            raise NotWeightsError(shown, found=look, allowed=SAFETENSORS)
        if not self.allow_pickle:
            raise PickleRefusedError(shown, found=look, allowed=SAFETENSORS)
        if look == PICKLE:
            raise PickleFormatError(shown, found=look, allowed=TORCH_ZIP, fix="save it again with torch.save")

    def _record(self, name: str) -> None:
        path = self.folder / name
        self.contents.files.append(CheckpointFile(name, path.stat().st_size, partial(_hash_of, path, name)))
