"""The weights of a Hub repository read where they are: the headers now, the numbers by ranges when asked for."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.hf_api import RepoSibling

from hf_sne.limits import Limits
from hf_sne.weights.checks import Totals
from hf_sne.weights.errors import ShardMissingError
from hf_sne.weights.files import CheckpointFile, Contents
from hf_sne.weights.hub import list_files, typed_errors
from hf_sne.weights.remote_file import RemoteFile
from hf_sne.weights.safetensors_file import read_tensors
from hf_sne.weights.shards import INDEX_SUFFIX, choose_file, read_index


@dataclass
class RemoteRepo:
    """One commit of a repository, and its files that are being read."""

    repo_id: str
    commit: str
    siblings: dict[str, RepoSibling]
    token: str | bool | None
    totals: Totals
    stack: ExitStack
    files: list[RemoteFile]

    @property
    def fetched(self) -> int:
        """Bytes of weights and headers that came so far."""
        return sum(file.fetched for file in self.files)

    def read(self) -> Contents:
        """The tensors of the repository's safetensors file, or of all shards of its index.

        Raises:
            CheckpointError: of the class of the rule that a file breaks.
        """
        contents = Contents()
        chosen = choose_file([name for name in self.siblings if "/" not in name], self.repo_id, allow_pickle=False)
        if not chosen.endswith(INDEX_SUFFIX):
            self._add(contents, chosen)
            return contents
        path = Path(hf_hub_download(self.repo_id, chosen, revision=self.commit, token=self.token))
        index = read_index(path, f"{self.repo_id}/{chosen}", self.totals.limits)
        missing = next((shard for shard in index.shards if shard not in self.siblings), None)
        if missing is not None:
            raise ShardMissingError(self.repo_id, found=f"no file {missing}", allowed="every shard of the index")
        for shard in index.shards:
            index.check_names(shard, self._add(contents, shard))
        return contents

    def _add(self, contents: Contents, name: str) -> set[str]:
        """Reads one file's header; the names of its tensors."""
        sibling = self.siblings[name]
        shown, size = f"{self.repo_id}/{name}", sibling.size or 0
        file = RemoteFile(self.repo_id, name, self.commit, shown, size, self.token)
        self.files.append(file)
        self.stack.callback(file.close)
        tensors = read_tensors(file, self.totals)
        contents.tensors.update(tensors)
        sha256 = sibling.lfs.sha256 if sibling.lfs else ""
        contents.files.append(CheckpointFile(name, size, lambda: sha256))
        return set(tensors)


def open_remote(
    repo_id: str, *, revision: str | None, token: str | bool | None, limits: Limits, stack: ExitStack
) -> tuple[RemoteRepo, Contents]:
    """The repository at ``revision``, its main branch by default, and its tensors, readable until ``stack`` closes.

    Raises:
        CheckpointError: of the class that tells what is wrong with the repository, its files or the connection.
    """
    with typed_errors(repo_id, revision):
        commit, siblings = list_files(repo_id, revision, token)
        repo = RemoteRepo(repo_id, commit, siblings, token, Totals(limits), stack, [])
        return repo, repo.read()
