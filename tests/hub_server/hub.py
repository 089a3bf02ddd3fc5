"""A Hub's state: its repositories by kind and id, and who may do what."""

from dataclasses import dataclass, field
from typing import Literal

from hub_server.messages import Refusal, Request
from hub_server.repos import Commit, HubRepo

Role = Literal["read", "write"]


@dataclass
class Hub:
    """Model and data set repositories by id.

    ``tokens`` are the access tokens the Hub knows; without any, everybody may read and write everything.
    Listings come in pages of ``page_size`` entries.
    """

    repos: dict[str, HubRepo] = field(default_factory=dict)
    datasets: dict[str, HubRepo] = field(default_factory=dict)
    tokens: dict[str, Role] = field(default_factory=dict)
    page_size: int = 1000
    url: str = ""

    def of_kind(self, kind: str | None) -> dict[str, HubRepo]:
        """The repositories that a URL names ``models`` (or nothing) or ``datasets``."""
        return self.datasets if kind == "datasets" else self.repos

    def page(self, kind: str | None, repo_id: str) -> str:
        """The address of a repository."""
        return f"{self.url}/{'datasets/' if kind == 'datasets' else ''}{repo_id}"

    def role(self, request: Request) -> Role | None:
        """What the sender of a request may do."""
        if not self.tokens:
            return "write"
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
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
        repo = self.of_kind(request.parts["kind"]).get(request.parts["repo_id"])
        if repo is None:
            raise Refusal(404, "Repository not found", "RepoNotFound")
        if repo.refusal is not None:
            status, code = repo.refusal
            raise Refusal(status, "This repository refuses every call", code)
        return repo

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
