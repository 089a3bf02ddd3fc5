"""The data set card of a zoo, written from the zoo itself."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from hf_sne.zoo.atomic import write_bytes
from hf_sne.zoo.manifest import FileRecord, Manifest
from hf_sne.zoo.plots import accuracy_histogram
from hf_sne.zoo.schema import HYPERPARAMETERS, LABELS

CARD = "README.md"
PICTURE = "accuracy.png"
DEFAULT_LICENSE = "cc-by-4.0"
_TEMPLATE = "zoo_dataset.md"


def write_card(folder: Path, repo: str = "") -> None:
    """Write ``README.md``, through which ``load_dataset`` knows the configs, and the histogram where there is matplotlib.

    Args:
        folder: A zoo with its manifest.
        repo: Hub id that the card's snippets name; the folder's name by default.
    """
    from huggingface_hub import DatasetCard
    from jinja2 import Environment, StrictUndefined

    manifest = Manifest.read(folder)
    labels = read_labels(folder, manifest)
    picture = accuracy_histogram(labels, folder / PICTURE)
    environment = Environment(undefined=StrictUndefined, trim_blocks=False, autoescape=False)  # noqa: S701 (Markdown)
    environment.filters["thousands"] = "{:,}".format
    content = environment.from_string(_template()).render(
        card_data=_metadata(manifest, labels, repo or folder.name).to_yaml(), **_facts(folder, manifest, labels, picture, repo)
    )
    DatasetCard(content)  # refuses metadata that is not YAML
    write_bytes(folder / CARD, content.encode())
    known = {CARD: FileRecord.of(folder / CARD)} | ({PICTURE: FileRecord.of(folder / PICTURE)} if picture else {})
    Manifest(manifest.source, manifest.configs, {**manifest.files, **known}).write(folder)


def read_labels(folder: Path, manifest: Manifest) -> pd.DataFrame:
    """The labels of every row, and its ``split``; weights are not read."""
    tables = []
    for name, record in manifest.files.items():
        if record.rows:
            table = pq.read_table(folder / name, columns=list(LABELS)).to_pandas()
            tables.append(table.assign(split=Path(name).name.split("-")[0]))
    return pd.concat(tables, ignore_index=True)


def _template() -> str:
    packaged = resources.files("hf_sne") / "hub_cards" / _TEMPLATE
    source = Path(__file__).parents[2] / "hub_cards" / _TEMPLATE
    return (packaged if packaged.is_file() else source).read_text()


def _metadata(manifest: Manifest, labels: pd.DataFrame, name: str) -> Any:
    from huggingface_hub import DatasetCardData

    splits = sorted({split for config in manifest.configs.values() for split in config}, key=_split_order)
    configs = [_config("default", "*", splits, default=True)]
    configs += [_config(name, name, list(manifest.configs[name])) for name in manifest.configs]
    configs.append({"config_name": "layouts", "data_files": [{"split": "train", "path": "layouts.parquet"}]})
    return DatasetCardData(
        license=manifest.source.get("license", DEFAULT_LICENSE),
        pretty_name=name,
        size_categories=[_size_category(len(labels))],
        tags=["model-zoo", "weight-space", "neural-network-weights", "hf_sne"],
        configs=configs,
    )


def _config(name: str, folder: str, splits: list[str], *, default: bool = False) -> dict[str, Any]:
    files = [{"split": split, "path": f"data/{folder}/{split}-*.parquet"} for split in splits]
    return {"config_name": name, "data_files": files} | ({"default": True} if default else {})


def _split_order(name: str) -> tuple[int, str]:
    usual = ("train", "validation", "test")
    return (usual.index(name) if name in usual else len(usual), name)


def _size_category(rows: int) -> str:
    bounds = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    return next((name for bound, name in bounds if rows < bound), "1M<n<10M")


def _facts(folder: Path, manifest: Manifest, labels: pd.DataFrame, picture: bool, repo: str) -> dict[str, Any]:
    import yaml

    plan = manifest.source.get("plan")
    splits = labels.groupby("split").agg(rows=("id", "size"), runs=("run", "nunique")).reset_index()
    splits = splits.sort_values("split", key=lambda names: names.map(lambda name: _split_order(name)[0]))
    return {
        "title": (repo or folder.name).split("/")[-1],
        "repo": repo or str(folder),
        "rows": len(labels),
        "runs": labels["run"].nunique(),
        "data": ", ".join(f"`{name}`" for name in sorted(labels["data"].dropna().unique())) or "images",
        "made_with": manifest.made_with,
        "picture": PICTURE if picture else "",
        "families": [_family(name, part) for name, part in labels.groupby("family", sort=False)],
        "splits": [{"name": s.split, "rows": s.rows, "runs": s.runs} for s in splits.itertuples()],
        "damaged": int((labels["damage"] == "shuffled").sum()),
        "large": any(name.endswith(".safetensors") for name in manifest.files),
        "extra": bool(labels["extra"].notna().any()),
        "plan": yaml.safe_dump(plan, sort_keys=False).strip() if plan else "",
        "how": "`hf-sne zoo make` with this plan:" if plan else f"Converted from {manifest.source.get('converted_from')}.",
        "license": manifest.source.get("license", DEFAULT_LICENSE),
    }


def _family(name: Any, labels: pd.DataFrame) -> dict[str, Any]:
    low, median, high = labels["test_accuracy"].quantile([0.05, 0.5, 0.95])
    fewest, most = labels["parameters"].min(), labels["parameters"].max()
    return {
        "name": name,
        "rows": len(labels),
        "runs": labels["run"].nunique(),
        "architectures": labels["architecture"].nunique() or labels["arch"].nunique(),
        "parameters": f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}",
        "accuracy": f"{median:.3f} ({low:.3f} to {high:.3f})",
        "diverged": int(labels["diverged"].fillna(False).sum()),
        "ranges": list(_ranges(labels)),
    }


def _ranges(labels: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """What each hyper-parameter was, as found in the rows."""
    for name in HYPERPARAMETERS:
        values = labels[name].dropna()
        if name == "seed" or values.empty:
            continue
        if values.nunique() <= 8:
            shares = values.value_counts(normalize=True).sort_index()
            yield name, ", ".join(f"{value:g}" if isinstance(value, float | int) else str(value) for value in shares.index)
        else:
            yield name, f"{values.min():.3g} to {values.max():.3g}, median {values.median():.3g}"
