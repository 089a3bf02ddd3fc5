"""Everything that can be compared: SNE, the baselines and the controls, behind one interface."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from hf_sne.models.baselines.deep_sets import DeepSets
from hf_sne.models.baselines.flat_mlp import FlatMlp, flat_weights
from hf_sne.models.baselines.neural_functional import NeuralFunctional
from hf_sne.models.baselines.norms import mean_log_norms
from hf_sne.models.baselines.power_laws import power_laws
from hf_sne.models.baselines.tensor_statistics import OtherArchitectureError
from hf_sne.models.baselines.tuned_regressor import TunedRegressor
from hf_sne.models.baselines.weight_statistics import fixed_layout_features, pooled_features, size_only_features
from hf_sne.models.sne import SneConfig, SneProcessor
from hf_sne.models.sne.boosted_trees import BoostedTrees
from hf_sne.training.config import TrainingConfig
from hf_sne.training.examples import ExampleMaker
from hf_sne.training.fit_module import Encode, fit_module, predict_module
from hf_sne.training.growing import grow, pooled_statistics
from hf_sne.training.trainer import predict, train
from hf_sne.zoo.entries import ReadLayer, ZooEntry, targets
from hf_sne.zoo.schema import HYPERPARAMETERS

Floats = NDArray[np.float64]
Entries = Sequence[ZooEntry]

# Of the neural baselines; the rate and the epoch that are best on validation runs are chosen in each fold.
_BATCH_SIZE = 32
_BASELINE_EPOCHS = 30
# Of DeepSets for other families: selected with the positions, as SNE's settings were (recipes/cross-architecture).
_DECAY_ELSEWHERE = 0.5
_DEEP_SETS = SneProcessor(neuron_level=False, outgoing_view=False, statistics=())


class Predictor(Protocol):
    """Learns from labelled networks to predict the targets of others, most often their accuracies."""

    def fit(self, train: Entries, validation: Entries, seed: int, work: Path) -> None:
        """Learn; a killed call that is made again may go on from what it left in ``work``.

        Raises:
            OtherArchitectureError: the networks are of several architectures, or of one that it cannot read.
        """

    def predict(self, entries: Entries) -> Floats:
        """Accuracies [n], not bound to [0, 1].

        Raises:
            OtherArchitectureError: the networks are of another architecture than those it was fitted on.
        """


@dataclass
class SnePredictor:
    """SNE, trained by the project's own loop."""

    config: TrainingConfig

    def fit(self, train_entries: Entries, validation: Entries, seed: int, work: Path) -> None:
        """Train; without patience nothing is chosen on the validation runs, and they are trained on too."""
        if not self.config.patience:
            train_entries = [*train_entries, *validation]
        processor = SneProcessor.from_config(SneConfig(**self.config.model))
        self._maker = ExampleMaker(processor, shuffles=self.config.order_weight > 0)
        examples = {"train": self._maker.make(train_entries), "validation": self._maker.make(validation)}
        self._model = train(replace(self.config, seed=seed), self._maker, examples, work, Accelerator())

    def predict(self, entries: Entries) -> Floats:
        """Accuracies [n]."""
        scores, _ = predict(self._model, self._maker, self._maker.make(entries))
        return scores


@dataclass
class TreesPredictor:
    """SNE's boosted trees without its encoder: what the statistics of layers tell by themselves."""

    config: TrainingConfig

    def fit(self, train_entries: Entries, validation: Entries, seed: int, work: Path) -> None:  # noqa: ARG002
        """Grow the trees, on train and validation runs together."""
        config = SneConfig(**self.config.model)
        self._maker = ExampleMaker(SneProcessor.from_config(config))
        self._trees = BoostedTrees(config)
        grow(self._trees, self._maker.make([*train_entries, *validation]), seed)

    def predict(self, entries: Entries) -> Floats:
        """Accuracies [n]."""
        return self._trees(pooled_statistics(self._maker.make(entries))).sigmoid().double().numpy()  # type: ignore[no-any-return]


@dataclass
class VectorPredictor:
    """A feature vector of each network, and a regressor tuned on train and validation runs together."""

    features: Callable[[Entries], Floats]
    kind: str

    def fit(self, train_entries: Entries, validation: Entries, seed: int, work: Path) -> None:  # noqa: ARG002
        """Tune and fit."""
        entries = [*train_entries, *validation]
        runs = [entry.run for entry in entries]
        self._regressor = TunedRegressor(self.kind, seed).fit(self.features(entries), targets(entries), runs)

    def predict(self, entries: Entries) -> Floats:
        """Accuracies [n]."""
        features, width = self.features(entries), self._regressor.search.n_features_in_
        if features.shape[1] != width:
            raise OtherArchitectureError(
                f"networks of {features.shape[1]} features, it was fitted on {width}",
                fix="compare predictors that read any architecture",
            )
        return self._regressor.rank(features)


