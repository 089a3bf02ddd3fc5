"""A zoo folder as a data set on the Hub."""

from pathlib import Path

from hf_sne.hub.destination import Parcel
from hf_sne.optional import require
from hf_sne.zoo.card import CARD, PICTURE, write_card
from hf_sne.zoo.manifest import MANIFEST, Manifest, ManifestError


def pack_zoo(folder: Path, repo: str, *, dry_run: bool) -> Parcel:
    """Verify a zoo, write its card for ``repo``, and take what the manifest lists; a dry run writes nothing.

    A card that was edited stays as it is, where its metadata still tell the configs. Tables and shards of an earlier
    zoo in ``repo`` are stale.

    Raises:
        ManifestError: a file differs from the manifest.
    """
    require("matplotlib", "the card's histogram", "plot")
    _verify(folder)
    if not dry_run:
        write_card(folder, repo)
    files = [*Manifest.read(folder).files, MANIFEST]
    # The configs take in every table that is there.
    return Parcel(folder, files, "zoo", "dataset", marker=MANIFEST, stale=["data/*", "weights/*"])


def _verify(folder: Path) -> None:
    # The card and its picture are written anew.
    faults = [f for f in Manifest.read(folder).faults(folder) if not f.startswith((f"{CARD}:", f"{PICTURE}:"))]
    if faults:
        fix = "remove the folder, then make or convert the zoo anew"
        raise ManifestError(f"{folder}: {'; '.join(faults)}", fix=fix)
