"""A checkpoint: where it came from, its layers in order, and what of it was not read and why."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn

from hf_sne.limits import Limits
from hf_sne.weights.checks import Totals
from hf_sne.weights.errors import HubOfflineError, PickleRefusedError, RevisionMissingError, SourceNotFoundError
from hf_sne.weights.files import CheckpointFile, Contents, find_weights, path_exists, read_files
from hf_sne.weights.layers import arrange_layers
from hf_sne.weights.memory import gather, named_tensors
from hf_sne.weights.naming import without_wrappers
from hf_sne.weights.sampling import sample_units
from hf_sne.weights.tensors import Skipped


class Checkpoint:
    """The ordered layers of one network, read lazily; a context manager that lets go of the files.

    ``source`` is as the user named it, ``commit`` the Hub's, ``files`` what was read (empty for objects in memory).
    ``read_elements`` is the number of scalars that the layers take; ``is_sampled`` tells whether they are a part of
    each layer, for ``max_parameters`` (see :func:`sample_units`). ``total_elements`` counts all learned scalars, also
    those that nothing here can read.
    """

    def __init__(
        self,
        source: str,
        contents: Contents,
        *,
        stack: ExitStack,
        limits: Limits,
        module: nn.Module | None = None,
        commit: str | None,
        max_parameters: int | None = None,
    ) -> None:
        self.source = source
        self.commit = commit
        self.limits = limits
        self.files: tuple[CheckpointFile, ...] = tuple(contents.files)
        layers, unplaced = arrange_layers(contents.tensors, module)
        self.skipped: tuple[Skipped, ...] = (*contents.skipped, *unplaced)
        in_layers = sum(tensor.numel for layer in layers for tensor in layer.tensors)
        self.total_elements = in_layers + sum(tensor.elements for tensor in self.skipped if tensor.learned)
        self.layers = layers if max_parameters is None else sample_units(layers, max_parameters, source)
        self.read_elements = sum(tensor.numel for layer in self.layers for tensor in layer.tensors)
        self.is_sampled = self.read_elements < in_layers
        self._most = max_parameters
        self._stack = stack
        self._fetched = contents.fetched

    @property
    def fetched_bytes(self) -> int | None:
        """Bytes that came from the Hub so far, where the checkpoint is read there by ranges."""
        return None if self._fetched is None else self._fetched()

    def coverage(self) -> dict[str, Any]:
        """How much of the checkpoint the layers hold, ready for JSON; ``fraction`` is in [0, 1], 0 of nothing."""
        read, total = self.read_elements, self.total_elements
        return {
            "parameters_total": total,
            "parameters_read": read,
            "fraction": read / total if total else 0.0,
            "max_parameters": self._most,
            "layers": len(self.layers),
            "bytes_fetched": self.fetched_bytes,
            "skipped": [
                {"name": tensor.name, "reason": tensor.reason, "elements": tensor.elements} for tensor in self.skipped
            ],
        }

    def close(self) -> None:
        """Lets go of the files; the layers' tensors can no longer be read from them."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_checkpoint(
    source: str | os.PathLike[str] | Mapping[str, Tensor] | nn.Module,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    allow_pickle: bool = False,
    max_parameters: int | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Checkpoint:
    """The checkpoint that ``source`` names: a file, a folder, a Hub repository ``owner/name`` or a file in one
    (``hf://owner/name/file``), or an object in memory.

    An existing path comes before a repository of the same name. ``revision`` and ``token`` are for the Hub.
    Nothing is trusted: files are checked before anything is allocated, numbers are read when a tensor is indexed.
    Pickle files are refused unless ``allow_pickle``, and are then read by a limited process of their own.
    With ``max_parameters`` no more numbers than that are read and kept: some units of each layer where there are more.
    Safetensors of a Hub repository are then fetched by ranges, and nothing is written to disk.

    Raises:
        CheckpointError: of the class of the rule that the checkpoint breaks.
    """
    if isinstance(source, nn.Module | Mapping):
        return _open_object(source, limits, max_parameters)
    named = os.fspath(source)
    with ExitStack() as stack:
        commit: str | None = None
        if path_exists(named):
            if revision is not None:
                raise RevisionMissingError(named, found=f"{revision} of a local path", allowed="a Hub repository's")
            folder, file = find_weights(Path(named), allow_pickle=allow_pickle)
            contents = read_files(folder, file, folder, stack, allow_pickle=allow_pickle, limits=limits)
        else:
            by_ranges = max_parameters is not None
            contents, commit = _read_repo(
                named, revision, token, stack, allow_pickle=allow_pickle, limits=limits, by_ranges=by_ranges
            )
        checkpoint = Checkpoint(
            named, contents, commit=commit, max_parameters=max_parameters, limits=limits, stack=stack
        )
        # It takes the open files over once nothing can be refused any more.
        checkpoint._stack = stack.pop_all()
        return checkpoint


def _read_repo(
    source: str,
    revision: str | None,
    token: str | bool | None,
    stack: ExitStack,
    *,
    allow_pickle: bool,
    limits: Limits,
    by_ranges: bool,
) -> tuple[Contents, str]:
    """The tensors of a Hub repository and its commit; a pickle is downloaded also where ranges are asked for."""
    # The Hub client is slow to import, and most checkpoints are local.
    from hf_sne.weights.hub import cached, download, parse_source

    named = parse_source(source)
    if named is None:
        raise SourceNotFoundError(source, found="neither", allowed="a path, or owner/name")
    repo_id, file = named
    snapshot = None
    if by_ranges:
        from hf_sne.weights.hub_ranges import open_remote

        try:
            return open_remote(repo_id, file, revision=revision, token=token, limits=limits, stack=stack)
        except HubOfflineError:
            # A download would break the budget.
            snapshot = cached(repo_id, file, revision, allow_pickle=allow_pickle)
        except PickleRefusedError:
            if not allow_pickle:
                raise
    if snapshot is None:
        snapshot = download(repo_id, file, revision=revision, token=token, allow_pickle=allow_pickle, limits=limits)
    where = PurePosixPath(repo_id, file).parent if file else PurePosixPath(repo_id)
    contents = read_files(snapshot.folder, snapshot.file, where, stack, allow_pickle=allow_pickle, limits=limits)
    return contents, snapshot.commit


def _open_object(source: Mapping[str, Tensor] | nn.Module, limits: Limits, max_parameters: int | None) -> Checkpoint:
    module = source if isinstance(source, nn.Module) else None
    name = "state_dict" if module is None else type(source).__name__
    state = source if module is None else module.state_dict()
    named = without_wrappers(named_tensors(state, name))
    gathered = gather(named, name, Totals(limits), module)
    contents = Contents(tensors=gathered.lazy(), skipped=list(gathered.skipped))
    return Checkpoint(
        name, contents, module=module, commit=None, max_parameters=max_parameters, limits=limits, stack=ExitStack()
    )
