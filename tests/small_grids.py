"""Baselines that are tuned over one setting, where a test asks for their shape and not for their best."""

from hf_sne.models.baselines import tuned_regressor


def take_first_settings(patch):
    """The first value of every field of both grids, until ``patch`` is undone."""
    for grid in (tuned_regressor.BOOSTING_GRID, tuned_regressor.MLP_GRID):
        for field, values in grid.items():
            patch.setitem(grid, field, values[:1])
