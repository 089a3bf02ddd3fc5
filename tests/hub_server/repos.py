"""What a Hub keeps: repositories with their files, commits, branches and tags, all in memory."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha1, sha256
from pathlib import PurePosixPath

LFS_SUFFIXES = (".arrow", ".bin", ".gz", ".h5", ".npz", ".onnx", ".parquet", ".pt", ".pth", ".safetensors", ".zip")
GIT_ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()
LARGEST_REGULAR_BYTES = 10_000_000


def belongs_in_lfs(name: str, size: int, sample: bytes) -> bool:
    """Whether the Hub wants a file with these first bytes in large file storage."""
    return size > 0 and (name.endswith(LFS_SUFFIXES) or size > LARGEST_REGULAR_BYTES or b"\0" in sample)


def folders_of(name: str) -> list[str]:
    """The folders a file lies in, without the repository's root."""
    return [str(folder) for folder in PurePosixPath(name).parents][:-1]


@dataclass(frozen=True)
class Blob:
    """A file's content and where the Hub stores it."""

    content: bytes
    lfs: bool

    @classmethod
    def stored(cls, name: str, content: bytes) -> "Blob":
        """A file stored where the Hub wants it."""
        return cls(content, belongs_in_lfs(name, len(content), content[:512]))

    @cached_property
    def sha256(self) -> str:
        """The hash that large file storage knows the content by."""
        return sha256(self.content).hexdigest()

    @cached_property
    def pointer(self) -> bytes:
        """What git holds in place of a file in large file storage."""
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
        return text.encode()

    @cached_property
    def git_oid(self) -> str:
        """The hash that git knows the file by."""
        held = self.pointer if self.lfs else self.content
        return sha1(b"blob %d\0" % len(held) + held).hexdigest()

    @property
    def etag(self) -> str:
        """The name of the content in downloads and in the clients' caches."""
        return self.sha256 if self.lfs else self.git_oid


@dataclass(frozen=True)
class Commit:
    """All files of a repository at one time."""

    files: Mapping[str, Blob]
    title: str
    message: str = ""
    parent: "Commit | None" = None
    date: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def oid(self) -> str:
        """A hash of the files, the message and what came before."""
        digest = sha1(f"{self.parent and self.parent.oid}\n{self.title}\n{self.message}\n".encode())
        for name, blob in sorted(self.files.items()):
            digest.update(f"{name}\0{blob.git_oid}\n".encode())
        return digest.hexdigest()

    def history(self) -> Iterator["Commit"]:
        """This commit and those before it, the newest first."""
        commit: Commit | None = self
        while commit is not None:
            yield commit
            commit = commit.parent

    def last_changes(self) -> dict[str, "Commit"]:
        """The newest commit of the history that changed something in each file and folder."""
        changes: dict[str, Commit] = {}
        before: Mapping[str, Blob] = {}
        for commit in reversed(list(self.history())):
            for name in before.keys() | commit.files.keys():
                if before.get(name) != commit.files.get(name):
                    changes.update(dict.fromkeys([name, *folders_of(name)], commit))
            before = commit.files
        return changes


class HubRepo:
    """One repository: a commit on ``main`` to begin with, more by the clients' calls.

    ``refusal`` is the status and the X-Error-Code of every answer, if the repository is to refuse. Of a repository with
    ``readers`` everybody sees the page, and these tokens alone get the files.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        refusal: tuple[int, str] | None = None,
        private: bool = False,
        readers: Collection[str] | None = None,
    ) -> None:
        self.refusal = refusal
        self.private = private
        self.readers = readers
        blobs = {name: Blob.stored(name, content) for name, content in files.items()}
        self.branches = {"main": Commit(blobs, "initial commit")}
        self.tags: dict[str, Commit] = {}
        self.pull_requests: dict[str, Commit] = {}
        self.announced_uploads: dict[str, int] = {}  # bytes by sha256
        self.lfs_objects: dict[str, bytes] = {blob.sha256: blob.content for blob in blobs.values() if blob.lfs}

    @property
    def files(self) -> dict[str, bytes]:
        """The files on ``main`` by their names."""
        return {name: blob.content for name, blob in self.branches["main"].files.items()}

    @property
    def commit(self) -> str:
        """The hash of the newest commit on ``main``."""
        return self.branches["main"].oid

    def find_commit(self, revision: str) -> Commit | None:
        """The commit of a branch, a tag or a hash."""
        named = self.branches | self.tags | self.pull_requests
        if revision in named:
            return named[revision]
        reachable = (commit for head in named.values() for commit in head.history())
        return next((commit for commit in reachable if commit.oid == revision), None)