@dataclass
class ModulePredictor:
    """A torch module that ``build`` makes of the training networks, on inputs that ``encode`` makes."""

    build: Callable[[Entries], nn.Module]
    encode: Callable[[Entries], Encode]
    weight_decay: float = 0.01

    def fit(self, train_entries: Entries, validation: Entries, seed: int, work: Path) -> None:  # noqa: ARG002
        """Tune and train."""
        self._module = fit_module(
            lambda: self.build(train_entries),
            (self.encode(train_entries), targets(train_entries)),
            (self.encode(validation), targets(validation)),
            epochs=_BASELINE_EPOCHS,
            batch_size=_BATCH_SIZE,
            weight_decay=self.weight_decay,
            seed=seed,
        )

    def predict(self, entries: Entries) -> Floats:
        """Accuracies [n]."""
        return predict_module(self._module, self.encode(entries), len(entries), _BATCH_SIZE)


def _networks(entries: Entries) -> list[list[ReadLayer]]:
    return [entry.read() for entry in entries]


def _of_networks(features: Callable[[Any], Floats]) -> Callable[[Entries], Floats]:
    return lambda entries: features(_networks(entries))


@cache
def _power_laws(entry: ZooEntry) -> Floats:
    """WeightWatcher takes longer for a network than all else together; each seed and both metrics ask for the same."""
    alphas: Floats = power_laws([entry.read()])[0]
    return alphas


def _power_law(number: int) -> Callable[[Entries], Floats]:
    return lambda entries: np.stack([_power_laws(entry)[[number]] for entry in entries])


def hyper_parameters(entries: Entries) -> Floats:
    """How each network was trained and for how long, [n, h], from its labels; weights are not read.

    The columns :data:`hf_sne.zoo.schema.HYPERPARAMETERS` but the seed, and the epoch; -1 where a label is missing.
    """
    names = [*(name for name in HYPERPARAMETERS if name != "seed"), "epoch"]
    return np.array([[_number(entry.labels.get(name)) for name in names] for entry in entries])


def _number(value: Any) -> float:
    """Of a category some number that is always the same: trees tell categories apart by it."""
    if value is None:
        return -1.0
    return float(zlib.crc32(value.encode()) % 1000) if isinstance(value, str) else float(value)


def _encode_flat(entries: Entries) -> Encode:
    flat = flat_weights(_networks(entries))
    return lambda places: {"flat": flat[list(places)]}


def _encode_chunks(entries: Entries) -> Encode:
    maker = ExampleMaker(_DEEP_SETS)
    examples = maker.make(entries)
    return lambda places: maker.encode([examples[place] for place in places], None, 0)


def _neural_functional(kind: str) -> ModulePredictor:
    return ModulePredictor(lambda entries: NeuralFunctional(_networks(entries), kind), _encode_flat)


def _paper(config: TrainingConfig) -> TrainingConfig:
    """:meth:`SneConfig.paper`; the paper gives neither a width, here ``config``'s, nor its invariance term's weight."""
    width = config.model.get("hidden_size", SneConfig().hidden_size)
    model = SneConfig.paper(hidden_size=width, element_size=width).to_diff_dict()
    return replace(config, model=model, invariance_weight=1.0, order_weight=0.0)


# Those that read the configuration.
CONFIGURED = ("sne", "sne_paper", "layer_statistics_boosting")
PREDICTORS: Mapping[str, Callable[[TrainingConfig], Predictor]] = {
    "sne": SnePredictor,
    "sne_paper": lambda config: SnePredictor(_paper(config)),
    "layer_statistics_boosting": TreesPredictor,
    "statistics_boosting": lambda _: VectorPredictor(_of_networks(pooled_features), "boosting"),
    "statistics_mlp": lambda _: VectorPredictor(_of_networks(pooled_features), "mlp"),
    "fixed_statistics_boosting": lambda _: VectorPredictor(_of_networks(fixed_layout_features), "boosting"),
    "fixed_statistics_mlp": lambda _: VectorPredictor(_of_networks(fixed_layout_features), "mlp"),
    "flat_mlp": lambda _: ModulePredictor(lambda entries: FlatMlp(_networks(entries)), _encode_flat),
    "deep_sets": lambda _: ModulePredictor(lambda _: DeepSets(), _encode_chunks),
    "deep_sets_without_positions": lambda _: ModulePredictor(
        lambda _: DeepSets(level_positions=False), _encode_chunks, weight_decay=_DECAY_ELSEWHERE
    ),
    "nfn_np": lambda _: _neural_functional("NP"),
    "nfn_hnp": lambda _: _neural_functional("HNP"),
    # Of the norm alone: its slope, the sign of it too, is fitted.
    "log_norm": lambda _: VectorPredictor(_of_networks(mean_log_norms), "linear"),
    "alpha": lambda _: VectorPredictor(_power_law(0), "linear"),
    "weighted_alpha": lambda _: VectorPredictor(_power_law(1), "linear"),
    "size_only": lambda _: VectorPredictor(_of_networks(size_only_features), "boosting"),
    "hyperparameters_only": lambda _: VectorPredictor(hyper_parameters, "boosting"),
}
