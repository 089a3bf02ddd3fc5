"""Tensors that are in memory: a state dict, a module, or what a pickle file held."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from hf_sne.limits import Limits
from hf_sne.weights.architecture import Architecture
from hf_sne.weights.checks import Totals, check_name, check_rank
from hf_sne.weights.errors import AliasedStorageError, StateDictError
from hf_sne.weights.tensors import DTYPE_NAMES, LazyTensor, Skipped

# The keys under which training scripts keep the weights beside the optimiser and the epoch, the likeliest first.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params", "ema")


@dataclass(frozen=True)
class Gathered:
    """The tensors of a state dict that can be read, each once, in order, and those that cannot."""

    tensors: dict[str, Tensor]
    skipped: tuple[Skipped, ...]

    def lazy(self) -> dict[str, LazyTensor]:
        """The same tensors, read range by range."""
        return {
            name: LazyTensor(name, tuple(tensor.shape), DTYPE_NAMES[tensor.dtype], partial(_range_of, tensor))
            for name, tensor in self.tensors.items()
        }


def _range_of(tensor: Tensor, start: int, stop: int) -> Tensor:
    return tensor.detach().reshape(-1)[start:stop].clone()


def named_tensors(state: Any, file: str) -> dict[str, Tensor]:
    """The tensors of a state dict, or of a dictionary that holds one under a usual key; other values are ignored.

    Raises:
        StateDictError: there is no tensor in it.
    """
    if not isinstance(state, Mapping):
        raise StateDictError(file, found=type(state).__name__, allowed="a dictionary of tensors")
    wrapped = [state[key] for key in _WRAPPERS if isinstance(state.get(key), Mapping)]
    for candidate in (*wrapped, state):
        named = {
            name: value for name, value in candidate.items() if isinstance(name, str) and isinstance(value, Tensor)
        }
        if named:
            return named
    raise StateDictError(file, found="no tensor, here or one level down", allowed="a dictionary of tensors")


def gather(named: Mapping[str, Tensor], file: str, totals: Totals, module: nn.Module | None = None) -> Gathered:
    """The tensors of ``named`` in the order of ``module``, or else of their numbers; of tied ones the first is read.

    Raises:
        CheckpointError: of the class of the rule that a tensor breaks.
    """
    for name in named:
        check_name(name, file, totals.limits)
    tensors: dict[str, Tensor] = {}
    skipped: list[Skipped] = []
    readers: dict[tuple[Any, ...], str] = {}
    for name in Architecture.of(module).in_order(named):
        tensor = named[name]
        reason = _unreadable(tensor)
        if reason is not None:
            skipped.append(Skipped(name, reason, _elements(tensor)))
            continue
        _check_tensor(name, tensor, file, totals.limits)
        reader = readers.setdefault(_identity(tensor), name) if tensor.numel() else name
        if reader != name:
            skipped.append(Skipped(name, f"tied to {reader}", tensor.numel(), learned=False))
            continue
        totals.add(name, tensor.nbytes, file)
        tensors[name] = tensor
    return Gathered(tensors, tuple(skipped))


def _unreadable(tensor: Tensor) -> str | None:
    """Why ``tensor`` has no numbers that can be read, if so."""
    if is_lazy(tensor):
        return "not initialised yet"
    if tensor.is_meta:
        return "on the meta device, which holds no numbers"
    if tensor.is_quantized:
        return "quantised"
    if tensor.layout != torch.strided or tensor.is_nested:
        return f"layout {tensor.layout}, not strided"
    return None if tensor.dtype in DTYPE_NAMES else f"{tensor.dtype}, not a weight that float32 can hold"


def _elements(tensor: Tensor) -> int:
    return 0 if is_lazy(tensor) else tensor.numel()


def _check_tensor(name: str, tensor: Tensor, file: str, limits: Limits) -> None:
    check_rank(name, tensor.dim(), file, limits)
    stored = tensor.untyped_storage().nbytes()
    if tensor.nbytes > stored:
        raise AliasedStorageError(file, found=f"{tensor.nbytes} bytes of {name!r}", allowed=f"{stored} stored")


def _identity(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
