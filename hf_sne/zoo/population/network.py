"""Runs one architecture with the tensors of a whole population."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hf_sne.errors import UserError
from hf_sne.zoo.population.layers import LAYERS, Pass


class _Tracer(torch.fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in LAYERS or super().is_leaf_module(m, module_qualified_name)


class PopulationNetwork:
    """A module's computation, traced once, for any number of networks at a time.

    Args:
        module: Gives the computation and the settings of its layers; its own tensors are not used.

    Raises:
        UserError: the module holds a layer that populations do not know.
    """

    def __init__(self, module: nn.Module) -> None:
        self._graph = torch.fx.GraphModule(module, _Tracer().trace(module))
        self._modules = dict(self._graph.named_modules())
        self._own = {name: _tensor_names(part) for name, part in self._modules.items()}
        for node in self._graph.graph.nodes:
            if node.op == "call_module":
                _check(self._graph.get_submodule(node.target), node.target)

    def __call__(self, tensors: Mapping[str, Tensor], images: Tensor, state: Pass) -> Tensor:
        """Logits [networks, classes, images] of ``images`` [networks, channels, height, width, images].

        ``tensors`` holds every parameter and buffer by its name in the module's state dict, [networks, *shape].
        """
        values: dict[Any, Tensor] = {}
        for node in self._graph.graph.nodes:
            if node.op == "placeholder":
                values[node] = images
            elif node.op == "call_module":
                values[node] = self._layer(node.target, tensors, values[node.args[0]], state)
            elif node.op == "call_function":
                values[node] = node.target(*(values[argument] for argument in node.args))
            else:
                return values[node.args[0]]
        raise AssertionError("a traced module has an output")

    def _layer(self, name: str, tensors: Mapping[str, Tensor], x: Tensor, state: Pass) -> Tensor:
        module = self._modules[name]
        own = {tensor: tensors[f"{name}.{tensor}"] for tensor in self._own[name]}
        return LAYERS[type(module)](module, own, x, state)


def _tensor_names(module: nn.Module) -> list[str]:
    return [name for name, value in (*module.named_parameters(), *module.named_buffers()) if value.is_floating_point()]


def _check(module: nn.Module, name: str) -> None:
    if type(module) not in LAYERS:
        raise UserError(
            f"layer {name} is a {type(module).__name__}, which a population cannot train",
            fix=f"use {', '.join(sorted(known.__name__ for known in LAYERS))}",
        )
    if isinstance(module, nn.Conv2d) and (module.groups != 1 or set(module.dilation) != {1}):
        raise UserError(f"layer {name} is a grouped or dilated convolution", fix="use a plain one")
    pool = isinstance(module, nn.MaxPool2d | nn.AvgPool2d)
    if pool and (module.stride != module.kernel_size or module.padding != 0 or not isinstance(module.kernel_size, int)):
        raise UserError(f"layer {name} pools overlapping or padded windows", fix="let the stride be the kernel size")
    if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size not in (1, (1, 1)):
        raise UserError(f"layer {name} pools to {module.output_size}", fix="pool to 1")
