from pathlib import Path

import matplotlib.image
import numpy as np

from hf_sne.evaluation.board import Margin, Margins
from hf_sne.pipelines.plots import (
    MAX_PANELS,
    MAX_ROWS,
    margin_bars,
    reliability_diagram,
    scatter_panels,
    scatter_predictions,
)


def test_a_scatter_is_a_png_with_a_colour_a_family(tmp_path: Path) -> None:
    points = [
        {"family": family, "damage": damage, "measured": 0.4, "predicted": 0.5, "low": 0.3, "high": 0.7}
        for family in ("cnn", "mlp", "resnet")
        for damage in ("none", "shuffled")
    ]
    path = tmp_path / "scatter.png"
    scatter_predictions(points, "three families", path)
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)} <= _colours(path)


def test_panels_show_every_data_set(tmp_path: Path) -> None:
    points = [
        {"data": name, "measured": place / 50, "predicted": 0.5} for name in ("$\\frac{$", "_b") for place in range(50)
    ]
    scatter_panels({"here": points, "elsewhere": points[:50]}, tmp_path / "panels.png")
    assert len(_colours(tmp_path / "panels.png")) > 3
    width, height = matplotlib.image.imread(tmp_path / "panels.png").shape[1::-1]
    assert width > 1.5 * height, "two panels stand side by side"


def test_a_reliability_diagram_has_a_line_a_group(tmp_path: Path) -> None:
    coverages = {"test": [0.5, 0.9], "$\\frac{$": [0.4, 0.8], "cnn\x1b[2J": [0.6, 1.0]}
    reliability_diagram([0.5, 0.9], coverages, tmp_path / "lines.png")
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)} <= _colours(tmp_path / "lines.png")


def _margins(*ends: tuple[float, float], name: str = "$\\frac{$ \x1b[2J") -> Margins:
    rows = [Margin(f"_{place}{name}", (low + high) / 2, low, high, 2) for place, (low, high) in enumerate(ends)]
    return Margins("cross, " + "data" * 40, f"other {name}", 0.7, 3, rows)


def test_margins_say_by_colour_which_side_of_zero_they_are(tmp_path: Path) -> None:
    blue, red, grey = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x7A, 0x8B, 0x99)
    above, below, across = (0.1, 0.3), (-0.3, -0.1), (-0.1, 0.3)
    for ends, shown in ((above, {blue}), (below, {red}), (across, {grey})):
        margin_bars([_margins(ends), _margins(ends)], tmp_path / "margins.png")
        assert {blue, red, grey} & _colours(tmp_path / "margins.png") == shown


def test_margins_of_many_comparisons_keep_to_a_size(tmp_path: Path) -> None:
    margin_bars([_margins((0.1, 0.2), name=str(place)) for place in range(MAX_PANELS * 10)], tmp_path / "many.png")
    width, height = matplotlib.image.imread(tmp_path / "many.png").shape[1::-1]
    assert width < 130 * 3 * (MAX_PANELS + 2)
    assert height < 130 * 0.3 * (MAX_ROWS + 10)


def _colours(path: Path) -> set[tuple[int, ...]]:
    pixels = (matplotlib.image.imread(path)[..., :3] * 255).round().astype(int)
    return {tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()}
