"""The tensors of a population: all parameters in one matrix, so that an optimiser's step is a few operations."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


def below(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one part, by their names in it: ``below("qkv", ...)`` has ``weight`` of ``qkv.weight``."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}


class PopulationWeights:
    """Weights of ``n`` networks of one shape.

    Attributes:
        flat: Every parameter, [n, parameters].
        buffers: Floating-point buffers by name, [n, *shape].
        tensors: Parameters (views of ``flat``) and buffers by name.
    """

    def __init__(self, names: Mapping[str, torch.Size], flat: Tensor, buffers: Mapping[str, Tensor]) -> None:
        self._shapes = dict(names)
        self.flat, self.buffers = flat, dict(buffers)
        self._lay_out()

    @classmethod
    def stack(cls, modules: Sequence[nn.Module], device: torch.device) -> "PopulationWeights":
        """The weights of some modules of one architecture."""
        shapes = {name: value.shape for name, value in modules[0].named_parameters()}
        flat = torch.stack([torch.cat([value.detach().flatten() for value in m.parameters()]) for m in modules])
        buffers = {
            name: torch.stack([module.get_buffer(name) for module in modules]).to(device)
            for name, value in modules[0].named_buffers()
            if value.is_floating_point()
        }
        return cls(shapes, flat.to(device), buffers)

    def of(self, place: int) -> dict[str, Tensor]:
        """A copy of one network's parameters and buffers."""
        return {name: value[place].detach().clone() for name, value in self.tensors.items()}

    def keep(self, networks: Tensor) -> None:
        """Forget all networks but those at these places."""
        self.flat = self.flat[networks]
        self.buffers = {name: value[networks] for name, value in self.buffers.items()}
        self._lay_out()

    def gradients_of(self, loss: Tensor) -> Tensor:
        """Gradients of a loss by every parameter, [n, parameters]."""
        parameters = [self.tensors[name] for name in self._shapes]
        return torch.cat([part.flatten(1) for part in torch.autograd.grad(loss, parameters)], dim=1)

    def state(self) -> dict[str, Tensor]:
        """What :meth:`load` takes."""
        return {"flat": self.flat, **self.buffers}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the weights of as many networks of the same architecture."""
        self.flat.copy_(state["flat"])
        for name, value in self.buffers.items():
            value.copy_(state[name])

    def _lay_out(self) -> None:
        self.tensors = dict(self.buffers)
        start = 0
        for name, shape in self._shapes.items():
            part = slice(start, start := start + shape.numel())
            self.tensors[name] = self.flat[:, part].unflatten(1, shape).requires_grad_()
