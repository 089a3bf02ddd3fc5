"""Labelled images as tensors: a Hub data set id, a local folder in the Hub's schema, or scikit-learn's digits."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hf_sne.errors import UserError
from hf_sne.zoo.atomic import atomic_file

DIGITS = "digits"
_TENSORS = ("train_images", "train_labels", "test_images", "test_labels", "black", "white")


@dataclass(frozen=True)
class ImageData:
    """Images [n, channels, height, width], standardised with the training mean and deviation, and labels [n].

    ``black`` and ``white`` [channels, 1, 1] are what the darkest and the brightest pixel that can be has become.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    black: Tensor
    white: Tensor
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        channels, height, width = self.train_images.shape[1:]
        return int(channels), int(height), int(width)

    def to(self, device: str) -> "ImageData":
        """The same on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _TENSORS})

    def as_inputs(self, images: Tensor, inputs: str) -> Tensor:
        """Images [..., channels, height, width] of these, in the form that :data:`INPUTS` calls ``inputs``."""
        change = INPUTS[inputs]
        return images if change is None else change((images - self.black) / (self.white - self.black))


# How people hand images to networks; what is done to images from 0 to 1.
INPUTS: dict[str, Callable[[Tensor], Tensor] | None] = {
    "standardised": None,
    "symmetric": lambda images: 2 * images - 1,
    "unit": lambda images: images,
}


def load_images(source: str) -> ImageData:
    """Images of ``digits``, a Hub data set id (``ylecun/mnist``) or a local folder that ``load_dataset`` reads."""
    if source == DIGITS:
        return _load_digits()
    if source.startswith((".", "/")) and not Path(source).exists():
        raise UserError(f"{source}: no such folder", fix=f"name a folder of images, a Hub data set, or {DIGITS}")
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    try:
        splits = load_dataset(source)
    except (DatasetsError, FileNotFoundError, ConnectionError, ValueError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        fix = f"name a local folder or a Hub data set that load_dataset reads, or {DIGITS}"
        raise UserError(f"{source}: no images ({reason})", fix=fix) from error
    missing = {"train", "test"} - set(splits)
    if missing:
        raise UserError(
            f"{source}: no split {' and '.join(sorted(missing))}, found {', '.join(splits)}",
            fix="name a data set with a train and a test split",
        )
    columns = splits["train"].column_names
    image = next((name for name in ("image", "img") if name in columns), None)
    if image is None or "label" not in columns:
        raise UserError(
            f"{source}: expected an image column ('image' or 'img') and 'label', found {columns}",
            fix="name a data set of labelled images",
        )
    arrays = []
    for split in ("train", "test"):
        rows = splits[split]
        pictures = [np.asarray(picture) for picture in rows[image]]
        shapes = sorted({picture.shape for picture in pictures})
        if len(shapes) != 1 or shapes[0][0] != shapes[0][1]:
            shown = ", ".join(map(str, shapes[:3]))
            raise UserError(f"{source}, {split}: images of the shapes {shown}", fix="use square images of one size")
        labels = np.asarray(rows["label"])
        if labels.min() < 0:
            raise UserError(f"{source}, {split}: the label {labels.min()}", fix="use a split whose labels are known")
        arrays += [np.stack(pictures), labels]
    return _standardised(Path(source).name, *arrays)


def save_images(data: ImageData, path: Path) -> None:
    """Keep images in one file that :func:`open_images` maps into memory, shared by all processes."""
    tensors = {name: getattr(data, name).contiguous() for name in _TENSORS}
    with atomic_file(path) as part:
        save_file(tensors, part, metadata={"name": data.name, "classes": str(data.classes)})


def open_images(path: Path, device: str = "cpu") -> ImageData:
    """The images that :func:`save_images` kept.

    Raises:
        UserError: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt", device=device) as file:
            about = file.metadata()
            tensors = {name: file.get_tensor(name) for name in _TENSORS}
    except SafetensorError as error:
        raise UserError(f"{path}: damaged ({error})", fix="delete this file and run again") from error
    return ImageData(name=about["name"], classes=int(about["classes"]), **tensors)


def _load_digits() -> ImageData:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        digits.images, digits.target, test_size=0.4, random_state=0, stratify=digits.target
    )
    return _standardised(DIGITS, train_x, train_y, test_x, test_y)


def _standardised(
    name: str, train_x: np.ndarray, train_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray
) -> ImageData:
    """Channels first, mean 0 and deviation 1 per channel over the training images only."""

    def channels_first(images: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(images.astype(np.float32))
        return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()

    train, test = channels_first(train_x), channels_first(test_x)
    mean, std = train.mean((0, 2, 3), keepdim=True), train.std((0, 2, 3), keepdim=True)
    std[std == 0] = 1.0  # a channel that says nothing
    brightest = 255.0 if train_x.dtype == np.uint8 else float(train_x.max())
    black, white = ((pixel - mean[0]) / std[0] for pixel in (0.0, brightest))
    labels = [torch.from_numpy(y.astype(np.int64)) for y in (train_y, test_y)]
    classes = int(max(y.max() for y in labels)) + 1
    return ImageData(name, (train - mean) / std, labels[0], (test - mean) / std, labels[1], black, white, classes)
