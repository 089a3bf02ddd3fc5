"""What training each layer adds to a score: the attributions, and the untrained layers they are taken against."""

import json

import matplotlib.image
import pytest
import torch
from networks import cnn, layers_of, mlp

from hf_sne.pipelines import BUILT_IN_ENCODER, load_pipeline
from hf_sne.pipelines.bars import LEAST_FULL_BAR, MAX_BARS, most_of
from hf_sne.pipelines.explain import DRAWS, UntrainedTensor, layer_attributions, untrained
from hf_sne.pipelines.plots import MAX_PANELS, attribution_bars
from hf_sne.pipelines.report import explanation_table, headline, neighbour_table
from hf_sne.weights import open_checkpoint

RECORD = json.loads((BUILT_IN_ENCODER / "results.json").read_text())


@pytest.fixture(scope="module")
def pipe():
    return load_pipeline(device="cpu")


SHAPE = (3, 70_000)


def test_an_untrained_tensor_is_the_same_however_it_is_read():
    tensor = UntrainedTensor(SHAPE, -0.5, 0.5, seed=7, whole_shape=SHAPE)
    whole = tensor.elements(0, 210_000)
    assert whole.shape == (210_000,)
    assert -0.5 <= float(whole.min()) < -0.49
    assert 0.49 < float(whole.max()) <= 0.5
    for start, stop in ((0, 1), (65_535, 65_537), (70_000, 140_000), (209_999, 210_000), (5, 5)):
        torch.testing.assert_close(tensor.elements(start, stop), whole[start:stop])
    assert not torch.equal(whole, UntrainedTensor(SHAPE, -0.5, 0.5, seed=8, whole_shape=SHAPE).elements(0, 210_000))


def test_an_untrained_layer_is_as_torch_initialises_it():
    convolution, norm = layers_of(cnn())[:2]
    fresh = untrained(convolution, seed=0)
    bound = (1 * 3 * 3) ** -0.5
    assert fresh.weight.shape == (6, 1, 3, 3)
    assert fresh.weight.elements(0, 54).abs().max() <= bound
    assert fresh.bias.elements(0, 6).abs().max() <= bound
    assert fresh.source == convolution.source
    fresh = untrained(norm, seed=0)
    assert fresh.weight.elements(0, 6).tolist() == [1.0] * 6
    assert fresh.bias.elements(0, 6).tolist() == [0.0] * 6


def test_an_untrained_part_of_a_layer_starts_as_the_whole_layer_does():
    state = {"fc1.weight": torch.randn(64, 32), "fc2.weight": torch.randn(10, 64)}
    with open_checkpoint(state, max_parameters=500) as checkpoint:
        first, second = checkpoint.layers
    fresh = untrained(second, seed=0)
    assert second.weight.shape[1] < 64
    assert (fresh.weight.shape, fresh.weight.whole_shape) == (second.weight.shape, (10, 64))
    assert fresh.weight.high == 64**-0.5
    assert first.weight.whole_shape == (64, 32)


def test_an_attribution_is_what_the_score_loses_without_the_layer():
    layers = layers_of(mlp())
    seen = []

    def score(network):
        seen.append([type(layer).__name__ for layer in network])
        return 0.9 - 0.2 * (network[1] is not layers[1]) + 0.1 * (network[2] is not layers[2])

    told = list(layer_attributions(layers, score(layers), score))
    assert [round(row["attribution"], 6) for row in told] == [0.0, 0.2, -0.1]
    assert [row["name"] for row in told] == ["0", "2", "4"]
    assert [row["parameters"] for row in told] == [20 * 40 + 40, 40 * 12 + 12, 12 * 10 + 10]
    assert len(seen) == 1 + 3 * DRAWS
    assert all(names.count("UntrainedLayer") == 1 for names in seen[1:])


def test_the_pipeline_explains_when_asked(pipe):
    plain, explained = pipe(cnn()), pipe(cnn(), explain=True)
    layers, neighbours = explained.pop("layers"), explained.pop("neighbours")
    assert explained == plain
    assert [row["name"] for row in layers] == ["0", "1", "4", "7", "9"]
    assert any(row["attribution"] for row in layers)
    assert pipe(cnn(), explain=True)["layers"] == layers, "the same draws at every call"
    json.dumps([layers, neighbours])
    assert len(neighbours) == 5
    for neighbour in neighbours:
        zoo, name = neighbour["name"].split("/")
        assert zoo in RECORD["networks"]
        assert name
        assert 0 <= neighbour["test_accuracy"] <= 1


