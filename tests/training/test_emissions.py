"""Energy and carbon dioxide of a training, as codecarbon measures them."""

import pytest

from hf_sne.training.emissions import CountryError, emissions_of, measured_emissions


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


def test_a_country_that_is_unknown_is_refused_before_the_training(tmp_path):
    with (
        pytest.raises(CountryError, match=r"no country 'Atlantis'.*three letters"),
        measured_emissions("Atlantis", tmp_path),
    ):
        raise AssertionError("the training began")
    assert not list(tmp_path.iterdir())
