"""The weights of a Hub repository: the files that hold them, and nothing else, in the Hub client's cache."""

import re
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from httpx2 import HTTPError
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoSibling

from hf_sne.limits import Limits
from hf_sne.weights.errors import (
    AmbiguousWeightsError,
    FileAccessError,
    HubOfflineError,
    HubRefusalError,
    NotWeightsError,
    PickleRefusedError,
    RepoGatedError,
    RepoNotFoundError,
    RevisionMissingError,
    ShardMissingError,
    SourceNotFoundError,
    TotalBytesError,
)
from hf_sne.weights.shards import (
    INDEX_SUFFIX,
    PICKLE_SUFFIXES,
    SAFETENSORS_SUFFIX,
    STANDARD,
    check_index_size,
    choose_file,
    listed,
    read_index,
)

_REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FILE_SUFFIXES = (SAFETENSORS_SUFFIX, INDEX_SUFFIX, *PICKLE_SUFFIXES)
_URL = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(/(?P<file>.+))?")


@dataclass(frozen=True)
class Snapshot:
    """The downloaded ``file`` of weights, or index with its shards beside it, of one ``commit``."""

    folder: Path
    file: str
    commit: str


def is_repo_id(source: str) -> bool:
    """Whether ``source`` has the form ``owner/name``."""
    return _REPO_ID.fullmatch(source) is not None


def parse_source(source: str) -> tuple[str, str | None] | None:
    """The repository, and the file in it if one is named, of ``owner/name``, ``hf://owner/name`` or
    ``hf://owner/name/file``; None of any other text.
    """
    if is_repo_id(source):
        # The name of a file is one of a file that is not there.
        return None if source.endswith(_FILE_SUFFIXES) else (source, None)
    url = _URL.fullmatch(source)
    return url and (url["repo"], url["file"])


def choose_weights(names: Iterable[str], repo_id: str, file: str | None, *, allow_pickle: bool) -> str:
    """The file of weights, or the index, of a repository: ``file``, or the one at its top level.

    Raises:
        CheckpointError: as :func:`~hf_sne.weights.shards.choose_file`.
    """
    if file is not None:
        _check_file(file, names, repo_id, allow_pickle=allow_pickle)
        return file
    try:
        return choose_file([name for name in names if "/" not in name], repo_id, allow_pickle=allow_pickle)
    except AmbiguousWeightsError as error:
        fix = f"name one of them, as hf://{repo_id}/FILE"
        raise AmbiguousWeightsError(repo_id, found=error.found, allowed=error.allowed, fix=fix) from None


def _check_file(file: str, names: Iterable[str], repo_id: str, *, allow_pickle: bool) -> None:
    """Refuses a named file that is not there, that is no file of weights, or a pickle without permission."""
    shown, weights = f"{repo_id}/{file}", [name for name in names if name.endswith(_FILE_SUFFIXES)]
    if not file.endswith(_FILE_SUFFIXES):
        raise NotWeightsError(shown, found=f"the name {file}", allowed=f"*{SAFETENSORS_SUFFIX}")
    if file not in weights:
        fix = "name a file of the repository"
        raise FileAccessError(shown, found="no such file", allowed=f"one of {listed(weights)}", fix=fix)
    if file.removesuffix(INDEX_SUFFIX).endswith(PICKLE_SUFFIXES) and not allow_pickle:
        raise PickleRefusedError(shown, found="a pickle", allowed="safetensors")


