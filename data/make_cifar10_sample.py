"""Make data/cifar10-sample from the full set: ``python data/make_cifar10_sample.py``.

Takes CIFAR-10 from the cache (fetching it first), draws 400 training and 100 test images of each class
with a fixed seed, and writes them as lossless WebP sheets with an index. Run again, it makes the same
images; the bytes of the sheets may differ with another version of the WebP encoder.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from nasbook.base.files import write_atomically
from nasbook.datasets.arrays import Arrays, digest
from nasbook.datasets.download import full
from nasbook.datasets.local import sample, sample_folder, stratified

SEED = 0
TRAIN_PER_CLASS, TEST_PER_CLASS = 400, 100
COLUMNS, ROWS = 40, 25


def draw(arrays: Arrays, seed: int = SEED) -> tuple[Arrays, np.ndarray, np.ndarray]:
    """The sample, and the positions of its training and test images in the full set (ascending)."""
    generator = np.random.default_rng(seed)
    classes = len(arrays.classes)
    train = stratified(arrays.labels, np.full(classes, TRAIN_PER_CLASS), generator)
    test = stratified(arrays.test_labels, np.full(classes, TEST_PER_CLASS), generator)
    chosen = Arrays(
        arrays.images[train],
        arrays.labels[train],
        arrays.test_images[test],
        arrays.test_labels[test],
        arrays.classes,
    )
    return chosen, train, test


def sheet(images: np.ndarray) -> bytes:
    """A lossless WebP of ROWS * COLUMNS images in reading order: (1000, 3, 32, 32) uint8 -> file bytes."""
    pixels = images.shape[-1]
    grid = images.reshape(ROWS, COLUMNS, 3, pixels, pixels)  # (1000, 3, P, P) -> (ROWS, COLUMNS, 3, P, P)
    grid = np.ascontiguousarray(grid.transpose(0, 3, 1, 4, 2))  # -> (ROWS, P, COLUMNS, P, 3)
    picture = Image.fromarray(grid.reshape(ROWS * pixels, COLUMNS * pixels, 3))  # -> (ROWS*P, COLUMNS*P, 3)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", lossless=True, quality=100, method=6)
    return stream.getvalue()


def write(folder: Path, arrays: Arrays, train: np.ndarray, test: np.ndarray) -> None:
    """Write the sheets and the index of the sample into ``folder``."""
    images = np.concatenate([arrays.images, arrays.test_images])
    sheets = []
    for number, start in enumerate(range(0, len(images), ROWS * COLUMNS), start=1):
        raw = sheet(images[start : start + ROWS * COLUMNS])
        file = f"sheet-{number}.webp"
        write_atomically(folder / file, raw)
        sheets.append({"file": file, "sha256": hashlib.sha256(raw).hexdigest()})
    index = {
        "source": "CIFAR-10 (Krizhevsky 2009), drawn by data/make_cifar10_sample.py",
        "seed": SEED,
        "classes": arrays.classes,
        "grid": {"columns": COLUMNS, "rows": ROWS, "pixels": images.shape[-1]},
        "sheets": sheets,
        "sha256": digest(arrays),
        "train": {"labels": arrays.labels.tolist(), "indices": train.tolist()},
        "test": {"labels": arrays.test_labels.tolist(), "indices": test.tolist()},
    }
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in index.items())
    write_atomically(folder / "index.json", f"{{\n{lines}\n}}\n")


def main() -> None:
    """Draw, write, and read back what was written."""
    chosen, train, test = draw(full("cifar10"))
    write(sample_folder(), chosen, train, test)
    read = sample()
    assert all(np.array_equal(one, other) for one, other in zip(chosen, read))
    megabytes = sum(path.stat().st_size for path in sample_folder().iterdir()) / 1e6
    images = f"{len(read.labels):,} + {len(read.test_labels):,} images"
    print(f"wrote {sample_folder()}: {images}, {megabytes:.1f} MB")


if __name__ == "__main__":
    main()
