"""SNE as a transformers model: configuration, batches, saving and loading, loss."""

import pytest
import torch
from networks import cnn, layers_of, mlp
from torch import nn
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForSequenceClassification, AutoProcessor

from hf_sne.models.baselines.norms import mean_log_norms
from hf_sne.models.sne import SneConfig, SneForPerformancePrediction, SneModel, SneProcessor
from hf_sne.zoo.entries import read_layers

CONFIGS = {
    "default": SneConfig(),
    "paper": SneConfig.paper(),
    "positions": SneConfig(element_positions="added", level_positions=True, type_positions=True),
    "projected": SneConfig(element_positions="projected", outgoing_view=False),
    "one set": SneConfig(separate_bias=False, tensor_features=False, network_set_to_set="deepset"),
    "linear attention": SneConfig(layer_set_to_set="isab", layer_set_to_vector="pma", network_set_to_set="sab"),
    "mse": SneConfig(loss="mse", chunk_size=16, head_layers=2, dropout=0.1),
}


def _model(config):
    torch.manual_seed(0)
    return SneForPerformancePrediction(config).eval()


@pytest.fixture(params=CONFIGS)
def config(request):
    return SneConfig(**CONFIGS[request.param].to_dict())


@torch.no_grad()
def test_networks_of_different_architecture_in_one_batch(config):
    networks = [layers_of(network) for network in (mlp(), cnn(), nn.Linear(3, 2))]
    processor, model = SneProcessor.from_config(config), _model(config)
    output = model(**processor(networks), labels=torch.tensor([0.1, 0.5, 0.9]))
    assert output.scores.shape == (3,)
    assert ((output.scores > 0) & (output.scores < 1)).all()
    assert len({round(score, 5) for score in output.scores.tolist()}) == 3
    assert output.loss.isfinite()
    encoded = model.sne(**processor(networks))
    assert encoded.network_embedding.shape == (3, config.embedding_size)
    assert encoded.layer_embeddings.shape == (3 + 5 + 1, config.hidden_size)


def test_every_parameter_gets_a_gradient(config):
    """Distributed training stops at a parameter that takes no part in the loss."""
    processor, model = SneProcessor.from_config(config), _model(config)
    model(**processor([layers_of(mlp()), layers_of(cnn())]), labels=torch.tensor([0.1, 0.5])).loss.backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == []


@torch.no_grad()
def test_save_and_load_with_the_auto_classes(config, tmp_path):
    processor, model = SneProcessor.from_config(config), _model(config)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).to_diff_dict() == model.config.to_diff_dict()
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert isinstance(loaded, SneForPerformancePrediction)
    encoder = AutoModel.from_pretrained(tmp_path)
    assert isinstance(encoder, SneModel)
    for kind in (AutoProcessor, AutoFeatureExtractor):
        assert kind.from_pretrained(tmp_path).to_dict() == processor.to_dict()
    batch = AutoProcessor.from_pretrained(tmp_path)([layers_of(mlp()), layers_of(cnn())])
    expected = model(**batch)
    torch.testing.assert_close(loaded(**batch).scores, expected.scores)
    torch.testing.assert_close(encoder(**batch).network_embedding, expected.network_embedding)


@torch.no_grad()
def test_half_precision_stays_close():
    model, batch = _model(SneConfig(num_references=8)), SneProcessor()([layers_of(mlp()), layers_of(cnn())])
    model.calibration.radius.copy_(torch.tensor([2.0, 6.0]))
    full = model(**batch).scores
    half = model.to(torch.bfloat16)(**batch)
    torch.testing.assert_close(half.scores, full, atol=0.02, rtol=0)
    assert model.calibration(half.scores, half.network_embedding).interval.isfinite().all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layer_set_to_set": "gru"}, "layer_set_to_set is 'gru'"),
        ({"element_positions": "yes"}, "element_positions is 'yes'"),
        ({"chunk_size": 0}, "chunk_size is 0, must be at least 1"),
        ({"num_trees": -1}, "num_trees is -1, must be at least 0"),
        ({"tree_leaves": 1}, "tree_leaves is 1, must be at least 2"),
        ({"hidden_size": 66}, "hidden_size is 66, must be a multiple of num_heads, 4"),
        ({"neuron_level": False}, "outgoing_view is True and neuron_level False"),
        ({"norm_range": [1.0, 0.5, 2.0]}, "norm_range is .*, must be three numbers, the lowest first"),
    ],
)
def test_a_config_that_cannot_be_built_is_refused(changes, words):
    with pytest.raises(Exception, match=words):
        SneConfig(**changes)