def download(
    repo_id: str,
    file: str | None,
    *,
    revision: str | None,
    token: str | bool | None,
    allow_pickle: bool,
    limits: Limits,
) -> Snapshot:
    """The weights of ``repo_id`` at ``revision``, its main branch by default; from the cache where that is offline.

    With ``file`` those of that file alone.

    Raises:
        CheckpointError: of the class that tells what is wrong with the repository, its files or the connection.
    """
    with typed_errors(repo_id, revision):
        try:
            siblings = list_files(repo_id, revision, token)[1]
        except HfHubHTTPError:
            raise
        except (OfflineModeIsEnabled, HTTPError):
            return cached(repo_id, file, revision, allow_pickle=allow_pickle)
        sizes = {name: sibling.size or 0 for name, sibling in siblings.items()}
        chosen = choose_weights(sizes, repo_id, file, allow_pickle=allow_pickle)
        _check_size([chosen], sizes, repo_id, limits)
        if chosen.endswith(INDEX_SUFFIX):
            check_index_size(sizes[chosen], f"{repo_id}/{chosen}", limits)
        # By the revision's own name, so that the cache knows it when offline; the rest by the commit it stands for.
        path = Path(hf_hub_download(repo_id, chosen, revision=revision, token=token))
        here = PurePosixPath(chosen).parent
        # Of what came: the branch may have moved since the files were listed.
        commit = path.parents[len(here.parts)].name
        if chosen.endswith(INDEX_SUFFIX):
            shards = [str(here / shard) for shard in read_index(path, f"{repo_id}/{chosen}", limits).shards]
            _check_size(shards, sizes, repo_id, limits)
            for shard in shards:
                hf_hub_download(repo_id, shard, revision=commit, token=token)
    return Snapshot(path.parent, path.name, commit)


def list_files(repo_id: str, revision: str | None, token: str | bool | None) -> tuple[str, dict[str, RepoSibling]]:
    """The commit that a revision stands for, and its files by name, with their sizes and hashes."""
    info = HfApi(token=token).model_info(repo_id, revision=revision, files_metadata=True)
    return info.sha or "", {sibling.rfilename: sibling for sibling in info.siblings or ()}


def cached(repo_id: str, file: str | None, revision: str | None, *, allow_pickle: bool) -> Snapshot:
    """What an earlier download left in the cache.

    Raises:
        HubOfflineError: it is empty, or holds but files that were named one by one: which of all files would be chosen
            is then unknown.
    """
    with typed_errors(repo_id, revision):
        folder = Path(snapshot_download(repo_id, revision=revision, local_files_only=True))
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    if file is None and not any(name in STANDARD for name in names):
        found, fix = f"{listed(names)} in the cache", f"name one of them, as hf://{repo_id}/FILE"
        raise HubOfflineError(repo_id, found=found, allowed="a connection, to see all files", fix=fix)
    path = folder / choose_weights(names, repo_id, file, allow_pickle=allow_pickle)
    return Snapshot(path.parent, path.name, folder.name)


def _check_size(names: list[str], sizes: dict[str, int], repo_id: str, limits: Limits) -> None:
    """Refuses, before the download, what is not there or is too large."""
    check_present(names, sizes, repo_id)
    total = sum(sizes[name] for name in names)
    if total > limits.total_bytes:
        raise TotalBytesError(repo_id, found=f"{total} bytes to download", allowed=limits.total_bytes)


def repo_not_found(repo_id: str) -> RepoNotFoundError:
    """Of a name that nobody has taken, or that is not shown to whoever asks."""
    return RepoNotFoundError(repo_id, found="none, or a private one", allowed="a repository you can read")


def check_present(names: Iterable[str], there: Container[str], repo_id: str) -> None:
    """Refuses a repository that lacks one of the files that its index names."""
    missing = next((name for name in names if name not in there), None)
    if missing is not None:
        raise ShardMissingError(repo_id, found=f"no file {missing}", allowed="every shard of the index")


@contextmanager
def typed_errors(repo_id: str, revision: str | None) -> Iterator[None]:
    """Turns the Hub client's errors into this package's."""
    try:
        yield
    except GatedRepoError:
        raise RepoGatedError(repo_id, found="no access", allowed="access granted on its page") from None
    except RepositoryNotFoundError:
        raise repo_not_found(repo_id) from None
    except RevisionNotFoundError:
        raise RevisionMissingError(repo_id, found=revision, allowed="a branch, a tag or a commit") from None
    except HfHubHTTPError as error:
        told = f"status {error.response.status_code}, {error.server_message or 'without a word'}"
        raise HubRefusalError(repo_id, found=told, allowed="the files of the repository") from None
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HTTPError) as error:
        raise HubOfflineError(repo_id, found=type(error).__name__, allowed="a connection, or a cached copy") from None
    except HFValidationError as error:
        raise SourceNotFoundError(repo_id, found=str(error), allowed="a valid repository id") from None
