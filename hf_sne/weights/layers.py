"""Named tensors -> ordered layers, each a weight with its bias and a role."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import nn

from hf_sne.weights.architecture import Architecture
from hf_sne.weights.connections import connect
from hf_sne.weights.forward_order import forward_order
from hf_sne.weights.naming import Kind, Slot, is_buffer, slot_of, without_wrappers
from hf_sne.weights.roles import Role, role_of
from hf_sne.weights.tensors import READABLE_DTYPES, LazyTensor, Skipped, unreadable_reason

_BUFFER = "buffer, not a learned weight"


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    ``name`` is the module's path, such as ``"features.0"``, or the weight's full name where a module holds several
    weights. A bias or another tensor that stands alone is the ``weight`` of a layer of role ``"other"``.
    ``source`` is the position of the layer whose outputs this layer reads, as far as :func:`connect` can tell.
    """

    name: str
    role: Role
    weight: LazyTensor | None
    bias: LazyTensor | None
    source: int | None = None

    @property
    def tensors(self) -> tuple[LazyTensor, ...]:
        """The weight and the bias, those that are there."""
        return tuple(tensor for tensor in (self.weight, self.bias) if tensor is not None)


def arrange_layers(
    tensors: Mapping[str, LazyTensor], module: nn.Module | None = None
) -> tuple[tuple[Layer, ...], tuple[Skipped, ...]]:
    """The layers in the order of ``module``, or else as their names and shapes tell it, and what is in no layer.

    The order of ``tensors`` has no effect, and neither has a prefix that DataParallel put before every name.
    """
    tensors = without_wrappers(tensors)
    architecture = Architecture.of(module)
    learned, skipped = [], []
    for name in architecture.in_order(tensors):
        reason = _reason_to_skip(name, tensors, architecture)
        if reason is None:
            learned.append(name)
        else:
            skipped.append(Skipped(name, reason, tensors[name].numel, learned=reason != _BUFFER))
    pairs = _pair(learned, tensors)
    layers = [_layer(place, names, tensors, architecture) for place, names in pairs.items()]
    if module is None:
        layers = forward_order(layers)
    connected = zip(layers, connect(layers), strict=True)
    return tuple(replace(layer, source=source) for layer, source in connected), tuple(skipped)


def _reason_to_skip(name: str, tensors: Mapping[str, LazyTensor], architecture: Architecture) -> str | None:
    tensor = tensors[name]
    if name in architecture.buffers:
        return _BUFFER
    if name not in architecture.position and is_buffer(name, tensor.shape, tensors):
        return _BUFFER
    if tensor.numel == 0:
        return "no elements"
    if tensor.dtype not in READABLE_DTYPES:
        return unreadable_reason(tensor.dtype)
    return "a single number, which belongs to no layer" if tensor.shape == () else None


def _pair(names: list[str], tensors: Mapping[str, LazyTensor]) -> dict[Slot | str, dict[Kind, str]]:
    """The place of each layer -> its tensors' names, in the order of ``names``; a tensor by itself is its own place."""
    found = {name: slot_of(name, tensors) for name in names}
    with_weight = {slot for slot, kind in filter(None, found.values()) if kind == "weight"}
    layers: dict[Slot | str, dict[Kind, str]] = {}
    for name, place in found.items():
        if place is None or place[0] not in with_weight or place[1] in layers.get(place[0], ()):
            layers[name] = {"weight": name}
        else:
            slot, kind = place
            layers.setdefault(slot, {})[kind] = name
    return layers


def _layer(
    place: Slot | str, names: dict[Kind, str], tensors: Mapping[str, LazyTensor], architecture: Architecture
) -> Layer:
    weight = tensors[names["weight"]]
    if isinstance(place, str):
        return Layer(place, "other", weight, None)
    bias = tensors[names["bias"]] if "bias" in names else None
    name = place.path if place.path and not place.stem else names["weight"]
    return Layer(name, role_of(place, weight.shape, architecture.modules.get(place.path)), weight, bias)
