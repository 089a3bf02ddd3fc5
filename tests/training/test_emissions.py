"""Energy and carbon dioxide of a training, as codecarbon measures them."""

import pytest

from hf_sne.errors import UserError
from hf_sne.training.emissions import CountryError, check_measurable, emissions_of, measured_emissions


def test_a_training_in_two_parts_is_counted_whole(tmp_path):
    folder = tmp_path / "run"
    with measured_emissions("FRA", folder):
        pass
    first = emissions_of(folder)
    with pytest.raises(KeyboardInterrupt), measured_emissions("FRA", folder):
        raise KeyboardInterrupt
    whole = emissions_of(folder)
    assert whole["country"] == "FRA"
    for name in ("co2_grams", "energy_kwh", "seconds"):
        assert whole[name] > first[name] > 0


def test_a_country_that_is_unknown_is_refused(tmp_path):
    with pytest.raises(CountryError, match=r"no country 'Atlantis'.*three letters"):
        check_measurable("Atlantis", tmp_path)
    check_measurable("FRA", tmp_path)


def test_a_training_that_was_begun_without_is_not_measured_in_part(tmp_path):
    (tmp_path / "state").mkdir()
    with pytest.raises(UserError, match="begun without --carbon"):
        check_measurable("FRA", tmp_path)
    assert emissions_of(tmp_path) is None
