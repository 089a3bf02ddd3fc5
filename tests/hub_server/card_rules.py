"""What the Hub asks of a card's metadata, of the fields that it reads: the model card, data set card and Space pages of
its documentation say so. Names that it does not know are let through, as there.
"""

import re
from collections.abc import Iterator
from typing import Any

# Those of the Hub's list that one meets here.
_LICENSES = {
    "apache-2.0",
    "mit",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "unknown",
    "other",
}
_SIZES = {"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B"}
_SDKS = {"gradio", "docker", "static"}
_COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
_LISTED = {
    "license": _LICENSES,
    "size_categories": _SIZES,
    "sdk": _SDKS,
    "colorFrom": _COLORS,
    "colorTo": _COLORS,
}
_NAMES = ("license", "tags", "datasets", "models", "size_categories", "language", "task_categories")
_REPO_ID = re.compile(r"([\w.-]+/)?[\w.-]+")


def broken_rules(metadata: dict[str, Any], repo_type: str) -> list[str]:
    """A sentence for each rule that the metadata break."""
    return [*_names(metadata), *_model_index(metadata.get("model-index", [])), *_kind(metadata, repo_type)]


def _names(metadata: dict[str, Any]) -> Iterator[str]:
    for field in _NAMES:
        for value in _listed(metadata.get(field, [])):
            if not isinstance(value, str):
                yield f'"{field}" must be a string'
    for field, allowed in _LISTED.items():
        for value in _listed(metadata.get(field, [])):
            if value not in allowed:
                yield f'"{field}" must be one of [{", ".join(sorted(allowed))}]'
    for field in ("datasets", "models"):
        for value in _listed(metadata.get(field, [])):
            if not _REPO_ID.fullmatch(str(value)):
                yield f'"{field}" with value "{value}" is not valid'


def _model_index(models: Any) -> Iterator[str]:
    if not isinstance(models, list):
        yield '"model-index" must be an array'
        return
    for model in models:
        if not isinstance(model.get("name"), str) or not model["name"]:
            yield '"model-index[].name" is required'
        for result in model.get("results", []):
            yield from _result(result)


def _result(result: dict[str, Any]) -> Iterator[str]:
    required = [("task", "type"), ("dataset", "type"), ("dataset", "name")]
    for part, field in required:
        if not isinstance(result.get(part, {}).get(field), str):
            yield f'"model-index[].results[].{part}.{field}" is required'
    if not _REPO_ID.fullmatch(str(result.get("dataset", {}).get("type", ""))):
        yield '"model-index[].results[].dataset.type" is not valid'
    if not result.get("metrics"):
        yield '"model-index[].results[].metrics" is required'
    for metric in result.get("metrics", []):
        if not isinstance(metric.get("type"), str) or metric.get("value") is None:
            yield '"model-index[].results[].metrics[]" needs a type and a value'


def _kind(metadata: dict[str, Any], repo_type: str) -> Iterator[str]:
    if repo_type == "space" and "sdk" not in metadata:
        yield '"sdk" is required'
    for config in metadata.get("configs", []) if repo_type == "dataset" else []:
        if not isinstance(config.get("config_name"), str) or not config.get("data_files"):
            yield '"configs[]" needs a config_name and data_files'


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
