"""The manifest of a zoo folder: what it holds and the hash of every file; a zoo that has none was not finished."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Any

from hf_sne.errors import UserError
from hf_sne.escape import visible
from hf_sne.version import __version__
from hf_sne.zoo.atomic import write_bytes

MANIFEST = "manifest.json"
FORMAT = 1


class ManifestError(UserError):
    """A zoo folder is not what its manifest says."""


@dataclass(frozen=True)
class FileRecord:
    """One file of a zoo; ``rows`` is 0 where the file is no table of checkpoints."""

    sha256: str
    bytes: int
    rows: int = 0

    @classmethod
    def of(cls, path: Path, rows: int = 0) -> "FileRecord":
        """The record of a file as it is."""
        with path.open("rb") as file:
            return cls(file_digest(file, "sha256").hexdigest(), path.stat().st_size, rows)


@dataclass(frozen=True)
class Manifest:
    """What a zoo folder holds.

    Args:
        source: How it came about: a plan as JSON, or where it was converted from.
        configs: Config -> split -> rows and runs.
        files: Path in the folder -> its record.
        made_with: Version of hf_sne.
        format: Version of the folder's format.
        card: SHA-256 of the card as it was last written from the zoo, by which an edited one is known.
    """

    source: dict[str, Any]
    configs: dict[str, dict[str, dict[str, int]]]
    files: dict[str, FileRecord] = field(default_factory=dict)
    made_with: str = __version__
    format: int = FORMAT
    card: str = ""

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of a zoo folder.

        Raises:
            ManifestError: there is none, or it is of another format.
        """
        path = folder / MANIFEST
        try:
            content = json.loads(path.read_text())
            if content["format"] != FORMAT:
                fix = "update hf_sne"
                raise ManifestError(f"{path}: format {content['format']}, this version reads {FORMAT}", fix=fix)
            files = {name: FileRecord(**record) for name, record in content["files"].items()}
            manifest = cls(**{**content, "files": files})
        except FileNotFoundError as error:
            if not folder.is_dir():
                raise ManifestError(f"{folder}: no such folder", fix="name the folder of a zoo") from error
            fix = "name the folder of one zoo, made or converted to its end"
            raise ManifestError(f"{folder}: no {MANIFEST}", fix=fix) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestError(
                f"{path}: not a zoo's manifest ({error})", fix="remove the folder and make the zoo anew"
            ) from error
        outside = [name for name in files if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts]
        if outside:
            raise ManifestError(f"{path}: names {visible(outside[0])!r}, outside the folder", fix="do not use this zoo")
        return manifest

    def write(self, folder: Path) -> None:
        """Write it atomically, fields in their own order: that of a plan's splits decides which runs are in them."""
        write_bytes(folder / MANIFEST, (json.dumps(asdict(self), indent=1) + "\n").encode())

    def faults(self, folder: Path) -> Iterator[str]:
        """What of the folder differs from the manifest; reads every file."""
        for name, record in self.files.items():
            path = folder / name
            if not path.is_file():
                yield f"{name}: missing"
            elif path.stat().st_size != record.bytes:
                yield f"{name}: {path.stat().st_size} bytes, the manifest has {record.bytes}"
            elif (found := FileRecord.of(path, record.rows)) != record:
                yield f"{name}: SHA-256 {found.sha256}, the manifest has {record.sha256}"
