"""The weights of a Hub repository read where they are: the headers now, the numbers by ranges when asked for."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath

from huggingface_hub.hf_api import RepoSibling

from hf_sne.limits import Limits
from hf_sne.weights.byte_source import read_bytes
from hf_sne.weights.checks import Totals
from hf_sne.weights.files import CheckpointFile, Contents
from hf_sne.weights.hub import check_present, choose_weights, list_files, typed_errors
from hf_sne.weights.remote_file import RemoteFile
from hf_sne.weights.safetensors_file import read_tensors
from hf_sne.weights.shards import INDEX_SUFFIX, ShardIndex, check_index_size, parse_index


@dataclass
class RemoteRepo:
    """One commit of a repository, and its files that are being read."""

    repo_id: str
    commit: str
    siblings: dict[str, RepoSibling]
    token: str | bool | None
    totals: Totals
    stack: ExitStack
    files: list[RemoteFile] = field(default_factory=list)

    def read(self, file: str | None) -> Contents:
        """The tensors of the repository's safetensors file, or of all shards of its index; or of the ``file`` named.

        Raises:
            CheckpointError: of the class of the rule that a file breaks.
        """
        contents = Contents(fetched=lambda: sum(file.fetched for file in self.files))
        chosen = choose_weights(self.siblings, self.repo_id, file, allow_pickle=False)
        if not chosen.endswith(INDEX_SUFFIX):
            self._add(contents, chosen)
            return contents
        index = self._read_index(contents, chosen)
        here = PurePosixPath(chosen).parent
        shards = {shard: str(here / shard) for shard in index.shards}
        check_present(shards.values(), self.siblings, self.repo_id)
        for shard, name in shards.items():
            index.check_names(shard, self._add(contents, name))
        return contents

    def _read_index(self, contents: Contents, name: str) -> ShardIndex:
        file = self._open(name)
        check_index_size(file.size, file.name, self.totals.limits)
        content = read_bytes(file, 0, file.size)
        contents.files.append(CheckpointFile(name, file.size, lambda: sha256(content).hexdigest()))
        return parse_index(content, file.name, self.totals.limits)

    def _add(self, contents: Contents, name: str) -> set[str]:
        """Reads one file's header; the names of its tensors."""
        file, sibling = self._open(name), self.siblings[name]
        tensors = read_tensors(file, self.totals)
        contents.tensors.update(tensors)
        told = sibling.lfs.sha256 if sibling.lfs else ""
        contents.files.append(CheckpointFile(name, file.size, lambda: told))
        return set(tensors)

    def _open(self, name: str) -> RemoteFile:
        size = self.siblings[name].size or 0
        file = RemoteFile(self.repo_id, name, self.commit, f"{self.repo_id}/{name}", size, self.token)
        self.files.append(file)
        self.stack.callback(file.close)
        return file


def open_remote(
    repo_id: str, file: str | None, *, revision: str | None, token: str | bool | None, limits: Limits, stack: ExitStack
) -> tuple[Contents, str]:
    """The tensors of a repository at ``revision``, by default ``main``, readable until ``stack`` closes; its commit.

    With ``file`` those of that file alone.

    Raises:
        CheckpointError: of the class that tells what is wrong with the repository, its files or the connection.
    """
    with typed_errors(repo_id, revision):
        commit, siblings = list_files(repo_id, revision, token)
        return RemoteRepo(repo_id, commit, siblings, token, Totals(limits), stack).read(file), commit
