"""Folders in the layout of the Small CNN Zoo, filled with random weights."""

import math

import numpy as np
import pandas as pd

from hf_sne.zoo.families import build_network

WIDTH = 16
CLASSES = 10
EPOCHS = 86
STEPS = (0, 20, EPOCHS)
ACTIVATIONS = ("relu", "tanh")


def variables(channels=1):
    """Names and shapes of a row, in the order in which the zoo publishes them."""
    found = []
    for layer, inputs in (("conv2d", channels), ("conv2d_1", WIDTH), ("conv2d_2", WIDTH)):
        found += [(f"sequential/{layer}/bias:0", (WIDTH,)), (f"sequential/{layer}/kernel:0", (3, 3, inputs, WIDTH))]
    return [*found, ("sequential/dense/bias:0", (CLASSES,)), ("sequential/dense/kernel:0", (WIDTH, CLASSES))]


def write_layout(folder, named, shown=str):
    ends = np.cumsum([math.prod(shape) for _, shape in named])
    rows = [
        {"varname": name, "start_idx": end - math.prod(shape), "end_idx": end, "shape": shown(shape)}
        for (name, shape), end in zip(named, ends, strict=True)
    ]
    pd.DataFrame(rows).to_csv(folder / "layout.csv", index=False)
    return int(ends[-1])


def metrics(count, first=0):
    """The columns of the published table."""
    random = np.random.default_rng(first)
    places = range(first, first + count)
    return pd.DataFrame(
        {
            "modeldir": [f"/dir/{place // len(STEPS)}" for place in places],
            "step": [STEPS[place % len(STEPS)] for place in places],
            "train_accuracy": random.random(count),
            "train_loss": random.random(count),
            "test_accuracy": random.random(count),
            "test_loss": random.random(count),
            "config.activation": [ACTIVATIONS[place % 2] for place in places],
            "config.b_init": "zeros",
            "config.dataset": "svhn_cropped",
            "config.dropout": 0.25,
            "config.epochs": EPOCHS,
            "config.init_std": 0.03,
            "config.l2reg": 1e-4,
            "config.learning_rate": 2e-3,
            "config.optimizer": "adam",
            "config.random_seed": 42,
            "config.train_fraction": 0.5,
            "config.w_init": ["TruncatedNormal" if place % 2 else "he_normal" for place in places],
        }
    )


def write_zoo(folder, count=6, channels=1, named=None):
    folder.mkdir(exist_ok=True)
    length = write_layout(folder, variables(channels) if named is None else named)
    weights = np.random.default_rng(1).normal(scale=0.3, size=(count, length)).astype(np.float32)
    np.save(folder / "weights.npy", weights)
    metrics(count).to_csv(folder / "metrics.csv.gz", index=False)
    return weights


def write_pytorch_zoo(folder, names, rows):
    folder.mkdir()
    state = build_network("small_cnn", {"activation": "relu"}, (1, 28, 28), CLASSES).state_dict()
    named = [(name, tuple(tensor.shape)) for name, tensor in zip(names(state), state.values(), strict=True)]
    length = write_layout(folder, named, lambda shape: "x".join(map(str, shape)))
    weights = np.random.default_rng(2).normal(size=(rows, length)).astype(np.float32)
    np.save(folder / "weights.npy", weights)
    metrics(rows).to_csv(folder / "metrics.csv", index=False)
    return weights, state
