"""Images as uint8 tensors on the device, their splits, their batches and their augmentation.

>>> import nasbook as nb
>>> data = nb.datasets.load("cifar10-sample", device=nb.device())

``load`` gives a set by name, ``from_arrays`` and ``from_folder`` your own images: each an ImageData.
``catalogue`` lists, fetches and verifies the sets by name; ``splits`` divides a training set; ``batches``
draws indices; ``augment`` works on batches of images.
Names are imported when first used: the catalogue answers without loading torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["augment", "batches", "catalogue", "images", "splits"],
    submod_attrs={"images": ["ImageData", "from_arrays", "load"], "folder": ["from_folder"]},
)
