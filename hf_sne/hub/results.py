"""Results of a comparison or a training as a data set on the Hub, and back."""

from pathlib import Path
from shutil import copyfile
from typing import Any

from hf_sne.cards import render_card
from hf_sne.errors import UserError
from hf_sne.escape import markdown
from hf_sne.evaluation.board import read_boards
from hf_sne.evaluation.results_file import read_results, told_fields
from hf_sne.hub.destination import Parcel, told
from hf_sne.training.card import CARD, RESULTS
from hf_sne.weights.shards import PICKLE_SUFFIXES, SAFETENSORS_SUFFIX

# No name that others give a file: a repository that has it is one of results.
_PUBLISHED = "hf_sne_results.json"


def is_results(source: Path) -> bool:
    """Whether a path is a results file, or the folder of one without weights, which would be a damaged predictor."""
    if source.is_dir():
        weights = (path for path in source.iterdir() if path.suffix in (SAFETENSORS_SUFFIX, *PICKLE_SUFFIXES))
        return (source / RESULTS).is_file() and not any(weights)
    return source.suffix == ".json"


def pack_results(source: Path, repo: str, scratch: Path) -> Parcel:
    """A results file, with a card that shows it as a table.

    Raises:
        UserError: it holds no results.
    """
    import yaml

    path = source / RESULTS if source.is_dir() else source
    boards, results = read_boards([path]), read_results(path)
    copyfile(path, scratch / _PUBLISHED)
    with told_fields(str(path)):
        system: dict[str, Any] = results["system"]
        card = render_card(
            "results_dataset.md",
            _metadata(repo),
            title=markdown(repo.split("/")[-1]),
            repo=repo,
            boards=boards,
            made_with=", ".join(f"{name} {system[name]}" for name in ("hf_sne", "torch", "transformers")),
            device=system["device"],
            config=yaml.safe_dump(results["config"], sort_keys=False).strip(),
        )
    (scratch / CARD).write_text(card)
    return Parcel(scratch, [CARD, _PUBLISHED], "results", "dataset", marker=_PUBLISHED)


def fetch_results(repo: str, folder: Path) -> Path:
    """The results in a data set that :func:`pack_results` made, or else beside a predictor, called after ``repo``.

    Raises:
        UserError: there are none, or the Hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError, RepositoryNotFoundError

    named, away = folder / f"{repo.split('/')[-1]}.json", None
    with told(repo):
        for name, repo_type in ((_PUBLISHED, "dataset"), (RESULTS, "model")):
            try:
                # Once the Hub was found away, whose client tries again for half a minute, only the cache is looked in.
                found = hf_hub_download(repo, name, repo_type=repo_type, local_files_only=away is not None)
                copyfile(found, named)
            except (RemoteEntryNotFoundError, RepositoryNotFoundError):
                continue
            except LocalEntryNotFoundError as error:
                away = away or error
                continue
            return _checked(named, repo)
        if away is not None:
            raise away
    raise UserError(f"{repo}: no results on the Hub, or private ones", fix="name a file, or what hf-sne push published")


def _checked(path: Path, repo: str) -> Path:
    """Results whose faults are told of the repository, not of the file that is gone afterwards."""
    try:
        read_boards([path])
    except UserError as error:
        raise UserError(error.message.replace(str(path), repo), fix=error.fix) from error
    return path


def _metadata(repo: str) -> Any:
    from huggingface_hub import DatasetCardData

    # The file is one nested object, which the Hub's viewer shows no rows of.
    return DatasetCardData(pretty_name=repo.split("/")[-1], tags=["hf_sne", "results", "weight-space"], viewer=False)
