"""Where a push goes, and how it gets there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from httpx2 import HTTPError
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    RevisionNotFoundError,
)

from hf_sne.errors import UserError
from hf_sne.weights.hub import is_repo_id

# How the client's error about a card begins, which has no class of its own.
_BAD_CARD = "Invalid metadata in README.md"
# By the status of the Hub's answer.
_FIXES = {
    401: "log in (hf auth login), or set HF_TOKEN to a token that may write",
    403: "use a token that may write there (hf auth login, or HF_TOKEN)",
    404: "check the name, and whether the token may see it",
}

RepoType = Literal["model", "dataset", "space"]


@dataclass(frozen=True)
class Destination:
    """A repository on the Hub; it is made if it is not there.

    Args:
        repo: ``ORG/NAME``.
        private: Whether a new repository is private; one that is there stays as it is.
        revision: Branch, made if it is not there; by default ``main``.
        create_pr: Propose the change as a pull request to ``main``, which stays as it is.

    Raises:
        UserError: the name is none, or a pull request is to go to a branch.
    """

    repo: str
    private: bool = False
    revision: str | None = None
    create_pr: bool = False

    def __post_init__(self) -> None:
        if not is_repo_id(self.repo):
            raise UserError(f"{self.repo}: not the name of a repository on the Hub", fix="name it as ORG/NAME")
        if self.create_pr and self.revision not in (None, "main"):
            raise UserError(
                f"{self.repo}: a pull request to the branch {self.revision}, and the Hub takes them for main alone",
                fix="leave out one of --create-pr and --revision",
            )

    @property
    def described(self) -> str:
        """The repository with the choices that were made."""
        if self.create_pr:
            return f"{self.repo}, as a pull request"
        branch = "" if self.revision is None else f", branch {self.revision}"
        return f"{self.repo}{branch}{', private if it is new' if self.private else ''}"

    def check_token(self) -> None:
        """Refuse, before long work, a token that the Hub does not know or that may not write.

        Raises:
            UserError: it is one of those, or the Hub cannot be reached.
        """
        with told(self.repo):
            access = HfApi().whoami().get("auth", {}).get("accessToken", {})
        # What a token of fine-grained rights, or of an application, may do here is known when it is tried.
        if access.get("role") == "read":
            raise UserError(
                f"{self.repo}: the token may only read", fix="log in with one that may write: hf auth login"
            )


@dataclass(frozen=True)
class Parcel:
    """Files ready to go: those of ``folder`` that ``files`` names.

    Args:
        marker: A file that nothing but an earlier parcel of this kind has. A repository with other files and without
            it is left alone.
        stale: Patterns of what an earlier parcel may have left behind, which is deleted.
    """

    folder: Path
    files: Sequence[str]
    kind: str
    repo_type: RepoType
    marker: str
    stale: Sequence[str] = field(default=())

    def told(self, destination: Destination) -> str:
        """What would go where, in a sentence and a list."""
        there = [name for name in sorted(self.files) if (self.folder / name).is_file()]
        sizes = {name: (self.folder / name).stat().st_size for name in there}
        total = f"{len(sizes)} files, {sum(sizes.values()) / 2**20:,.1f} MiB"
        repo_type = "data set" if self.repo_type == "dataset" else self.repo_type
        head = f"would push the {self.kind}, {total}, to the {repo_type} {destination.described}"
        return "\n".join([head, *(f"  {name}  {size:,} bytes" for name, size in sizes.items())])


def send(parcel: Parcel, destination: Destination) -> str:
    """Upload a parcel in one commit; the address of the repository, of its branch, or of the pull request.

    Raises:
        UserError: the Hub refuses or cannot be reached, or the repository holds something else.
    """
    with told(destination.repo):
        api = HfApi()
        sdk = "gradio" if parcel.repo_type == "space" else None
        api.create_repo(
            destination.repo,
            repo_type=parcel.repo_type,
            private=destination.private,
            exist_ok=True,
            space_sdk=sdk,
        )
        _check_kind(api, parcel, destination)
        if destination.revision is not None:
            api.create_branch(destination.repo, branch=destination.revision, repo_type=parcel.repo_type, exist_ok=True)
        commit = api.upload_folder(
            repo_id=destination.repo,
            folder_path=parcel.folder,
            repo_type=parcel.repo_type,
            revision=destination.revision,
            create_pr=destination.create_pr,
            commit_message=f"Upload {parcel.kind}",
            allow_patterns=list(parcel.files),
            delete_patterns=list(parcel.stale),
        )
    if destination.create_pr and commit.pr_url is None:
        raise UserError(f"{destination.repo}: nothing differs from what is there", fix="no pull request is needed")
    page = str(commit.pr_url or commit.repo_url)
    return page if destination.revision is None else f"{page}/tree/{destination.revision}"


def _check_kind(api: HfApi, parcel: Parcel, destination: Destination) -> None:
    """Leave alone what somebody keeps there that is no earlier parcel of this kind."""
    repo, revision = destination.repo, destination.revision
    try:
        found = api.list_repo_files(repo, repo_type=parcel.repo_type, revision=revision)
    except RevisionNotFoundError:
        # A new branch begins as main.
        found = api.list_repo_files(repo, repo_type=parcel.repo_type)
    there = set(found) - {".gitattributes", "README.md"}
    if there and parcel.marker not in there:
        where = repo if revision is None else f"{repo} at {revision}"
        raise UserError(
            f"{where}: holds {len(there)} files and no {parcel.kind}", fix=f"push to a new {parcel.repo_type}"
        )


@contextmanager
def told(repo: str) -> Iterator[None]:
    """Turns the Hub client's errors about a repository into a sentence."""
    try:
        yield
    except (HFValidationError, HTTPError, LocalEntryNotFoundError, LocalTokenNotFoundError, ConnectionError) as error:
        raise _refusal(repo, error) from error
    except RuntimeError as error:
        # The client names the large file that did not arrive in an error of its own, around the Hub's.
        if not isinstance(error.__cause__, HTTPError | ConnectionError):
            raise
        raise _refusal(repo, error.__cause__) from error
    except ValueError as error:
        if not str(error).startswith(_BAD_CARD):
            raise
        reasons = "; ".join(line.removeprefix("- ") for line in str(error).splitlines()[1:])
        raise UserError(
            f"{repo}: the Hub does not take the card's metadata: {reasons}",
            fix="correct what they come from: a zoo's licence in its plan or conversion, or the name of a folder",
        ) from error


def _refusal(repo: str, error: Exception) -> UserError:
    reason, fix = str(error) or type(error).__name__, "check the network and HF_ENDPOINT"
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        reason = f"the Hub answers {status}, {error.server_message or error}"
        fix = _FIXES.get(status, "check the name and the token, or try again later")
    elif isinstance(error, LocalTokenNotFoundError):
        fix = _FIXES[401]
    elif isinstance(error, HFValidationError):
        fix = "name it as ORG/NAME"
    return UserError(f"{repo}: {reason.splitlines()[0].rstrip('.')}", fix=fix)
