"""The data set card of a zoo, written from the zoo itself."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hf_sne.cards import render_card
from hf_sne.escape import markdown, visible
from hf_sne.zoo.atomic import write_bytes
from hf_sne.zoo.manifest import FileRecord, Manifest, ManifestError
from hf_sne.zoo.plots import accuracy_histogram
from hf_sne.zoo.schema import HYPERPARAMETERS, LABELS

CARD = "README.md"
PICTURE = "accuracy.png"
_TEMPLATE = "zoo_dataset.md"
_LISTED = 8  # different values of a hyper-parameter


def write_card(folder: Path, repo: str = "") -> None:
    """Write ``README.md``, by which ``load_dataset`` knows the configs, and the histogram where there is matplotlib.

    A card that was edited since it was written stays as it is, where its metadata still tell the configs.

    Args:
        folder: A zoo with its manifest.
        repo: Hub id that the card's snippets name; the folder's name by default.
    """
    from huggingface_hub import DatasetCard

    manifest = Manifest.read(folder)
    labels = read_labels(folder, manifest)
    name = repo or folder.resolve().name
    picture = accuracy_histogram(labels, folder / PICTURE)
    content = render_card(
        _TEMPLATE,
        _metadata(manifest, labels, name),
        picture=PICTURE if picture else "",
        **_facts(manifest, labels, name),
    )
    if not _is_kept(folder, manifest, DatasetCard(content)):
        write_bytes(folder / CARD, content.encode())
        manifest = replace(manifest, card=FileRecord.of(folder / CARD).sha256)
    known = {CARD: FileRecord.of(folder / CARD)} | ({PICTURE: FileRecord.of(folder / PICTURE)} if picture else {})
    replace(manifest, files={**manifest.files, **known}).write(folder)


def _is_kept(folder: Path, manifest: Manifest, card: Any) -> bool:
    """Whether there is a card that a person edited, by which ``load_dataset`` still knows the configs of ``card``."""
    from huggingface_hub import DatasetCard

    path = folder / CARD
    if not manifest.card or not path.is_file() or FileRecord.of(path).sha256 == manifest.card:
        return False
    try:
        found = DatasetCard.load(path, ignore_metadata_errors=True).data.to_dict()
    except ValueError:  # no YAML
        return False
    return found.get("configs") == card.data.to_dict()["configs"]  # type: ignore[no-any-return]


def split_order(name: str) -> tuple[int, str]:
    """Sorts splits as they are usually named."""
    usual = ("train", "validation", "test")
    return (usual.index(name) if name in usual else len(usual), name)


def read_labels(folder: Path, manifest: Manifest) -> pd.DataFrame:
    """The labels of every row, and its ``split``; weights are not read.

    Raises:
        ManifestError: a table cannot be read, or there is none.
    """
    tables = [_read_table(folder / name) for name, record in manifest.files.items() if record.rows]
    if not tables:
        raise ManifestError(
            f"{folder}: the manifest names no table of checkpoints", fix="remove the folder and make the zoo anew"
        )
    return pd.concat(tables, ignore_index=True)


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pq.read_table(path, columns=list(LABELS)).to_pandas()
    except (OSError, pa.ArrowException) as error:
        reason = error if path.exists() else "missing"
        fix = "restore the file, or remove the folder and make or convert the zoo anew"
        raise ManifestError(f"{path}: {reason}", fix=fix) from error
    return table.assign(split=path.name.split("-")[0])


def _metadata(manifest: Manifest, labels: pd.DataFrame, name: str) -> Any:
    from huggingface_hub import DatasetCardData

    configs = [_config("default", "*", set().union(*manifest.configs.values()), default=True)]
    configs += [_config(family, family, set(splits)) for family, splits in manifest.configs.items()]
    configs.append({"config_name": "layouts", "data_files": [{"split": "train", "path": "layouts.parquet"}]})
    return DatasetCardData(
        license=_license_of(manifest),
        pretty_name=name.split("/")[-1],
        size_categories=[_size_category(len(labels))],
        tags=["model-zoo", "weight-space", "neural-network-weights", "hf_sne"],
        configs=configs,
    )


def _license_of(manifest: Manifest) -> str:
    """The licence of a zoo, as the Hub names it."""
    return str(manifest.source.get("license", "unknown"))


def _config(name: str, folder: str, splits: set[str], *, default: bool = False) -> dict[str, Any]:
    ordered = sorted(splits, key=split_order)
    files = [{"split": split, "path": f"data/{folder}/{split}-*.parquet"} for split in ordered]
    return {"config_name": name, "data_files": files} | ({"default": True} if default else {})


def _size_category(rows: int) -> str:
    bounds = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    return next((name for bound, name in bounds if rows < bound), "1M<n<10M")


def _facts(manifest: Manifest, labels: pd.DataFrame, repo: str) -> dict[str, Any]:
    import yaml

    plan = manifest.source.get("plan")
    families = [_family(name, part) for name, part in labels.groupby("family", sort=False)]
    large = {name.split("/")[1] for name in manifest.files if name.endswith(".safetensors")}
    return {
        "title": repo.split("/")[-1],
        "repo": repo,
        "rows": len(labels),
        "runs": labels["run"].nunique(),
        "data": ", ".join(map(_code, sorted(labels["data"].dropna().unique()))) or "images",
        "made_with": manifest.made_with,
        "families": families,
        "example": next((family for family in families if family["name"] not in large), None),
        "splits": [
            {"name": name, "rows": len(part), "runs": part["run"].nunique()}
            for name, part in sorted(labels.groupby("split"), key=lambda group: split_order(str(group[0])))
        ],
        "damaged": int((labels["damage"] == "shuffled").sum()),
        "diverged": int(labels["diverged"].fillna(False).sum()),
        "large": bool(large),
        "extra": bool(labels["extra"].notna().any()),
        "plan": yaml.safe_dump(plan, sort_keys=False).strip() if plan else "",
        "source": _code(str(manifest.source.get("converted_from", ""))),
        "license": _license_of(manifest),
    }


def _family(name: Any, labels: pd.DataFrame) -> dict[str, Any]:
    fewest, most = labels["parameters"].min(), labels["parameters"].max()
    return {
        "name": name,
        "split": min(labels["split"].unique(), key=split_order),
        "rows": len(labels),
        "runs": labels["run"].nunique(),
        "architectures": labels["architecture"].nunique() or labels["arch"].nunique(),
        "parameters": f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}",
        "accuracy": [f"{value:.3f}" for value in labels["test_accuracy"].quantile([0.05, 0.5, 0.95])],
        "diverged": int(labels["diverged"].fillna(False).sum()),
        "ranges": list(_ranges(labels)),
    }


def _ranges(labels: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """What each hyper-parameter was, as found in the rows."""
    for name in HYPERPARAMETERS:
        values = labels[name].dropna()
        if name == "seed" or values.empty:
            continue
        if values.nunique() <= _LISTED:
            yield name, ", ".join(_shown(value) for value in sorted(values.unique()))
        else:
            yield name, f"{_shown(values.min())} to {_shown(values.max())}, median {_shown(values.median())}"


def _code(name: str) -> str:
    """A name as Markdown's code, in which nothing but a backtick has a meaning."""
    return "`" + visible(name).replace("`", "'") + "`"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return markdown(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
