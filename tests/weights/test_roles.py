import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.weight_norm import weight_norm
from transformers.pytorch_utils import Conv1D

from hf_sne.weights import ROLES, open_checkpoint


class Branches(nn.Module):
    """A module with the submodules given, in their order."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def roles(source: nn.Module | dict) -> dict[str, str]:
    return {layer.name: layer.role for layer in open_checkpoint(source).layers}


def both_ways(net: nn.Module) -> dict[str, str]:
    """The roles told by the classes, which those told by the names must equal."""
    by_class = roles(net)
    assert roles(net.state_dict()) == by_class
    assert set(by_class.values()) <= set(ROLES)
    return by_class


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv1d(2, 4, 3),
        nn.Conv2d(2, 4, 3),
        nn.Conv3d(2, 4, 3),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 8, 3, groups=2),
        nn.ConvTranspose2d(4, 2, 3),
    ],
)
def test_convolutions(conv):
    assert both_ways(Branches(conv=conv)) == {"conv": "conv"}


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(3), nn.LayerNorm(3), nn.GroupNorm(1, 3), nn.RMSNorm(3)])
def test_norms(norm):
    assert both_ways(Branches(norm=norm)) == {"norm": "norm"}


def test_a_norm_over_two_axes_is_told_by_its_class():
    assert roles(Branches(norm=nn.LayerNorm((3, 4)))) == {"norm": "norm"}


@pytest.mark.parametrize(
    "cell", [nn.LSTM(3, 4, 2, bidirectional=True), nn.GRU(3, 4), nn.LSTM(3, 4, proj_size=2), nn.RNN(3, 4)]
)
def test_recurrent_layers_are_one_a_matrix(cell):
    found = both_ways(Branches(rnn=cell))
    matrices = [f"rnn.{name}" for name, _ in cell.named_parameters() if name.startswith("weight")]
    assert list(roles(Branches(rnn=cell))) == matrices
    assert set(found.values()) == {"recurrent"}


def test_recurrent_weights_have_their_biases():
    pairs = {layer.weight.name: layer.bias.name for layer in open_checkpoint(Branches(rnn=nn.GRUCell(3, 4))).layers}
    assert pairs == {"rnn.weight_ih": "rnn.bias_ih", "rnn.weight_hh": "rnn.bias_hh"}


def test_attention():
    attention = Branches(attn=nn.MultiheadAttention(4, 2))
    assert both_ways(attention) == {"attn.in_proj_weight": "attention", "attn.out_proj": "attention"}
    (packed, _) = open_checkpoint(attention).layers
    assert packed.bias.name == "attn.in_proj_bias"


def test_attention_with_separate_projections():
    found = both_ways(Branches(attn=nn.MultiheadAttention(4, 2, kdim=3, vdim=5)))
    for kind in "qkv":
        assert found[f"attn.{kind}_proj_weight"] == "attention"
    assert found["attn.in_proj_bias"] == "other"


def test_embeddings():
    net = Branches(wte=nn.Embedding(5, 4), tokens=nn.EmbeddingBag(5, 4), embedding_proj=nn.Linear(4, 4))
    assert roles(net) == {"wte": "embedding", "tokens": "embedding", "embedding_proj": "linear"}


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("model.embed_tokens", "embedding"),
        ("bert.embeddings.word_embeddings", "embedding"),
        ("transformer.wpe", "embedding"),
        ("tok_emb", "embedding"),
        ("posEmbedding", "embedding"),
        ("shared", "embedding"),
        ("embed_out_proj", "linear"),
        ("time_embed.0", "linear"),
        ("embed_tokens.0", "embedding"),
        ("member", "linear"),
        ("h.0.attn.c_attn", "attention"),
        ("h.0.attn.c_proj", "attention"),
        ("h.0.mlp.c_proj", "linear"),
        ("layers.0.self_attn.k_proj", "attention"),
        ("encoder.layer.0.attention.output.dense", "attention"),
        ("block.0.SelfAttention.q", "attention"),
        ("blocks.0.to_out.0", "attention"),
        ("encoder.query", "attention"),
        ("lm_head", "linear"),
    ],
)
def test_matrices_by_name(name, role):
    assert roles({f"{name}.weight": torch.ones(3, 4)}) == {name: role}


def test_a_linear_layer_is_no_embedding_whatever_its_name():
    assert roles(Branches(embed=nn.Linear(2, 3))) == {"embed": "linear"}


def test_the_linear_layer_of_transformers_is_linear_or_attention():
    net = Branches(c_attn=Conv1D(6, 2), c_fc=Conv1D(8, 2))
    assert both_ways(net) == {"c_attn": "attention", "c_fc": "linear"}


def test_slopes_are_no_norm():
    assert roles(Branches(slope=nn.PReLU(4))) == {"slope": "other"}
    assert roles({"slope.weight": torch.ones(1)}) == {"slope": "other"}


@pytest.mark.parametrize("normed", [weight_norm, parametrizations.weight_norm])
def test_of_a_weight_norm_the_direction_is_the_layer_and_the_magnitude_its_own(normed):
    net = Branches(conv=normed(nn.Conv1d(2, 4, 3)))
    layers = {layer.name: layer for layer in open_checkpoint(net).layers}
    assert both_ways(net).pop("conv") == "conv"
    assert layers["conv"].weight.shape == (4, 2, 3)
    assert layers["conv"].bias.name == "conv.bias"
    (magnitude,) = (layer for name, layer in layers.items() if name != "conv")
    assert (magnitude.role, magnitude.weight.numel) == ("other", 4)


@pytest.mark.parametrize("normed", [nn.utils.spectral_norm, parametrizations.spectral_norm])
def test_of_a_spectral_norm_the_vectors_are_buffers(normed):
    net = Branches(fc=normed(nn.Linear(3, 4)))
    assert both_ways(net) == {"fc": "linear"}
    reasons = [skipped.reason for skipped in open_checkpoint(net.state_dict()).skipped]
    assert reasons == ["buffer, not a learned weight"] * 2


def test_ranks_without_a_custom_are_other():
    assert roles({"a.weight": torch.ones((1, 1, 1, 1, 1, 2))}) == {"a": "other"}
