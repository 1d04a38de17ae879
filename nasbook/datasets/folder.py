"""A folder of pictures as ImageData: one sub-folder a class, pictures of any size and shape."""

import os
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from nasbook.base import machine
from nasbook.base.config import checked_seed
from nasbook.base.errors import NasbookError
from nasbook.base.files import folder_path
from nasbook.datasets.images import SMALLEST, ImageData, from_arrays
from nasbook.datasets.local import divided

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
PARTS = ("train", "test")
SHARE = 0.2


def from_folder(
    path: str | os.PathLike, size: int = 32, test: float | None = None, seed: int = 0, name: str | None = None
) -> ImageData:
    """Your own pictures: ``path/CLASS/*.png``, or ``path/train/CLASS/*.png`` with ``path/test/CLASS/*.png``.

    Each picture is turned upright as its camera says, scaled so that its shorter side has ``size`` pixels (at least
    8), and cropped to the square in its middle. Without sub-folders ``train`` and ``test`` the share ``test`` of each
    class (None: a fifth; 0: no test part), drawn by ``seed``, is the test part. ``name`` (None: the folder's) and a
    checksum of the pixels stand in the config of every run. Files that are no pictures and hidden ones are passed over.

    Raises NasbookError for no such folder, fewer than two classes, a class without pictures, a picture that cannot be
    read, a share out of range, and sizes that the memory of this machine cannot hold.
    """
    root = folder_path(path)
    if not isinstance(size, int | np.integer) or size < SMALLEST:
        raise NasbookError(f"size is {size!r}; it must be a whole number of pixels from {SMALLEST}")
    if not root.is_dir():
        raise NasbookError(f"{root} is a file: give the folder" if root.exists() else f"there is no folder {root}")
    checked_seed(seed)
    pixels = int(size)
    split = _is_split(root)
    if split and test is not None:
        raise NasbookError(f"{root} has a test part of its own: leave out test={test!r}")
    parts = [_files(root / part) for part in PARTS] if split else [_files(root)]
    if strays := sorted(parts[0].keys() ^ parts[-1].keys()):
        raise NasbookError(f"{root} has the class {strays[0]!r} in only one of {' and '.join(PARTS)}: add the other")
    share = _share(SHARE if test is None else test, root, parts[0])
    count = sum(len(files) for part in parts for files in part.values())
    machine.check_memory(count * 3 * pixels**2, f"{count:,} pictures of {pixels}x{pixels} pixels")
    arrays = [_read(part, pixels) for part in parts]
    if share and not split:
        arrays = divided(*arrays[0], share, seed)
    tested = arrays[1] if len(arrays) > 1 else (None, None)
    return from_arrays(root.resolve().name if name is None else name, *arrays[0], tuple(parts[0]), *tested)


def _is_split(root: Path) -> bool:
    """Whether ``root`` holds ``train`` and ``test``, each with sub-folders. Raises NasbookError for one without the
    other: a class called so has its pictures in the folder itself."""
    there = [part for part in PARTS if any(_visible(root / part, folders=True))]
    if len(there) == 1:
        other = PARTS[1 - PARTS.index(there[0])]
        raise NasbookError(f"{root} has {there[0]} and no {other} beside it: add it, or give {root / there[0]} itself")
    return bool(there)


def _visible(folder: Path, folders: bool) -> list[Path]:
    """The sub-folders, or else the pictures, in ``folder``, sorted by name; none if there is no such folder."""
    if not folder.is_dir():
        return []
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_dir() == folders]
    except OSError as error:
        raise NasbookError(f"cannot look into {folder}: {error.strerror or error}") from error
    return sorted(path for path in found if folders or path.suffix.lower() in SUFFIXES)


def _files(root: Path) -> dict[str, list[Path]]:
    """Class name to its pictures, sorted, those of deeper folders behind them. Raises NasbookError for fewer than two
    classes, and for one without pictures."""
    classes = {folder.name: _pictures(folder) for folder in _visible(root, folders=True)}
    if len(classes) < 2:
        found = f"the one sub-folder {next(iter(classes))!r}" if classes else "no sub-folder"
        raise NasbookError(f"{root} has {found}: it needs one with pictures for each of at least two classes")
    for name, files in classes.items():
        if not files:
            raise NasbookError(f"{root / name} holds no pictures ({', '.join(SUFFIXES)}): fill it, or remove it")
    return classes


def _pictures(folder: Path) -> list[Path]:
    # a link could lead round in a circle
    inner = [below for below in _visible(folder, folders=True) if not below.is_symlink()]
    deeper = [path for below in inner for path in _pictures(below)]
    return [*_visible(folder, folders=False), *deeper]


def _share(test: object, root: Path, classes: Mapping[str, Sequence[Path]]) -> float:
    """``test`` as a share that leaves each class at least one picture. Raises NasbookError otherwise."""
    if isinstance(test, bool) or not isinstance(test, Real) or not 0 <= test < 1:
        raise NasbookError(f"test is {test!r}; it must be a share of each class, from 0 to below 1")
    single = [name for name, files in classes.items() if len(files) < 2]
    if test and single:
        raise NasbookError(f"{root / single[0]} holds one picture, too few for two parts: add one, or set test=0")
    return float(test)


def _read(classes: Mapping[str, Sequence[Path]], pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 3, P, P) uint8 and labels (N,) int64, class by class, P being ``pixels``."""
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes.values()])
    images = np.empty((len(labels), 3, pixels, pixels), dtype=np.uint8)
    for place, file in enumerate(file for files in classes.values() for file in files):
        images[place] = _square(file, pixels).transpose(2, 0, 1)  # (P, P, 3) -> (3, P, P)
    return images, labels


def _square(file: Path, pixels: int) -> np.ndarray:
    """The picture in ``file``, upright, scaled and cropped: (P, P, 3) uint8. Raises NasbookError naming the file."""
    try:
        with Image.open(file) as picture:
            if picture.mode.startswith(("I", "F")):  # numbers beyond 255, which Pillow would cut off
                raise NasbookError(f"{file} has more than 8 bits a channel: convert it to 8 bits, or remove it")
            upright = ImageOps.exif_transpose(picture).convert("RGBA").convert("RGB")
            return np.asarray(ImageOps.fit(upright, (pixels, pixels), Image.Resampling.BICUBIC))
    except NasbookError:
        raise
    # Pillow's readers raise whatever a damaged file leads them to
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise NasbookError(f"cannot read the picture {file} ({reason}): replace it, or remove it") from error
