"""A Hub's state: its repositories by kind and id, and who may do what."""

from dataclasses import dataclass, field
from typing import Literal

from hub_server.faults import Fault
from hub_server.messages import Refusal, Request
from hub_server.repos import Commit, HubRepo

Role = Literal["read", "write"]


@dataclass(frozen=True)
class MovedRepo:
    """Stands under the old name of a repository."""

    to: str


@dataclass
class Hub:
    """Model, data set and Space repositories by id.

    ``tokens`` are the access tokens the Hub knows; without any, everybody may read and write everything.
    Listings come in pages of ``page_size`` entries. ``requests`` are the calls that were made, as ``"METHOD path"``;
    ``faults`` what is to go wrong with some of them. ``handed_out`` are the large files whose address was told.
    """

    repos: dict[str, HubRepo | MovedRepo] = field(default_factory=dict)
    datasets: dict[str, HubRepo] = field(default_factory=dict)
    spaces: dict[str, HubRepo] = field(default_factory=dict)
    tokens: dict[str, Role] = field(default_factory=dict)
    page_size: int = 1000
    url: str = ""
    handed_out: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def storage(self) -> str:
        """Where large files are handed out: for the clients another host."""
        return self.url.replace("127.0.0.1", "localhost")

    def of_kind(self, kind: str | None) -> dict[str, HubRepo]:
        """The repositories that a URL names ``models`` (or nothing), ``datasets`` or ``spaces``."""
        return {"datasets": self.datasets, "spaces": self.spaces}.get(kind or "", self.repos)

    def page(self, kind: str | None, repo_id: str) -> str:
        """The address of a repository."""
        return f"{self.url}/{f'{kind}/' if kind in ('datasets', 'spaces') else ''}{repo_id}"

    def role(self, request: Request) -> Role | None:
        """What the sender of a request may do."""
        if not self.tokens:
            return "write"
        token = sent_token(request)
        if not token:
            return None
        if token not in self.tokens:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return self.tokens[token]

    def check_may_write(self, request: Request) -> None:
        """Raises Refusal unless the sender may write."""
        role = self.role(request)
        if role is None:
            raise Refusal(401, "Invalid username or password.")
        if role != "write":
            raise Refusal(403, "You don't have the rights to write here: the token's role is read")

    def find_repo(self, request: Request) -> HubRepo:
        """The repository a request names, for everybody; raises Refusal where it is missing or refuses."""
        repos, repo_id = self.of_kind(request.parts["kind"]), request.parts["repo_id"]
        repo = repos.get(repo_id)
        if isinstance(repo, MovedRepo):
            raise Refusal(307, f"Moved to {repo.to}", headers={"Location": request.path.replace(repo_id, repo.to, 1)})
        if repo is None:
            raise Refusal(404, "Repository not found", "RepoNotFound")
        if repo.refusal is not None:
            status, code = repo.refusal
            raise Refusal(status, "This repository refuses every call", code)
        return repo

    def move(self, repo_id: str, to: str) -> None:
        """Rename a model repository; its old name leads to the new one."""
        self.repos[to] = self.repos[repo_id]
        self.repos[repo_id] = MovedRepo(to)

    def repo(self, request: Request) -> HubRepo:
        """The repository a request names; raises Refusal where the sender must not know of it."""
        repo = self.find_repo(request)
        if repo.private and self.role(request) is None:
            raise Refusal(401, "Invalid username or password.", "RepoNotFound")
        return repo

    def commit(self, request: Request) -> Commit:
        """The commit a request names, ``main`` if none; raises Refusal where there is none."""
        revision = request.parts.get("revision") or "main"
        commit = self.repo(request).find_commit(revision)
        if commit is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit


def sent_token(request: Request) -> str:
    """The access token of a request; empty where there is none."""
    return request.headers.get("Authorization").partition(" ")[2]
