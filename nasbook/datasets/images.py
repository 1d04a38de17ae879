"""ImageData, the images of a set on one device, and ``load``, which makes one by name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from nasbook.base.errors import NasbookError
from nasbook.datasets import catalogue, given
from nasbook.datasets.arrays import constants, digest
from nasbook.datasets.catalogue import Triple

SMALLEST = 8


class Part(NamedTuple):
    """Images (N, 3, H, W) uint8 and their labels (N,) int64."""

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """A set of square colour images with labels, resident on one device.

    ``images`` (N, 3, H, W) uint8 and ``labels`` (N,) int64 are the training part; ``classes`` names the
    labels; ``mean`` and ``std`` normalise each channel on the scale 0 to 1. The test part is served by
    ``test()`` alone. Raises NasbookError, naming what is wrong, if these do not fit together.
    """

    name: str
    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    mean: Triple
    std: Triple
    _test: Part | None = field(default=None)
    _withheld: bool = field(default=False)

    def __post_init__(self) -> None:
        if not self.classes:
            raise NasbookError(f"{self.name}: there are no classes")
        _check_part(self.name, "training", self.images, self.labels, self.classes)
        if not all(0 <= m <= 1 for m in self.mean):
            both = [self.mean, self.std]
            raise NasbookError(f"{self.name}: mean (0 to 1) and std need one number per channel, not {both}")
        if not all(0 < s <= 1 for s in self.std):
            raise NasbookError(f"{self.name}: each channel's std must lie in 0 to 1 and not be 0, not {self.std}")
        counts = torch.bincount(self.labels.cpu(), minlength=len(self.classes)).tolist()  # (N,) -> (classes,)
        if 0 in counts:
            empty = counts.index(0)
            raise NasbookError(f"{self.name}: class {self.classes[empty]!r} (label {empty}) has no training image")
        if self._test is not None:
            _check_part(self.name, "test", *self._test, self.classes)
            if self._test.images.shape[1:] != self.images.shape[1:]:
                size = self._test.images.shape[-1]
                raise NasbookError(
                    f"{self.name}: the test images have {size}x{size} pixels and the training images "
                    f"{self.size}x{self.size}; they must agree"
                )

    @classmethod
    def from_arrays(
        cls,
        name: str,
        images: np.ndarray | torch.Tensor,
        labels: np.ndarray | torch.Tensor,
        classes: tuple[str, ...] | list[str],
        test_images: np.ndarray | torch.Tensor | None = None,
        test_labels: np.ndarray | torch.Tensor | None = None,
        mean: Triple | None = None,
        std: Triple | None = None,
    ) -> ImageData:
        """Your own images: (N, 3, H, W) uint8, square, at least 8x8 pixels; labels (N,) whole numbers from 0.

        ``name`` stands in the config of every run on them, ``classes`` name the labels. Arrays are copied. Without
        ``mean`` and ``std``, three numbers each on the scale 0 to 1, they are computed from the training images.
        Also ``nb.datasets.from_arrays``. Raises NasbookError, naming what is wrong.
        """
        given.check_name(name)
        classes = given.class_names(name, classes)
        if (test_images is None) != (test_labels is None):
            raise NasbookError(f"{name}: a test part needs both test_images and test_labels")
        if (mean is None) != (std is None):
            raise NasbookError(f"{name}: give both mean and std, or neither")
        images = given.pixels(name, "training", images)
        test = None
        if test_images is not None:
            test = Part(given.pixels(name, "test", test_images), given.whole_numbers(name, "test", test_labels))
        labels = given.whole_numbers(name, "training", labels)
        if mean is None:
            _check_images(name, "training", images)
            mean, std = constants(images.cpu().numpy())
        return cls(
            name, images, labels, classes, given.triple(name, "mean", mean), given.triple(name, "std", std), test
        )

    @property
    def size(self) -> int:
        """Height and width of an image in pixels."""
        return self.images.shape[-1]

    @property
    def device(self) -> torch.device:
        """Where the images lie."""
        return self.images.device

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hex) over the bytes of the training images and labels; the same on every device."""
        return digest([self.images.cpu().numpy(), self.labels.cpu().numpy()])

    def description(self) -> dict[str, str | int]:
        """What a run's config says of its data: name, size in pixels, checksum of the training part."""
        return {"data": self.name, "data_size": self.size, "data_checksum": self.checksum}

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def has_test(self) -> bool:
        """Whether ``test()`` would serve a test part."""
        return self._test is not None and not self._withheld

    def test(self) -> Part:
        """The test part, for the final evaluation. Raises NasbookError if it is withheld or there is none."""
        if self._withheld:
            raise NasbookError(f"{self.name}: the test part is served only by the final evaluation")
        if self._test is None:
            raise NasbookError(f"{self.name} has no test part: give from_arrays test_images and test_labels")
        return self._test

    def without_test(self) -> ImageData:
        """The same data for a search: its ``test()`` raises NasbookError."""
        return replace(self, _test=None, _withheld=True)

    def to(self, device: torch.device | str) -> ImageData:
        """The same data on ``device``. Raises NasbookError if there is no such device here."""
        place = _device(device)
        test = None if self._test is None else Part(*(tensor.to(place) for tensor in self._test))
        return replace(self, images=self.images.to(place), labels=self.labels.to(place), _test=test)

    def shrink(self, size: int) -> ImageData:
        """The same data with ``size`` x ``size`` pixels, each the rounded mean of the block it replaces.

        ``mean`` and ``std`` stay those of the full size. Raises NasbookError unless ``size`` is a whole
        number of at least 8 that divides the present size.
        """
        size = _possible_size(size, self.size)
        test = None if self._test is None else Part(_block_means(self._test.images, size), self._test.labels)
        return replace(self, images=_block_means(self.images, size), _test=test)

    def __repr__(self) -> str:
        counts = torch.bincount(self.labels.cpu(), minlength=len(self.classes)).tolist()
        low, high = min(counts), max(counts)
        each = f"{low:,} of each" if low == high else f"between {low:,} and {high:,} of each"
        if self._test is not None:
            parts = f"{len(self):,} training and {len(self._test.labels):,} test images"
        else:
            parts = f"{len(self):,} training images (test part {'withheld' if self._withheld else 'absent'})"
        classes = f"{len(self.classes)} class{'es' if len(self.classes) > 1 else ''}"
        return f"{self.name}: {parts} of {self.size}x{self.size} pixels in {classes}, {each}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        from nasbook.datasets.contact import contact_sheet

        sheet = contact_sheet(self.images, self.labels, self.classes)
        return {"text/plain": repr(self), "image/png": sheet}


