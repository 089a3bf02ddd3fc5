"""Recipes are scripts: they are loaded from their files."""

import runpy
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="session")
def recipe():
    """``recipe(name)``: what ``python recipes/NAME.py`` runs."""
    return lambda name: runpy.run_path(str(RECIPES / f"{name}.py"))["main"]
