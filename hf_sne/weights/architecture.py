"""What a module, where there is one, tells of a checkpoint's tensors."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from hf_sne.weights.naming import common_wrapper, numeric_order


@dataclass(frozen=True)
class Architecture:
    """The order, owners and kinds of a module's tensors; empty where no module is known."""

    position: dict[str, int]
    modules: dict[str, nn.Module]
    buffers: frozenset[str]

    @classmethod
    def of(cls, module: nn.Module | None) -> "Architecture":
        """The architecture of ``module``, whose tensors are named without DataParallel's prefix."""
        if module is None:
            return cls({}, {}, frozenset())
        while (wrapper := common_wrapper(_names(module))) is not None:
            module = module.get_submodule(wrapper)
        return cls(
            position={name: index for index, name in enumerate(_names(module))},
            modules=dict(module.named_modules(remove_duplicate=False)),
            buffers=frozenset(name for name, _ in module.named_buffers(remove_duplicate=False)),
        )

    def in_order(self, names: Iterable[str]) -> list[str]:
        """``names`` in the order of the module's submodules; those it lacks come last, in numeric name order."""
        return sorted(names, key=lambda name: (self.position.get(name, len(self.position)), numeric_order(name)))


def _names(module: nn.Module) -> dict[str, None]:
    """The names of all parameters and buffers, submodule by submodule, ordered."""
    return {
        f"{path}.{leaf}" if path else leaf: None
        for path, part in module.named_modules(remove_duplicate=False)
        for leaf in (*part._parameters, *part._buffers)
    }
