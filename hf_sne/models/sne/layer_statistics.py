"""Statistics of each layer, of it and of what it does together with the layer that reads it.

What training leaves in weights is seldom in one of them: in how the norms of units spread, in the spectrum of a layer,
in how smooth its kernels are, and in the product of two layers, which unlike each of them no rescaling of the hidden
units between them changes. All statistics but ``values`` are free of a tensor's scale or logarithms of it.

Everything is batched over networks of one layout. No statistic depends on the order of hidden units.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_TINY = 1e-12
_PERCENTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_VALUE_PERCENTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
_SPREAD_PERCENTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
# Singular values by rank: the first ones tell how much of a layer one, two, four or eight directions make up.
_RANKS = (0, 1, 3, 7)
_COUPLINGS = 16


@dataclass(frozen=True)
class DenseLayer:
    """A layer of b networks of one layout, in float64, thinned where it is wide (see :mod:`.thinning`).

    Args:
        weight: [b, out, in, height, width]; a vector is [b, n, 1, 1, 1].
        bias: [b, out], or None.
        shape: (out, in, kernel) before it was thinned.
        reader: What the next layer does with this one's units, [b, its out, out, repeats]; None where that is unknown.
    """

    weight: Tensor
    bias: Tensor | None
    shape: tuple[int, int, int]
    reader: Tensor | None


def layer_statistics(layers: Iterable[DenseLayer], groups: Sequence[str]) -> Tensor:
    """[b, layers, statistics]: those of the chosen groups of :data:`GROUPS`, in their order."""
    rows = [torch.stack([value for name in groups for value in GROUPS[name](layer)], 1) for layer in layers]
    return torch.stack(rows, 1).float()


def count_statistics(groups: Sequence[str]) -> int:
    """Statistics of a layer in the chosen groups."""
    if not groups:
        return 0
    with torch.device("cpu"):  # also while a model is built without memory for its weights
        unit = torch.ones(1, 1, 1, 1, 1, dtype=torch.float64)
        return layer_statistics([DenseLayer(unit, None, (1, 1, 1), None)], groups).shape[-1]


def _shape(layer: DenseLayer) -> list[Tensor]:
    """Size: logarithms of outputs, inputs and kernel; whether there is a bias, and whether the reader is known."""
    sizes = torch.tensor(layer.shape, dtype=torch.float64).log10().tolist()
    told = [*sizes, sum(sizes[1:]), float(layer.bias is not None), float(layer.reader is not None)]
    return [layer.weight.new_full(layer.weight.shape[:1], value) for value in told]


def _distribution(layer: DenseLayer) -> list[Tensor]:
    """Scale, moments and percentiles over the scale of the weights and of the biases."""
    return [*_standardised(layer.weight.flatten(1)), *_standardised(_bias(layer))]


def _standardised(values: Tensor) -> list[Tensor]:
    rms = values.square().mean(1).sqrt()
    unit = values / rms.clamp(min=_TINY).unsqueeze(1)
    moments = [unit.mean(1), unit.abs().mean(1), unit.pow(3).mean(1), _log(unit.pow(4).mean(1))]
    return [_log(rms), *moments, _log(unit.abs().amax(1)), *_percentiles(unit, _PERCENTILES)]


def _values(layer: DenseLayer) -> list[Tensor]:
    """The seven statistics of weights and biases as they are (Unterthiner et al. 2020)."""
    return [
        statistic
        for values in (layer.weight.flatten(1), _bias(layer))
        for statistic in (values.mean(1), values.var(1, correction=0), *_percentiles(values, _VALUE_PERCENTILES))
    ]


def _spectrum(layer: DenseLayer) -> list[Tensor]:
    """Singular values over the Frobenius norm, their entropy and participation, and the first beside a random one."""
    matrix = layer.weight.flatten(2)
    energies = _energies(matrix)
    total = energies.sum(1)
    share = energies / total.clamp(min=_TINY).unsqueeze(1)
    rows, columns = matrix.shape[1:]
    # The largest singular value of a random matrix of this shape and scale (Marchenko and Pastur 1967).
    random = total.sqrt() * (rows**-0.5 + columns**-0.5)
    entropy = -(share * (share + _TINY).log()).sum(1)
    first = energies[:, 0].sqrt()
    return [*_ranked(share), entropy, share.square().sum(1), _log(first), _log(first / random.clamp(min=_TINY))]


def _units(layer: DenseLayer) -> list[Tensor]:
    """How the norms of rows and of columns spread, and how the biases go with the rows."""
    matrix, bias = layer.weight.flatten(2), _bias(layer)
    rows, columns = matrix.norm(dim=2), layer.weight.transpose(1, 2).flatten(2).norm(dim=2)
    if layer.bias is None:
        goes_with = [torch.zeros_like(rows[:, 0])] * 3
    else:
        ratio = bias.norm(dim=1) / matrix.norm(dim=(1, 2)).clamp(min=_TINY)
        goes_with = [_correlation(bias, rows), _correlation(bias, matrix.sum(2)), _log(ratio)]
    return [*_spread(rows), *_spread(columns), *goes_with]


def _kernel(layer: DenseLayer) -> list[Tensor]:
    """How smooth and how central the kernels of a convolution are: shares of their energy, [-1, 1]; 0 without one."""
    kernels = layer.weight.flatten(1, 2)
    height, width = kernels.shape[2:]
    if height * width == 1:
        return [torch.zeros_like(kernels[:, 0, 0, 0])] * 7
    pairs = [
        (kernels[..., 1:], kernels[..., :-1]),
        (kernels[:, :, 1:], kernels[:, :, :-1]),
        (kernels[:, :, 1:, 1:], kernels[:, :, :-1, :-1]),
        (kernels[:, :, 1:, :-1], kernels[:, :, :-1, 1:]),
    ]
    energy = kernels.square()
    shares = [kernels.sum((2, 3)).square().sum(1) / (height * width), energy[:, :, height // 2, width // 2].sum(1)]
    edges = energy[:, :, [0, -1]].sum((1, 2, 3)) + energy[..., [0, -1]].sum((1, 2, 3))
    total = energy.sum((1, 2, 3)).clamp(min=_TINY)
    return [part / total for part in (*shares, edges, *((one * other).sum((1, 2, 3)) for one, other in pairs))]


def _coupling(layer: DenseLayer) -> list[Tensor]:
    """What the layer and its reader do together: norms of the paths through each unit, spectrum of the product."""
    matrix = layer.weight.flatten(2)
    if layer.reader is None:
        return [torch.zeros_like(matrix[:, 0, 0])] * _COUPLINGS
    made, read = matrix.norm(dim=2), layer.reader.transpose(1, 2).flatten(2).norm(dim=2)
    paths = made * read
    goes_with = torch.zeros_like(read[:, 0]) if layer.bias is None else _correlation(layer.bias, read)
    # What the reader repeats (its kernel, or places after a flatten) is added up: one entry from each input to each
    # output is left.
    joined = layer.reader.sum(3)
    energies = _energies(joined @ matrix)
    total = energies.sum(1)
    length = paths.square().sum(1).sqrt()
    apart = matrix.norm(dim=(1, 2)) * joined.norm(dim=(1, 2))
    return [
        _correlation(_log(made), _log(read)),
        goes_with,
        _log(length),
        *_spread(paths),
        *_ranked(energies / total.clamp(min=_TINY).unsqueeze(1)),
        _log(energies[:, 0].sqrt()),
        _log(total.sqrt() / apart.clamp(min=_TINY)),
        # Above 0 where the paths through different units add up, below where they cancel.
        _log(total.sqrt() / length.clamp(min=_TINY)),
    ]


def _bias(layer: DenseLayer) -> Tensor:
    return layer.weight.new_zeros(len(layer.weight), 1) if layer.bias is None else layer.bias


def _log(values: Tensor) -> Tensor:
    return values.clamp(_TINY, 1 / _TINY).log10()


def _percentiles(values: Tensor, shares: Sequence[float]) -> list[Tensor]:
    """Of rows [b, n], linear between neighbours, as numpy has them."""
    # Numpy sorts ten times as fast, and torch.quantile takes no more than 2^24 elements.
    ordered = torch.from_numpy(np.sort(values.numpy(), axis=1))
    found = []
    for share in shares:
        place = share * (values.shape[1] - 1)
        low = int(place)
        high = min(low + 1, values.shape[1] - 1)
        found.append(torch.lerp(ordered[:, low], ordered[:, high], place - low))
    return found


def _spread(norms: Tensor) -> list[Tensor]:
    """Deviation and percentiles of norms [b, n] over their mean."""
    unit = norms / norms.mean(1, keepdim=True).clamp(min=_TINY)
    return [unit.std(1, correction=0), *_percentiles(unit, _SPREAD_PERCENTILES)]


def _energies(matrix: Tensor) -> Tensor:
    """Squared singular values of [b, n, m], largest first, [b, min(n, m)]."""
    narrow = matrix if matrix.shape[1] <= matrix.shape[2] else matrix.mT
    energies: Tensor = torch.linalg.eigvalsh(narrow @ narrow.mT)
    return energies.flip(1).clamp(min=0)


def _ranked(shares: Tensor) -> list[Tensor]:
    """The square roots at :data:`_RANKS` of shares of energy [b, n], 0 beyond the last."""
    return [shares[:, rank].sqrt() if rank < shares.shape[1] else torch.zeros_like(shares[:, 0]) for rank in _RANKS]


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    """Of rows [b, n]; 0 where one of them is constant."""
    one, other = one - one.mean(1, keepdim=True), other - other.mean(1, keepdim=True)
    size = one.norm(dim=1) * other.norm(dim=1)
    return torch.where(size > _TINY, (one * other).sum(1) / size.clamp(min=_TINY), 0.0)


GROUPS: dict[str, Callable[[DenseLayer], list[Tensor]]] = {
    "shape": _shape,
    "distribution": _distribution,
    "values": _values,
    "spectrum": _spectrum,
    "units": _units,
    "kernel": _kernel,
    "coupling": _coupling,
}