@torch.no_grad()
def test_neurons_beyond_the_cap_share_codes_and_all_weights_count():
    config = SneConfig(max_neurons=16)
    processor, model = SneProcessor.from_config(config), _model(config)
    network = mlp((20, 40, 10))
    batch = processor([layers_of(network)])
    assert batch["neurons_per_tensor"].tolist() == [4, 1, 4, 1]
    before = model(**batch).scores
    network[0].weight.data[39] += 1.0
    assert abs(float(model(**processor([layers_of(network)])).scores - before)) > 1e-6


@torch.no_grad()
def test_the_norms_move_the_logits_within_their_range():
    networks = [layers_of(cnn()), layers_of(mlp()), layers_of(mlp(seed=1))]
    plain, processor = _model(SneConfig()), SneProcessor()
    norms = torch.tensor(mean_log_norms([read_layers(network) for network in networks])[:, 0]).float()
    low, high = float(norms.min()), float(norms.sort().values[1])
    middle = low + (high - low) / 4
    model = _model(SneConfig(norm_weight=2.0, norm_range=[low, middle, high]))
    batch = processor(networks)
    torch.testing.assert_close(model.sne(**batch).mean_log_norms, norms)
    moved = model(**batch).member_logits - plain(**batch).member_logits
    expected = 2 * (norms.clamp(low, high) - middle)
    torch.testing.assert_close(moved, expected.unsqueeze(1).expand_as(moved))
    assert float(moved.max()) == pytest.approx(2 * (high - middle)), "no network is moved by more"


@torch.no_grad()
def test_matrices_of_zeros_and_vectors_have_no_norm_that_counts():
    model, processor = _model(SneConfig(norm_weight=1.0, norm_range=[-1.0, 0.0, 1.0])), SneProcessor()
    network = mlp()
    network[2].weight.zero_()
    norms = [network[place].weight.norm().log10() for place in (0, 4)]
    found = model.sne(**processor([layers_of(network)])).mean_log_norms
    torch.testing.assert_close(found, torch.stack(norms).mean().view(1))
    assert mean_log_norms([read_layers(layers_of(network))])[0, 0] == pytest.approx(float(found), abs=1e-6)
    batch = processor([layers_of(nn.BatchNorm1d(5)), layers_of(network)])
    assert model.sne(**batch).mean_log_norms[0].isnan()
    assert model(**batch).scores.isfinite().all()


def test_an_uncalibrated_model_claims_nothing():
    model = _model(SneConfig())
    assessment = model.calibration(torch.tensor([0.3]), torch.zeros(1, 64))
    assert assessment.interval.tolist() == [[0.0, 1.0]]
    assert assessment.percentile.tolist() == [100.0]
    assert not assessment.in_distribution.any()


def test_an_encoder_without_a_head_is_no_predictor(tmp_path):
    _model(SneConfig()).sne.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds no trained predictor"):
        SneForPerformancePrediction.from_pretrained(tmp_path)


def test_raw_weights_where_the_config_says_so():
    """The paper encodes weights as they are; standardised, networks that differ in scale alone read the same."""
    network, larger = mlp(), mlp()
    larger[0].weight.data *= 3
    for config, factor in ((SneConfig.paper(), 3.0), (SneConfig(), 1.0)):
        plain, scaled = (
            SneProcessor.from_config(config)([layers_of(net)])["chunk_values"] for net in (network, larger)
        )
        torch.testing.assert_close(scaled[0], plain[0] * factor)
    raw = SneProcessor.from_config(SneConfig.paper())([layers_of(network)])["chunk_values"]
    assert torch.equal(raw[0], network[0].weight.flatten()[:32])


def test_roles_are_those_of_the_reader():
    from hf_sne.models.sne.planning import ROLES
    from hf_sne.weights import ROLES as READ

    assert ROLES == READ
