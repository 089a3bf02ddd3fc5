from pathlib import Path

import matplotlib.image
import numpy as np

from hf_sne.pipelines.plots import scatter_predictions


def test_a_scatter_is_a_png_with_a_colour_a_family(tmp_path: Path) -> None:
    points = [
        {"family": family, "damage": damage, "measured": 0.4, "predicted": 0.5, "low": 0.3, "high": 0.7}
        for family in ("cnn", "mlp", "resnet")
        for damage in ("none", "shuffled")
    ]
    path = tmp_path / "scatter.png"
    scatter_predictions(points, "three families", path)
    pixels = matplotlib.image.imread(path)[..., :3]
    colours = {
        tuple(colour) for colour in np.unique((pixels * 255).round().astype(int).reshape(-1, 3), axis=0).tolist()
    }
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)} <= colours
