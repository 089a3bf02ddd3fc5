"""Energy and carbon dioxide of a training, measured by codecarbon where that is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hf_sne.errors import UserError
from hf_sne.optional import require

# Written by codecarbon: a row for each time the training was run and ended by itself or by an exception, so that one
# which was resumed is counted whole; what was killed is not counted.
_FILE = "emissions.csv"


class CountryError(UserError):
    """A country of which codecarbon does not know how its electricity is made."""


def check_measurable(country: str, folder: Path) -> None:
    """Refuse before the training what would spoil the measurement.

    Args:
        country: As :func:`measured_emissions` takes it.
        folder: Of the training.

    Raises:
        MissingPackageError: codecarbon is not installed.
        CountryError: codecarbon does not know the country.
        UserError: a part of the training was not measured.
    """
    require("codecarbon", "measuring emissions", "carbon")
    from codecarbon.input import DataSource

    if country not in DataSource().get_global_energy_mix_data():
        raise CountryError(f"no country {country!r}", fix="give its three letters, such as FRA, USA or IND")
    if (folder / "state").exists() and not (folder / _FILE).exists():
        raise UserError(
            f"{folder}: the training was begun without --carbon, and a part of it would pass for the whole",
            fix="leave out --carbon, or train anew with another --output",
        )


@contextmanager
def measured_emissions(country: str, folder: Path) -> Iterator[None]:
    """Measure what this machine uses inside the block; :func:`emissions_of` tells it.

    Args:
        country: Where the machine stands, by its three letters (ISO 3166: ``FRA``).
        folder: Where ``emissions.csv`` goes.
    """
    from codecarbon import OfflineEmissionsTracker

    folder.mkdir(parents=True, exist_ok=True)
    tracker = OfflineEmissionsTracker(
        country_iso_code=country,
        output_dir=str(folder),
        output_file=_FILE,
        # Whatever a user's settings of codecarbon say.
        save_to_file=True,
        save_to_api=False,
        log_level="error",
        allow_multiple_runs=True,
    )
    tracker.start()
    try:
        yield
    finally:
        tracker.stop()


def emissions_of(folder: Path) -> dict[str, Any] | None:
    """What was measured in a folder so far: ``co2_grams`` (equivalents), ``energy_kwh``, ``seconds``, ``country``
    and the ``codecarbon`` version that estimated them; None where nothing was.
    """
    import pandas as pd

    if not (folder / _FILE).is_file():
        return None
    rows = pd.read_csv(folder / _FILE)
    last = rows.iloc[-1]
    return {
        "co2_grams": float(rows["emissions"].sum() * 1000),
        "energy_kwh": float(rows["energy_consumed"].sum()),
        "seconds": float(rows["duration"].sum()),
        "country": str(last["country_iso_code"]),
        "codecarbon": str(last["codecarbon_version"]),
    }
