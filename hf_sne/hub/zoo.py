"""A zoo folder as a data set on the Hub."""

from pathlib import Path
from shutil import copyfile

from hf_sne.hub.destination import Parcel
from hf_sne.optional import require
from hf_sne.zoo.card import CARD, PICTURE, write_card
from hf_sne.zoo.manifest import MANIFEST, Manifest, ManifestError

# What is written anew for the repository.
_WRITTEN = (CARD, PICTURE, MANIFEST)


def pack_zoo(folder: Path, repo: str, scratch: Path) -> Parcel:
    """Verify a zoo, write its card for ``repo``, and take what the manifest lists; the folder stays as it is.

    A card that was edited stays as it is, where its metadata still tell the configs. Tables and shards of an earlier
    zoo in ``repo`` are stale.

    Raises:
        ManifestError: a file differs from the manifest.
    """
    require("matplotlib", "the card's histogram", "plot")
    for name in {*_verified(folder).files, *_WRITTEN}:
        if (folder / name).is_file():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            if name in _WRITTEN:
                copyfile(folder / name, scratch / name)
            else:
                (scratch / name).symlink_to((folder / name).resolve())
    write_card(scratch, repo)
    files = [*Manifest.read(scratch).files, MANIFEST]
    # The configs take in every table that is there.
    return Parcel(scratch, files, "zoo", "dataset", marker=MANIFEST, stale=["data/*", "weights/*"])


def _verified(folder: Path) -> Manifest:
    manifest, exempt = Manifest.read(folder), tuple(f"{name}:" for name in _WRITTEN)
    faults = [fault for fault in manifest.faults(folder) if not fault.startswith(exempt)]
    if faults:
        fix = "remove the folder, then make or convert the zoo anew"
        raise ManifestError(f"{folder}: {'; '.join(faults)}", fix=fix)
    return manifest