from_arrays = ImageData.from_arrays


def load(name: str, device: torch.device | str = "cpu", size: int | None = None) -> ImageData:
    """The set ``name`` on ``device``: "cifar10-sample", "cifar10", "cifar100" or "digits".

    ``size`` averages the images down to size x size pixels: a whole number of at least 8 that divides the
    stored size. Full CIFAR is fetched on first use. Raises NasbookError for an unknown name, size or
    device, a damaged file, or no network.
    """
    pixels = catalogue.entry(name).pixels
    wanted = pixels if size is None else _possible_size(size, pixels)
    place = _device(device)
    arrays = catalogue.read(name)
    mean, std = catalogue.normalisation(name, arrays)
    tensors = [torch.from_numpy(part) for part in arrays[:4]]
    data = ImageData(name, tensors[0], tensors[1], arrays.classes, mean, std, Part(tensors[2], tensors[3]))
    return (data if wanted == data.size else data.shrink(wanted)).to(place)


def _possible_size(size: object, stored: int) -> int:
    """``size`` if it is a whole number of at least 8 that divides ``stored``. Raises NasbookError otherwise."""
    valid = [pixels for pixels in range(SMALLEST, stored + 1) if stored % pixels == 0]
    if not isinstance(size, int | np.integer) or size not in valid:
        raise NasbookError(
            f"image size {size!r} is not possible: images of {stored}x{stored} pixels can have size "
            f"{' or '.join(map(str, valid))}"
        )
    return int(size)


def _block_means(images: torch.Tensor, size: int) -> torch.Tensor:
    """(N, 3, S, S) uint8 -> (N, 3, size, size) uint8."""
    step = images.shape[-1] // size
    offsets = [(row, column) for row in range(step) for column in range(step)]
    # One strided slice per place in a block, because a sum over a reshaped view would need 4 bytes a pixel.
    total = sum(images[..., i::step, j::step].int() for i, j in offsets)  # -> (N, 3, size, size)
    return ((total + len(offsets) // 2) // len(offsets)).to(torch.uint8)


def _device(device: torch.device | str) -> torch.device:
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise NasbookError(f"device {str(device)!r} cannot be used here ({reason}); 'cpu' can") from error
    return place


def _check_images(name: str, part: str, images: torch.Tensor) -> None:
    shape = tuple(images.shape)
    if len(shape) != 4:
        raise NasbookError(f"{name}: the {part} images must have shape (N, 3, H, W), not {shape}")
    if shape[0] == 0:
        raise NasbookError(f"{name}: there are no {part} images")
    if shape[1] != 3:
        last = shape[3] == 3
        hint = "move the channels to the second place" if last else "repeat a grey channel three times"
        raise NasbookError(f"{name}: the {part} images must have 3 channels, not {shape[1]} ({hint})")
    if shape[2] != shape[3]:
        raise NasbookError(f"{name}: the {part} images must be square, not {shape[2]}x{shape[3]} pixels")
    if shape[2] < SMALLEST:
        given, least = f"{shape[2]}x{shape[3]}", f"{SMALLEST}x{SMALLEST}"
        raise NasbookError(f"{name}: the {part} images have {given} pixels and need at least {least}")


def _check_part(name: str, part: str, images: torch.Tensor, labels: torch.Tensor, classes: tuple) -> None:
    _check_images(name, part, given.pixels(name, part, images))
    if labels.dtype != torch.int64 or labels.shape != (len(images),):
        found = f"{str(labels.dtype).removeprefix('torch.')} of shape {tuple(labels.shape)}"
        raise NasbookError(
            f"{name}: {len(images):,} {part} images need {len(images):,} int64 labels in one row, not {found}"
        )
    wrong = ((labels < 0) | (labels >= len(classes))).nonzero()
    if len(wrong):
        first = int(wrong[0])
        raise NasbookError(
            f"{name}: the label of {part} image {first} is {int(labels[first])}, and {len(classes)} classes "
            f"allow 0 to {len(classes) - 1}"
        )


def check_data(data: object) -> ImageData:
    """``data`` if it is an ImageData. Raises NasbookError otherwise."""
    if not isinstance(data, ImageData):
        raise NasbookError(
            f"data is a {type(data).__name__}; it must come from nb.datasets.load, from_arrays or from_folder"
        )
    return data
