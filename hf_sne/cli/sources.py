"""Turns the sources typed on the command line into checkpoints: a folder of many files becomes its files."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from hf_sne.errors import CheckpointError
from hf_sne.escape import visible

# A shard, or its index, is a part of one network and never a network of its own.
_PART = re.compile(r"-\d+-of-\d+\.\w+$|\.index\.json$")


def expand_folders(sources: Sequence[str], allow_pickle: bool) -> tuple[list[str], list[str]]:
    """The checkpoints that ``sources`` name, in order, and one printable note for each folder that was expanded."""
    found: list[str] = []
    notes: list[str] = []
    for source in sources:
        files = _separate_checkpoints(Path(source), allow_pickle)
        if files:
            notes.append(
                f"{visible(source)}: {len(files)} checkpoints, each scored on its own{_left_out(source, files)}"
            )
        found += files or [source]
    return found, notes


def _left_out(folder: str, files: Sequence[str]) -> str:
    """What a note says of pickles beside safetensors files; empty where there is none."""
    from hf_sne.weights.shards import PICKLE_SUFFIXES

    pickles = [path.name for path in Path(folder).iterdir() if path.name.endswith(PICKLE_SUFFIXES)]
    count = len(set(pickles) - {Path(file).name for file in files})
    named = "1 pickle file" if count == 1 else f"{count} pickle files"
    return f"; {named} beside them left out, name them to score them" if count else ""


def _separate_checkpoints(folder: Path, allow_pickle: bool) -> list[str]:
    """The files of a folder that holds several checkpoints side by side; empty if it is one checkpoint or no folder."""
    if not os.path.isdir(folder):  # noqa: PTH112 (Path.is_dir fails on a text that is too long for a path)
        return []
    from hf_sne.weights.errors import AmbiguousWeightsError
    from hf_sne.weights.shards import PICKLE_SUFFIXES, SAFETENSORS_SUFFIX

    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    if any(map(_PART.search, names)) or not isinstance(_refusal(names, allow_pickle), AmbiguousWeightsError):
        return []
    suffixes = SAFETENSORS_SUFFIX if any(name.endswith(SAFETENSORS_SUFFIX) for name in names) else PICKLE_SUFFIXES
    files = [name for name in names if name.endswith(suffixes) and _refusal([name], allow_pickle) is None]
    return [str(folder / name) for name in files]


def _refusal(names: list[str], allow_pickle: bool) -> CheckpointError | None:
    """Why no file of weights can be chosen among the files ``names`` of a folder; None if one can."""
    from hf_sne.weights.shards import choose_file

    try:
        choose_file(names, "", allow_pickle=allow_pickle)
    except CheckpointError as error:
        return error
    return None
