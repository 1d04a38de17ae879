"""A set of images as plain arrays: what every source ends in, before it becomes tensors on a device."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Arrays(NamedTuple):
    """One image set in memory.

    ``images`` (N, 3, H, W) uint8, ``labels`` (N,) int64, ``test_images`` (M, 3, H, W) uint8,
    ``test_labels`` (M,) int64, ``classes`` one name per label.
    """

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]


def digest(arrays: Sequence[np.ndarray]) -> str:
    """SHA-256 (hex) over the bytes of the training images and labels, then the test images and labels, if any."""
    total = hashlib.sha256()
    for part in arrays[:4]:
        total.update(np.ascontiguousarray(part).data)
    return total.hexdigest()


def constants(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of ``images`` (N, 3, H, W) uint8, on the scale 0 to 1."""
    counts = np.stack([np.bincount(images[:, channel].ravel(), minlength=256) for channel in range(3)])
    share = counts / counts.sum(axis=1, keepdims=True)  # (3, 256)
    level = np.arange(256) / 255
    mean = share @ level  # (3, 256) -> (3,)
    variance = share @ level**2 - mean**2  # (3, 256) -> (3,)
    return tuple(mean.tolist()), tuple(np.sqrt(np.maximum(variance, 0)).tolist())
