"""Results JSON of trainings and comparisons, which anybody may have written."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hf_sne.errors import UserError


def read_results(path: Path) -> dict[str, Any]:
    """The object in a results file.

    Raises:
        UserError: it cannot be read, or holds no JSON object.
    """
    if path.is_dir():
        raise refused_results(str(path), "a folder")
    try:
        results = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise refused_results(str(path), str(error)) from error
    if not isinstance(results, dict):
        raise refused_results(str(path), "holds no JSON object")
    return results


@contextmanager
def told_fields(source: str) -> Iterator[None]:
    """Turns what results of another shape break into a sentence.

    Raises:
        UserError: a field is missing or of another type.
    """
    try:
        yield
    except KeyError as error:
        raise refused_results(source, f"results without the field {error}") from error
    except (TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
        raise refused_results(source, f"results of another shape ({error})") from error


def refused_results(source: str, reason: str) -> UserError:
    """The error that says where results come from."""
    return UserError(f"{source}: {reason}", fix="name results that recipes/train.py, compare.py or evaluate.py wrote")
