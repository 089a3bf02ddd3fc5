from pathlib import Path

import matplotlib.image
import numpy as np

from hf_sne.pipelines.plots import margin_bars, reliability_diagram, scatter_panels, scatter_predictions


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


def test_margins_below_zero_are_in_another_colour(tmp_path: Path) -> None:
    above, below = ({"value": sign * 0.2, "low": sign * 0.2 - 0.1, "high": sign * 0.2 + 0.1} for sign in (1, -1))
    margin_bars({"one, $\\frac{$": {"_a": above}, "two": {"_a": above, "\x1b[2Jb": above}}, tmp_path / "above.png")
    margin_bars({"one": {"a": above, "b": below}}, tmp_path / "both.png")
    blue, red = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
    assert blue in _colours(tmp_path / "above.png")
    assert red not in _colours(tmp_path / "above.png")
    assert {blue, red} <= _colours(tmp_path / "both.png")


def _colours(path: Path) -> set[tuple[int, ...]]:
    pixels = (matplotlib.image.imread(path)[..., :3] * 255).round().astype(int)
    return {tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()}
