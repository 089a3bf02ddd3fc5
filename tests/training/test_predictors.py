"""Every predictor learns from what it reads."""

import numpy as np
import pytest
import torch
from drawn_networks import shifted_network
from small_grids import take_first_settings

from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.models.baselines import tuned_regressor
from hf_sne.models.sne import SneConfig
from hf_sne.training.config import TrainingConfig
from hf_sne.training.fit_module import fit_module
from hf_sne.training.predictors import PREDICTORS
from hf_sne.zoo.entries import targets

LEARN = (
    "sne",
    "layer_statistics_boosting",
    "statistics_boosting",
    "statistics_mlp",
    "fixed_statistics_boosting",
    "fixed_statistics_mlp",
    "flat_mlp",
    "deep_sets",
    "deep_sets_without_positions",
    "nfn_np",
    "nfn_hnp",
    "log_norm",
    "hyperparameters_only",
)


@pytest.mark.parametrize("name", LEARN)
def test_a_predictor_ranks_networks_when_what_it_reads_tells_their_accuracy(name, tmp_path, monkeypatch):
    if name.startswith("nfn"):
        pytest.importorskip("nfn")
    monkeypatch.setattr(tuned_regressor, "FOLDS", 2)
    take_first_settings(monkeypatch)
    entries = [shifted_network(number) for number in range(140)]
    predictor = PREDICTORS[name](TrainingConfig(zoos=[], epochs=10, patience=0, batch_size=16, learning_rate=0.003))
    predictor.fit(entries[:80], entries[80:100], seed=0, work=tmp_path)
    assert kendall_tau(predictor.predict(entries[100:]), targets(entries[100:])) > 0.6


@pytest.mark.parametrize("name", sorted(set(PREDICTORS) - set(LEARN)))
def test_controls_and_rules_predict_a_number_for_each_network(name, tmp_path, monkeypatch):
    """Those that read little of the weights or nothing; of SNE as in the paper one pass says no more."""
    if name in ("alpha", "weighted_alpha"):
        pytest.importorskip("weightwatcher")
    take_first_settings(monkeypatch)
    entries = [shifted_network(number) for number in range(30)]
    config = TrainingConfig(zoos=[], epochs=1, patience=0, batch_size=8, model={"hidden_size": 8})
    predictor = PREDICTORS[name](config)
    predictor.fit(entries[:15], entries[15:20], seed=0, work=tmp_path)
    predicted = predictor.predict(entries[20:])
    assert predicted.shape == (10,)
    assert np.isfinite(predicted).all()


def test_a_module_is_kept_as_it_was_after_its_best_epoch():
    """One that turns the ranking around after two passes: what follows is worse, and is not kept."""

    class Turning(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.slope = torch.nn.Parameter(torch.zeros(1))
            self.register_buffer("passes", torch.zeros(1))

        def forward(self, rows):
            self.passes += self.training
            return (rows.squeeze(1) + self.slope * 0) * (1 if self.passes <= 2 else -1)

    rows = torch.linspace(-1, 1, 8)[:, None]

    def encode(places):
        return {"rows": rows[list(places)]}

    labels = torch.sigmoid(rows.squeeze(1)).tolist()
    kept = fit_module(Turning, (encode, labels), (encode, labels), epochs=6, batch_size=8, weight_decay=0.01, seed=0)
    assert kept.passes <= 2
    assert kept.eval()(rows).argmax() == 7


def test_sne_as_in_the_paper_takes_nothing_but_its_width_from_the_configuration():
    config = TrainingConfig(zoos=["one"], order_weight=2.0, model={"hidden_size": 16, "statistics": ["spectrum"]})
    papers = PREDICTORS["sne_paper"](config).config
    assert SneConfig(**papers.model).to_dict() == SneConfig.paper(hidden_size=16, element_size=16).to_dict()
    assert (papers.order_weight, papers.invariance_weight) == (0.0, 1.0)
