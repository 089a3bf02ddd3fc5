"""Pictures of a zoo."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from hf_sne.zoo.atomic import atomic_file


def accuracy_histogram(labels: pd.DataFrame, path: Path) -> bool:
    """Stacked histogram of the test accuracies, one colour a family, as PNG; False where there is no matplotlib."""
    if find_spec("matplotlib") is None:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    groups = [(str(name), part["test_accuracy"].dropna()) for name, part in labels.groupby("family", sort=False)]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.hist(
        [values for _, values in groups],
        bins=np.linspace(0, 1, 51).tolist(),
        stacked=True,
        label=[f"{name} ({len(values):,})" for name, values in groups],
    )
    axes.set(xlabel="test accuracy", ylabel="checkpoints", xlim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    # Beside the bars: most zoos have networks at either end.
    figure.legend(loc="outside right upper", frameon=False, title="family (checkpoints)", reverse=True)
    with atomic_file(path) as part:
        figure.savefig(part, format="png", dpi=150, metadata={"Software": None})
    return True
