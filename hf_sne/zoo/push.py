"""Publish a zoo folder as a data set on the Hub."""

from pathlib import Path

from hf_sne.errors import UserError
from hf_sne.optional import require
from hf_sne.zoo.card import CARD, PICTURE, write_card
from hf_sne.zoo.manifest import MANIFEST, Manifest, ManifestError


def push_zoo(
    folder: Path, repo: str, *, private: bool = False, revision: str | None = None, dry_run: bool = False
) -> str:
    """Verify a zoo, write its card for ``repo`` and upload what the manifest lists; the data set's address.

    With ``dry_run`` nothing leaves this machine, and what would is told instead.

    Raises:
        ManifestError: a file differs from the manifest.
        UserError: the Hub refuses, or cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from httpx2 import HTTPError

    require("matplotlib", "the card's histogram", "plot")
    faults = list(Manifest.read(folder).faults(folder))
    faults = [fault for fault in faults if not fault.startswith((f"{CARD}:", f"{PICTURE}:"))]
    if faults:
        raise ManifestError(f"{folder}: {'; '.join(faults)}", fix="make or convert the zoo anew")
    write_card(folder, repo)
    files = Manifest.read(folder).files
    if dry_run:
        size = sum(record.bytes for record in files.values())
        return f"would push {len(files) + 1} files, {size / 2**20:,.1f} MiB, to {repo}; the card is {folder / CARD}"
    try:
        api = HfApi()
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo, branch=revision, repo_type="dataset", exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            repo_type="dataset",
            revision=revision,
            commit_message=f"Zoo of {folder.name}",
            allow_patterns=[*files, MANIFEST],
        )
    except (HfHubHTTPError, HFValidationError, HTTPError, OSError) as error:
        raise UserError(f"{repo}: {error}", fix="check the name, the token (hf auth login) and the network") from error
    return str(commit.repo_url)
