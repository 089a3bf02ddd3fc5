"""The images each network of a population sees, as functions of its seed and the step alone.

Nothing here remembers anything that matters: a run that is taken up at step ``t`` sees what it would have seen.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from hf_sne.zoo.images import ImageData

if TYPE_CHECKING:
    from hf_sne.zoo.plan import Run

# Steps whose images are looked up together.
_AHEAD = 64
# The largest shift of an augmented image, as a share of its side.
_SHIFT = 8


def generator_of(seed: int, purpose: str, number: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator whose draws depend on these three alone."""
    return torch.Generator(device).manual_seed(seed_of(seed, purpose, number))


def seed_of(seed: int, purpose: str, number: int = 0) -> int:
    """A seed of 32 bits that is another for every purpose and number."""
    return zlib.crc32(f"{seed}/{purpose}/{number}".encode())


class RunImages:
    """The training images of one run: its share of all, with ``label_noise`` of the labels drawn anew.

    ``chosen`` [m] are places in the training images, ``labels`` [m] the labels the run is trained on.
    """

    def __init__(self, run: "Run", data: ImageData) -> None:
        settings = run.training
        generator = generator_of(run.seed, "images")
        total = len(data.train_labels)
        self.chosen = torch.randperm(total, generator=generator)[: max(1, round(settings.train_fraction * total))]
        self.labels = data.train_labels.cpu()[self.chosen]
        noisy = torch.rand(len(self.labels), generator=generator) < settings.label_noise
        self.labels[noisy] = torch.randint(data.classes, (int(noisy.sum()),), generator=generator)
        self._seed, self._orders = run.seed, dict[int, Tensor]()

    def __len__(self) -> int:
        return len(self.chosen)

    def places(self, start: int, stop: int) -> Tensor:
        """Places [stop - start] within the run's images, number ``start`` to ``stop`` of its shuffled passes."""
        passes = range(start // len(self), (stop - 1) // len(self) + 1)
        self._orders = {number: self._order(number) for number in passes}
        first = passes[0] * len(self)
        return torch.cat(list(self._orders.values()))[start - first : stop - first]

    def _order(self, number: int) -> Tensor:
        if number in self._orders:
            return self._orders[number]
        return torch.randperm(len(self), generator=generator_of(self._seed, "order", number))


class Batches:
    """Batches of a whole population."""

    def __init__(self, runs: Sequence["Run"], images: Sequence[RunImages], data: ImageData) -> None:
        self._runs, self._images, self._data = list(runs), list(images), data
        self._size = runs[0].training.batch_size
        self._window, self._chosen, self._labels = range(0), torch.empty(0), torch.empty(0)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Images [networks, batch, channels, height, width] and labels [networks, batch] of a step, the first is 1."""
        if step not in self._window:
            self._look_up(range(step, step + _AHEAD))
        part = slice((step - self._window[0]) * self._size, (step - self._window[0] + 1) * self._size)
        chosen = self._chosen[:, part]
        images = self._data.train_images[chosen.flatten()].unflatten(0, chosen.shape)
        for place, run in enumerate(self._runs):
            augment = AUGMENTATIONS[run.training.augmentation]
            if augment is not None:
                images[place] = augment(images[place], generator_of(run.seed, "augmentation", step))
            images[place] = self._data.as_inputs(images[place], run.training.inputs)
        return images, self._labels[:, part]

    def _look_up(self, window: range) -> None:
        first, last = (window[0] - 1) * self._size, (window[-1]) * self._size
        places = [images.places(first, last) for images in self._images]
        device = self._data.train_images.device
        pairs = list(zip(self._images, places, strict=True))
        self._chosen = torch.stack([images.chosen[place] for images, place in pairs]).to(device)
        self._labels = torch.stack([images.labels[place] for images, place in pairs]).to(device)
        self._window = window


def images_last(images: Tensor) -> Tensor:
    """[networks, images, channels, height, width] -> [networks, channels, height, width, images]."""
    flat = images.flatten(2).transpose(1, 2).contiguous()
    return flat.view(len(images), *images.shape[2:], images.shape[1])


def _shift(images: Tensor, generator: torch.Generator) -> Tensor:
    """Moves every image [b, c, h, w] by up to an eighth of its side, zeros (the training mean) coming in."""
    count, _, height, width = images.shape
    reach = max(1, height // _SHIFT)
    padded = functional.pad(images, (reach,) * 4)
    down, right = torch.randint(2 * reach + 1, (2, count, 1), generator=generator).to(images.device)
    rows = (down + torch.arange(height, device=images.device))[:, None, :, None]
    columns = (right + torch.arange(width, device=images.device))[:, None, None, :]
    each = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[each, channel, rows, columns]


def _shift_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shifts, and mirrors every other image left to right."""
    moved = _shift(images, generator)
    mirrored = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(mirrored[:, None, None, None], moved.flip(3), moved)


AUGMENTATIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor] | None] = {
    "none": None,
    "shift": _shift,
    "shift_flip": _shift_flip,
}
