"""Recipes are scripts: they are loaded from their files."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="session")
def recipe():
    """``recipe(name)``: what ``python recipes/NAME.py`` runs."""

    def load(name):
        spec = spec_from_file_location(f"{name}_recipe", RECIPES / f"{name}.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main

    return load