def test_a_training_network_is_its_own_nearest_neighbour(pipe):
    calibration = pipe.model.calibration
    codes = calibration.references[:8] * calibration.scale + calibration.center
    assert calibration.nearest(codes, 1)[1].flatten().tolist() == list(range(8))


def _explained(source: str, names: list[str]) -> dict:
    layers = [{"name": name, "role": "linear", "attribution": 0.1 * (-1) ** n} for n, name in enumerate(names)]
    known = {"interval": {"low": 0.3, "high": 0.8}, "in_distribution": {"verdict": False}}
    return {"score": 0.5, "checkpoint": {"source": source}, "layers": layers, **known}


def test_bars_are_drawn_whatever_the_names(tmp_path):
    names = ["$\\frac{\x1b[2J", "a$b", "_hidden", "x" * 1024]
    attribution_bars([_explained("$m", names), _explained("n", names)], tmp_path / "bars.png")
    pixels = (matplotlib.image.imread(tmp_path / "bars.png")[..., :3] * 255).round().astype(int)
    above, below = ((pixels == colour).all(-1).nonzero() for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)))
    half = len(pixels) / 2
    for rows in (above[0], below[0]):
        assert rows.min() < half < rows.max(), "both panels have bars"
    assert above[1].min() > below[1].max(), "the axis of 0 is the border"


def test_a_title_is_not_cut_off(tmp_path):
    """Beside a long name with the warning that the network is unlike the training's the picture's edges are white."""
    attribution_bars([_explained("folder/" * 30 + "wild-cifar10.safetensors", ["a" * 60])], tmp_path / "bars.png")
    title = matplotlib.image.imread(tmp_path / "bars.png")[:45, :, :3]
    assert title.min() < 0.2, "the title is there"
    assert title[:, :4].min() == title[:, -4:].min() == 1.0


def test_a_figure_has_bounds(tmp_path):
    deep = [str(number) for number in range(500)]
    attribution_bars([_explained(str(number), deep) for number in range(25)], tmp_path / "bars.png")
    height = matplotlib.image.imread(tmp_path / "bars.png").shape[0]
    assert height < 130 * MAX_PANELS * (0.24 * MAX_BARS + 1.3)


def test_the_table_shows_a_bar_for_each_layer_and_no_control_characters():
    names = {"good": 0.2, "bad\x1b[2J": -0.1, "nothing": 0.0}
    layers = [
        {"name": name, "role": "linear", "parameters": 1234, "attribution": value} for name, value in names.items()
    ]
    result = {"checkpoint": {"source": "model\x1b[2J"}, "score": 0.5, "layers": layers}
    weaker = {"layers": [{"attribution": -0.15}]}
    table = explanation_table(result, most_of([result, weaker]))
    bars = [cell.plain for cell in table.columns[-1].cells]
    assert [len(bar) for bar in bars] == [24, 12, 0]
    assert most_of([weaker]) == 0.15
    assert most_of([]) == LEAST_FULL_BAR
    assert list(table.columns[3].cells) == ["+0.200", "-0.100", "+0.000"]
    assert "\x1b" not in headline(result).plain + "".join(cell.plain for cell in table.columns[0].cells)


def test_the_neighbours_are_shown_without_control_characters():
    neighbours = [{"name": "zoo/run\x1b[2J", "test_accuracy": 0.5}]
    told = {"checkpoint": {"source": "model"}, "neighbours": neighbours}
    table = neighbour_table({**told, "in_distribution": {"verdict": False, "percentile": 96.0}})
    assert table.caption == "96 % of held-out networks of the zoos have nearer ones"
    assert neighbour_table({**told, "in_distribution": {"verdict": None, "percentile": None}}).caption is None
    assert list(table.columns[1].cells) == ["0.500"]
    assert "\x1b" not in table.columns[0]._cells[0].plain
