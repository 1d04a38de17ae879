"""The sets that need no network: the shipped CIFAR-10 sample and scikit-learn's digits.

The sample is a handful of lossless WebP sheets, each a grid of 32x32 images in reading order, beside an
``index.json`` with labels, positions in the full set and checksums (data/README.md says how it was made).
"""

import hashlib
import io
from pathlib import Path

import numpy as np

from nasbook.base.errors import NasbookError
from nasbook.base.files import read_json, repository
from nasbook.datasets.arrays import Arrays, digest


def sample_folder() -> Path:
    """Where the shipped CIFAR-10 sample lies."""
    return repository() / "data" / "cifar10-sample"


def _sheet(path: Path, sha256: str) -> np.ndarray:
    """The images of one sheet in reading order, (rows * columns, 3, 32, 32) uint8. Raises NasbookError naming it."""
    from PIL import Image

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NasbookError(f"cannot read {path} ({error.strerror}): {_mend(path.parent)}") from error
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise NasbookError(f"{path} is damaged ({len(raw):,} bytes, wrong checksum): {_mend(path.parent)}")
    with Image.open(io.BytesIO(raw)) as picture:
        sheet = np.asarray(picture.convert("RGB"))
    grid = sheet.reshape(sheet.shape[0] // 32, 32, sheet.shape[1] // 32, 32, 3)  # -> (rows, 32, columns, 32, 3)
    return grid.transpose(0, 2, 4, 1, 3).reshape(-1, 3, 32, 32)  # -> (rows * columns, 3, 32, 32)


def _mend(folder: Path) -> str:
    return f"restore it with `git checkout -- {folder.parent.name}/{folder.name}`"


def sample() -> Arrays:
    """The shipped CIFAR-10 sample, 4,000 training and 1,000 test images of 32x32 pixels.

    Raises NasbookError naming the file if one is missing, truncated or altered.
    """
    folder = sample_folder()
    path = folder / "index.json"
    if not path.exists():
        raise NasbookError(f"{path} is missing: {_mend(folder)}")
    index = read_json(path)
    try:
        sheets = [(folder / sheet["file"], sheet["sha256"]) for sheet in index["sheets"]]
        labels = np.array(index["train"]["labels"], dtype=np.int64)
        test_labels = np.array(index["test"]["labels"], dtype=np.int64)
        classes, recorded = tuple(index["classes"]), index["sha256"]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise NasbookError(f"{path} is not the sample's index ({error!r}): {_mend(folder)}") from error
    images = np.concatenate([_sheet(*sheet) for sheet in sheets])
    arrays = Arrays(images[: len(labels)], labels, images[len(labels) :], test_labels, classes)
    if digest(arrays) != recorded:
        raise NasbookError(f"{path} is damaged (its labels do not match its checksum): {_mend(folder)}")
    return arrays


def stratified(labels: np.ndarray, counts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Positions of ``counts[c]`` images of each class c, drawn from ``generator``, in ascending order.

    ``labels`` (N,) and ``counts`` (classes,) are whole numbers; the answer is (sum of counts,) int64.
    """
    order = generator.permutation(len(labels))
    chosen = [order[labels[order] == label][:count] for label, count in enumerate(counts)]
    return np.sort(np.concatenate(chosen))


def divided(images: np.ndarray, labels: np.ndarray, share: float, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The training and the test part: of each class the share, at least one picture in either, drawn by ``seed``."""
    sizes = np.bincount(labels)
    counts = np.clip(np.rint(sizes * share).astype(int), 1, sizes - 1)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[stratified(labels, counts, np.random.default_rng(seed))] = True
    return [(images[part], labels[part]) for part in (~chosen, chosen)]


def digits() -> Arrays:
    """scikit-learn's 1,797 grey digits of 8x8 pixels, as three equal channels on the scale 0 to 255.

    A fifth of each class, drawn with a fixed seed, is the test part.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    images = np.repeat(grey[:, None], 3, axis=1)  # (N, 8, 8) -> (N, 3, 8, 8)
    train, test = divided(images, bunch.target.astype(np.int64), share=0.2, seed=0)
    return Arrays(*train, *test, tuple(str(name) for name in bunch.target_names))
