"""Boosted trees for an encoder: grown by scikit-learn, kept as the model's buffers."""

from collections.abc import Sequence
from typing import Any

import torch
from scipy.special import logit
from sklearn.ensemble import GradientBoostingRegressor
from torch import Tensor

from hf_sne.models.sne.boosted_trees import BoostedTrees, pool_statistics
from hf_sne.models.sne.set_layers import Sets
from hf_sne.training.examples import Example
from hf_sne.zoo.entries import targets

# Their share of the logit.
_SHARE = 0.5
# Accuracies beyond it and its opposite count as it: logits of 0 and 1 are infinite.
_LEAST = 0.003
_RATE = 0.05
# Of the statistics, tried at each split.
_TRIED = 0.2
_SMALLEST_LEAF = 5


def pooled_statistics(examples: Sequence[Example]) -> Tensor:
    """What trees read of n networks, [n, i]."""
    counts = torch.tensor([len(example.statistics) for example in examples])
    networks = Sets(torch.repeat_interleave(counts), len(examples))
    return pool_statistics(torch.cat([example.statistics for example in examples]), networks)


@torch.no_grad()
def grow(trees: BoostedTrees, examples: Sequence[Example], seed: int) -> None:
    """Fill ``trees`` with those that predict the networks' accuracies, as logits."""
    count, nodes = trees.features.shape
    grown = GradientBoostingRegressor(
        n_estimators=count,
        learning_rate=_RATE,
        max_depth=None,
        max_leaf_nodes=(nodes + 1) // 2,
        min_samples_leaf=_SMALLEST_LEAF,
        max_features=_TRIED,
        random_state=seed,
    )
    logits = logit(targets([example.entry for example in examples]).clip(_LEAST, 1 - _LEAST))
    grown.fit(pooled_statistics(examples).numpy(), logits)
    trees.reset()
    for number, (estimator,) in enumerate(grown.estimators_):
        _copy(estimator.tree_, trees, number)
    # What boosting starts from, the mean, goes to the first tree.
    trees.values[0] += float(logits.mean())
    trees.weight.fill_(_SHARE)


def _copy(tree: Any, trees: BoostedTrees, number: int) -> None:
    """One of scikit-learn's trees as the tree of that number; it marks leaves by a child of -1."""
    nodes = slice(tree.node_count)
    itself = torch.arange(tree.node_count)
    sides = [torch.from_numpy(side) for side in (tree.children_left, tree.children_right)]
    trees.branches[number, nodes] = torch.stack([side.where(side >= 0, itself) for side in sides], 1)
    trees.features[number, nodes] = torch.from_numpy(tree.feature).clamp(min=0)
    trees.thresholds[number, nodes] = torch.from_numpy(tree.threshold).float()
    trees.values[number, nodes] = torch.from_numpy(_RATE * tree.value[:, 0, 0]).float()
