"""JSON from an untrusted file: what the standard parser accepts, less what two readers may understand differently."""

import json
from collections import Counter
from typing import Any, NoReturn

from hf_sne.errors import CheckpointError
from hf_sne.weights.errors import DuplicateNameError


def parse_object(raw: bytes, file: str, syntax_error: type[CheckpointError]) -> dict[str, Any]:
    """The JSON object in ``raw``: UTF-8, no name twice at any depth, no NaN or Infinity, nothing before it.

    Raises:
        DuplicateNameError: a name stands twice in one object.
        CheckpointError: of the class ``syntax_error``, for anything else that is not such an object.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            [(name, count)] = Counter(name for name, _ in pairs).most_common(1)
            raise DuplicateNameError(file, found=f"{name!r} {count} times", allowed="once")
        return found

    def refuse_constant(name: str) -> NoReturn:
        raise syntax_error(file, found=f"the constant {name}", allowed="finite numbers")

    if raw[:1] != b"{":
        raise syntax_error(file, found=f"a first byte {raw[:1]!r}", allowed="b'{'")
    try:
        text = raw.decode("utf-8")
        parsed: dict[str, Any] = json.loads(text, object_pairs_hook=unique, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise syntax_error(file, found=f"{type(error).__name__}: {error}", allowed="one valid JSON object") from None
    return parsed
