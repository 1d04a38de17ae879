"""Images as uint8 tensors on the device, their splits, their batches and their augmentation.

>>> import nasbook as nb
>>> data = nb.datasets.load("cifar10-sample", device=nb.device())

``load`` gives a set by name, ``from_arrays`` and ``from_folder`` your own images: each an ImageData.
``catalogue`` lists, fetches and verifies the sets by name; ``splits`` divides a training set; ``batches``
draws indices; ``augment`` works on batches of images.
Names are imported when first used: the catalogue answers without loading torch.
"""

from __future__ import annotations

from importlib import import_module

_HOME = {"ImageData": "images", "from_arrays": "images", "from_folder": "folder", "load": "images"}

__all__ = [*_HOME, "augment", "batches", "catalogue", "images", "splits"]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"nasbook.datasets.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"nasbook.datasets.{name}")
    raise AttributeError(f"module 'nasbook.datasets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
