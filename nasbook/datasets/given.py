"""What readers give as their own images, labels, classes and constants: put in the book's form, or refused."""

import os
from collections import Counter

import numpy as np
import torch

from nasbook.base.errors import NasbookError

MOST = 10**6
"""More classes than any set of images has."""


def check_name(name: object) -> None:
    """Raise NasbookError unless ``name`` can name a set of images."""
    if not isinstance(name, str) or not name or not name.isprintable():
        raise NasbookError(
            f"the name of the images comes first and is a line of text such as 'mine', not {type(name).__name__}"
        )


def class_names(name: str, classes: object) -> tuple[str, ...]:
    """One text for each label; whole numbers are names too. Raises NasbookError for anything else, and for twins."""
    # a range may be too long to be listed
    listed = list(classes[: MOST + 1]) if isinstance(classes, tuple | list | range | np.ndarray) else None
    kinds = str | int | np.integer
    if listed is None or not all(isinstance(one, kinds) and not isinstance(one, bool) for one in listed):
        shown = " ".join(repr(classes).split())
        raise NasbookError(f"{name}: classes must list one name for each label, such as ('cat', 'dog'), not {shown}")
    names = tuple(map(str, listed))
    if len(names) > MOST:
        raise NasbookError(f"{name}: classes lists more than {MOST:,} names")
    if len(set(names)) < len(names):
        twin = Counter(names).most_common(1)[0][0]
        raise NasbookError(f"{name}: classes lists {twin!r} twice; each label needs a name of its own")
    return names


def pixels(name: str, part: str, images: object) -> torch.Tensor:
    """Images as a uint8 tensor of whatever shape. Raises NasbookError for another type."""
    if isinstance(images, str | os.PathLike):
        raise NasbookError(
            f"{name}: the {part} images are the path {str(images)!r}, and must be an array: "
            "nb.datasets.from_folder reads a folder of images"
        )
    tensor = _tensor(name, part, "images", images)
    if tensor.dtype != torch.uint8:
        found = str(tensor.dtype).removeprefix("torch.")
        if tensor.is_floating_point() and tensor.isnan().any():
            found += " with NaN in it"
        raise NasbookError(f"{name}: the {part} images must be uint8 (0 to 255), not {found}")
    return tensor


def whole_numbers(name: str, part: str, labels: object) -> torch.Tensor:
    """Labels as an int64 tensor of whatever shape. Raises NasbookError for what are no whole numbers."""
    tensor = _tensor(name, part, "labels", labels)
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        found = str(tensor.dtype).removeprefix("torch.")
        raise NasbookError(f"{name}: the {part} labels must be whole numbers, not {found}")
    return tensor.long()


def triple(name: str, what: str, values: object) -> tuple[float, float, float]:
    """``values`` as three floats. Raises NasbookError if they are not one number per channel."""
    try:
        red, green, blue = map(float, values)
    except (TypeError, ValueError) as error:
        raise NasbookError(
            f"{name}: {what} needs one number per channel, such as (0.5, 0.5, 0.5), not {values!r}"
        ) from error
    return red, green, blue


def _tensor(name: str, part: str, what: str, values: object) -> torch.Tensor:
    """``values`` as a tensor; arrays are copied, in any byte order and with any strides, so that nothing is shared."""
    if isinstance(values, torch.Tensor):
        if values.is_meta or values.layout != torch.strided:
            raise NasbookError(f"{name}: the {part} {what} are a tensor without plain numbers: give a dense one")
        return values
    try:
        array = np.array(values, order="C")
    except ValueError as error:  # rows of different lengths
        raise NasbookError(f"{name}: the {part} {what} are no array ({error})") from error
    if array.dtype.kind not in "buifc" or array.dtype.char in "gG":  # nor the long ones, which PyTorch lacks
        hint = ": np.unique(labels, return_inverse=True) gives classes and numbers" if array.dtype.kind in "UT" else ""
        kind = "whole numbers from 0" if what == "labels" else "uint8 (0 to 255)"
        raise NasbookError(
            f"{name}: the {part} {what} must be {kind}, not {type(values).__name__} of {array.dtype}{hint}"
        )
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
