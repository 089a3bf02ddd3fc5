"""The process that reads one pickle file, under limits, and writes its tensors as safetensors.

Run by :mod:`hf_sne.weights.pickle_file` as ``python -m hf_sne.weights.pickle_child FILE NAME FOLDER LIMITS``.
"""

import json
import resource
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from hf_sne.errors import CheckpointError
from hf_sne.limits import Limits
from hf_sne.weights.checks import Totals
from hf_sne.weights.errors import AliasedStorageError, PickleMemberError
from hf_sne.weights.memory import Gathered, gather, named_tensors

WEIGHTS = "weights.safetensors"
REPORT = "report.json"


def main(arguments: list[str]) -> None:
    """Writes ``WEIGHTS`` and ``REPORT`` into the folder; a broken rule is a report too, any other error a traceback."""
    path, file, folder, limits = (
        Path(arguments[0]),
        arguments[1],
        Path(arguments[2]),
        Limits(**json.loads(arguments[3])),
    )
    limit_process(limits)
    try:
        gathered = read_pickle(path, file, limits)
        report: dict[str, object] = {"skipped": [astuple(skipped) for skipped in gathered.skipped]}
        save_file(apart(gathered.tensors), folder / WEIGHTS)
    except CheckpointError as error:
        report = {"rule": type(error).__name__, "found": error.found, "allowed": error.allowed, "fix": error.fix}
    (folder / REPORT).write_text(json.dumps(report), encoding="utf-8")


def limit_process(limits: Limits) -> None:
    """Bounds this process's memory, processor seconds and file sizes from here on."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    memory = pages * resource.getpagesize() + limits.pickle_memory_bytes
    for kind, bound in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, limits.pickle_seconds),
        (resource.RLIMIT_FSIZE, limits.total_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (bound, bound))


def read_pickle(path: Path, file: str, limits: Limits) -> Gathered:
    """The tensors of the pickle file at ``path``, called ``file`` in messages.

    Raises:
        CheckpointError: of the class of the rule that the file breaks.
    """
    check_members(path, file)
    state = torch.load(path, map_location="cpu", weights_only=True)
    totals = Totals(limits)
    gathered = gather(named_tensors(state, file), file, totals)
    allowed = limits.pickle_expansion * path.stat().st_size
    if totals.bytes > allowed:
        raise AliasedStorageError(file, found=f"{totals.bytes} bytes of tensors", allowed=allowed)
    return gathered


def check_members(path: Path, file: str) -> None:
    """Refuses a zip archive whose members are compressed, or are larger together than the archive.

    Raises:
        PickleMemberError: such an archive.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            found = f"{member.filename!r} of {member.compress_size} bytes for {member.file_size}"
            raise PickleMemberError(file, found=found, allowed="a stored member")
    total, size = sum(member.file_size for member in members), path.stat().st_size
    if total > size:
        raise PickleMemberError(file, found=f"members of {total} bytes", allowed=f"{size}, the archive's size")


def apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, contiguous and none sharing storage with another, as safetensors wants them."""
    separate: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        contiguous = tensor.detach().contiguous()
        storage = contiguous.untyped_storage().data_ptr()
        separate[name] = contiguous.clone() if storage in storages else contiguous
        storages.add(storage)
    return separate


if __name__ == "__main__":
    main(sys.argv[1:])
