"""What a layer does in its network, told by its module's class, or else by its name and its weight's shape."""

import re
from typing import Literal, get_args

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from hf_sne.weights.naming import Slot

Role = Literal["linear", "conv", "embedding", "norm", "recurrent", "attention", "other"]
ROLES: tuple[Role, ...] = get_args(Role)

# transformers' Conv1D is a linear layer stored [in, out]; it is in no class below, so that its name and rank decide.
_ROLE_OF_CLASS: tuple[tuple[tuple[type[nn.Module], ...], Role], ...] = (
    ((_ConvNd,), "conv"),
    ((nn.Embedding, nn.EmbeddingBag), "embedding"),
    ((_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm), "norm"),
    ((nn.RNNBase, nn.RNNCellBase), "recurrent"),
    ((nn.MultiheadAttention,), "attention"),
    ((nn.Bilinear,), "linear"),
    ((nn.PReLU,), "other"),
)

_RECURRENT_STEM = re.compile(r"_(ih|hh|hr)(_l[0-9]+(_reverse)?)?")
_EMBEDDING_WORDS = {"embed", "embeds", "embedding", "embeddings", "emb", "embs", "wte", "wpe"}
# T5 names its token table so.
_EMBEDDING_PARTS = {"shared"}
_PROJECTION_WORDS = {"proj", "projection", "out", "mapping", "dense", "linear", "fc"}
_ATTENTION_PARTS = {
    *("q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "in_proj", "qkv_proj", "qkv", "wqkv", "kv_proj"),
    *("query", "key", "value", "query_key_value", "c_attn", "to_q", "to_k", "to_v", "to_qkv", "to_out"),
    *("wq", "wk", "wv", "wo", "q_lin", "k_lin", "v_lin", "out_lin"),
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def role_of(slot: Slot, shape: tuple[int, ...], owner: nn.Module | None) -> Role:
    """The role of the layer whose weight has ``shape``; ``owner`` is the module that holds it, where known."""
    for classes, role in _ROLE_OF_CLASS:
        if isinstance(owner, classes):
            return role
    if _RECURRENT_STEM.fullmatch(slot.stem):
        return "recurrent"
    if len(shape) == 2:
        return _role_of_matrix(slot, is_linear=isinstance(owner, nn.Linear))
    return _role_of_rank(shape)


def _role_of_rank(shape: tuple[int, ...]) -> Role:
    if len(shape) in (3, 4, 5):
        return "conv"
    # One number is a slope or a temperature, never a norm's scale.
    return "norm" if len(shape) == 1 and shape[0] > 1 else "other"


def _role_of_matrix(slot: Slot, *, is_linear: bool) -> Role:
    parts = [part for part in (*slot.path.split("."), slot.stem.strip("_")) if part and not part.isdecimal()]
    if not parts:
        return "linear"
    *parents, last = parts
    # Several embeddings in a list have a plural name; a step of a Sequential called time_embed is linear.
    is_table = last.endswith("s") or not slot.path.rpartition(".")[2].isdecimal()
    if is_table and not is_linear and _names_embedding(last):
        return "embedding"
    if last.lower() in _ATTENTION_PARTS or any(_is_attention(parent) for parent in parents):
        return "attention"
    return "linear"


def _names_embedding(part: str) -> bool:
    words = {word.lower() for word in _WORD.findall(part)}
    return bool(words & _EMBEDDING_WORDS or part in _EMBEDDING_PARTS) and not words & _PROJECTION_WORDS


def _is_attention(part: str) -> bool:
    return "attn" in part.lower() or "attention" in part.lower()
