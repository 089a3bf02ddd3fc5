"""What tensor names alone say: their order, which weight and bias belong together, which are buffers."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

_Value = TypeVar("_Value")

# Where DataParallel and torch.compile keep the model.
_WRAPPERS = ("module", "_orig_mod")

_DIGITS = re.compile(r"([0-9]+)")
_PARAMETRISED = re.compile(r"(?P<path>(?:.+\.)?)parametrizations\.(?P<kind>weight|bias)\.original1?")
_PAIRED_LEAVES = (
    re.compile(r"(?P<kind>weight|bias)"),
    re.compile(r"(?P<kind>weight|bias)(?P<stem>_.+)"),  # weight_ih_l0, bias_ih_l0
    re.compile(r"(?P<stem>.+_)(?P<kind>weight|bias)"),  # in_proj_weight, in_proj_bias
)

_BUFFER_LEAVES = {
    *("running_mean", "running_var", "num_batches_tracked"),
    *("position_ids", "token_type_ids", "inv_freq", "masked_bias", "attn_mask", "relative_position_index"),
}
_REPARAMETRISATION_BUFFERS = {"weight_u", "weight_v", "weight_mask", "bias_mask"}


Kind = Literal["weight", "bias"]


@dataclass(frozen=True)
class Slot:
    """The place of one weight and its bias: the module's ``path``, and the ``stem`` that tells its weights apart.

    ``stem`` is empty for plain ``weight`` and ``bias``, and ``"_ih_l0"`` for ``weight_ih_l0``.
    """

    path: str
    stem: str


def common_wrapper(names: Collection[str]) -> str | None:
    """The attribute under which a wrapper of the whole model keeps every one of ``names``, if there is one."""
    for wrapper in _WRAPPERS:
        if names and all(name.startswith(f"{wrapper}.") and len(name) > len(wrapper) + 1 for name in names):
            return wrapper
    return None


def without_wrappers(named: Mapping[str, _Value]) -> dict[str, _Value]:
    """``named`` less the prefixes that wrappers of the whole model put before every name."""
    while (wrapper := common_wrapper(named.keys())) is not None:
        named = {name.removeprefix(f"{wrapper}."): value for name, value in named.items()}
    return dict(named)


def numeric_order(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sort key in which ``layer.2`` is before ``layer.10``, for digits of any length; no two names share one."""
    # A shorter path is before its continuations, whatever character follows.
    pieces = _DIGITS.split(name.replace(".", "\0"))
    return [_magnitude(piece) if index % 2 else piece for index, piece in enumerate(pieces)], name


def _magnitude(digits: str) -> tuple[int, str]:
    significant = digits.lstrip("0")
    return len(significant), significant


def slot_of(name: str, names: Collection[str]) -> tuple[Slot, Kind] | None:
    """The slot of tensor ``name`` and whether it is the weight or the bias there; None for a tensor by itself.

    ``names`` are all of the checkpoint's; they decide where a name can be read in two ways.
    """
    path, _, leaf = _usual(name, names).rpartition(".")
    if leaf == "weight_g":
        return None
    for pattern in _PAIRED_LEAVES:
        match = pattern.fullmatch(leaf)
        if match is not None:
            groups = match.groupdict()
            return Slot(path, groups.get("stem", "")), "weight" if groups["kind"] == "weight" else "bias"
    return None


def _usual(name: str, names: Collection[str]) -> str:
    """``name`` as a plain module would have it: reparametrised weights and old LayerNorm names are renamed.

    Of a weight norm the direction stands for the weight, and the magnitude is a layer by itself.
    """
    parametrised = _PARAMETRISED.fullmatch(name)
    if parametrised is not None:
        return f"{parametrised['path']}{parametrised['kind']}"
    path, dot, leaf = name.rpartition(".")
    stem = path + dot
    if leaf in ("gamma", "beta") and stem + "gamma" in names and stem + "beta" in names:
        return stem + ("weight" if leaf == "gamma" else "bias")
    if leaf in ("weight_orig", "bias_orig"):
        return stem + leaf.removesuffix("_orig")
    if leaf == "weight_v" and stem + "weight_g" in names:
        return stem + "weight"
    return name


def is_buffer(name: str, shape: tuple[int, ...], names: Collection[str]) -> bool:
    """Whether ``name`` is by custom no learned weight: running statistics, positions, masks, power iterations."""
    path, dot, leaf = name.rpartition(".")
    if leaf in _REPARAMETRISATION_BUFFERS:
        return f"{path}{dot}{leaf.split('_')[0]}_orig" in names
    if leaf == "bias":  # the causal mask of GPT-2 and its kin
        return len(shape) == 4 and shape[:2] == (1, 1) and shape[2] == shape[3]
    return leaf in _BUFFER_LEAVES or (leaf in ("_u", "_v") and "parametrizations." in path)
