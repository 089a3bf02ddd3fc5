"""Publish a zoo folder as a data set on the Hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from httpx2 import HTTPError
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from hf_sne.errors import UserError
from hf_sne.optional import require
from hf_sne.weights.hub import is_repo_id
from hf_sne.zoo.card import CARD, PICTURE, write_card
from hf_sne.zoo.manifest import MANIFEST, Manifest, ManifestError


def push_zoo(
    folder: Path, repo: str, *, private: bool = False, revision: str | None = None, dry_run: bool = False
) -> str:
    """Verify a zoo, write its card for ``repo`` and upload what the manifest lists; the data set's address.

    A card that was edited stays as it is, where its metadata still tell the configs. Tables and shards of an earlier
    zoo in ``repo`` are deleted. With ``dry_run`` nothing is written and nothing sent, only told.

    Raises:
        ManifestError: a file differs from the manifest.
        UserError: the name is none, the Hub refuses, or it cannot be reached.
    """
    require("matplotlib", "the card's histogram", "plot")
    if not is_repo_id(repo):
        raise UserError(f"{repo}: not the name of a data set on the Hub", fix="name it as ORG/NAME")
    _verify(folder)
    if dry_run:
        files = Manifest.read(folder).files
        size = sum(record.bytes for record in files.values())
        return (
            f"would push {len(files) + 1} files, {size / 2**20:,.1f} MiB, to {repo}, with {folder / CARD} as the card"
        )
    write_card(folder, repo)
    files = Manifest.read(folder).files
    with _told(repo):
        return _upload(folder, [*files, MANIFEST], repo, private=private, revision=revision)


def _verify(folder: Path) -> None:
    # The card and its picture are written anew.
    faults = [f for f in Manifest.read(folder).faults(folder) if not f.startswith((f"{CARD}:", f"{PICTURE}:"))]
    if faults:
        fix = "remove the folder, then make or convert the zoo anew"
        raise ManifestError(f"{folder}: {'; '.join(faults)}", fix=fix)


def _upload(folder: Path, files: list[str], repo: str, *, private: bool, revision: str | None) -> str:
    api = HfApi()
    api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
    there = set(api.list_repo_files(repo, repo_type="dataset")) - {".gitattributes", CARD}
    if there and MANIFEST not in there:
        raise UserError(f"{repo}: holds {len(there)} files and no zoo", fix="push to a new data set")
    if revision is not None:
        api.create_branch(repo, branch=revision, repo_type="dataset", exist_ok=True)
    commit = api.upload_folder(
        repo_id=repo,
        folder_path=folder,
        repo_type="dataset",
        revision=revision,
        commit_message=f"Zoo {folder.resolve().name}",
        allow_patterns=files,
        # The configs take in every table that is there.
        delete_patterns=["data/*", "weights/*"],
    )
    return str(commit.repo_url)


@contextmanager
def _told(repo: str) -> Iterator[None]:
    try:
        yield
    except HfHubHTTPError as error:
        reason = f"the Hub answers {error.response.status_code}, {error.server_message or error}"
        raise _refusal(repo, reason) from error
    except (HFValidationError, HTTPError, OSError) as error:
        raise _refusal(repo, str(error)) from error


def _refusal(repo: str, reason: str) -> UserError:
    fix = "check the name, the token (hf auth login) and the network"
    return UserError(f"{repo}: {reason.rstrip('.')}", fix=fix)
