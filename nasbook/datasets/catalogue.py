"""The image sets by name: what there is, where it lies, how to fetch it and whether it is intact.

``nasbook data list | get NAME | verify NAME`` are ``listing``, ``get`` and ``verify``.
"""

from typing import NamedTuple

from nasbook.base.errors import NasbookError, one_of
from nasbook.datasets import download, local
from nasbook.datasets.arrays import Arrays, constants, digest

Triple = tuple[float, float, float]


class Entry(NamedTuple):
    """What is known of a set before it is read.

    ``pixels`` is the height and width of its images; ``mean`` and ``std`` are the published constants per
    channel on the scale 0 to 1, None where they are computed from the training images.
    """

    what: str
    pixels: int
    shipped: bool
    mean: Triple | None = None
    std: Triple | None = None


_CIFAR10 = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)}
_CIFAR100 = {"mean": (0.5071, 0.4867, 0.4408), "std": (0.2675, 0.2565, 0.2761)}

SETS = {
    "cifar10-sample": Entry("4,000 + 1,000 photographs, 32x32, 10 classes", 32, True, **_CIFAR10),
    "cifar10": Entry("50,000 + 10,000 photographs, 32x32, 10 classes", 32, False, **_CIFAR10),
    "cifar100": Entry("50,000 + 10,000 photographs, 32x32, 100 classes", 32, False, **_CIFAR100),
    "digits": Entry("1,438 + 359 written digits, 8x8, 10 classes", 8, True),
}


def entry(name: str) -> Entry:
    """The catalogue's entry. Raises NasbookError with the nearest name if there is none."""
    return SETS[one_of(name, SETS, "dataset")]


def read(name: str) -> Arrays:
    """The set as arrays, fetched first if need be. Raises NasbookError."""
    entry(name)
    if name == "cifar10-sample":
        return local.sample()
    if name == "digits":
        return local.digits()
    return download.full(name)


def normalisation(name: str, arrays: Arrays) -> tuple[Triple, Triple]:
    """Mean and standard deviation per channel with which the set is normalised."""
    known = entry(name)
    return (known.mean, known.std) if known.mean else constants(arrays.images)


def listing() -> list[dict]:
    """One dictionary per set: ``name``, ``what`` (training + test images), ``ready``, ``where``.

    ``ready`` tells whether it can be loaded without a network; ``where`` is its place or the way to get it.
    """
    rows = []
    for name, known in SETS.items():
        path = download.cache_file(name)
        ready = known.shipped or path.exists()
        if name == "cifar10-sample":
            where = str(local.sample_folder())
        elif known.shipped:
            where = "inside scikit-learn"
        else:
            where = str(path) if ready else f"nasbook data get {name}"
        rows.append({"name": name, "what": known.what, "ready": ready, "where": where})
    return rows


def get(name: str) -> str:
    """Fetch a set unless it is here and intact; return one sentence. Raises NasbookError.

    A damaged file in the cache is replaced once its successor is complete, and the sentence says so.
    """
    if entry(name).shipped:
        return f"{name} comes with the book, there is nothing to fetch: {verify(name)}"
    path = download.cache_file(name)
    damaged = False
    if path.exists():
        try:
            return f"{name} is here already: {verify(name)}"
        except NasbookError:
            damaged = True
    download.fetch_set(name, replace=damaged)
    return f"{'replaced the damaged' if damaged else 'wrote'} {path}: {verify(name)}"


def verify(name: str) -> str:
    """Read a set in full and compare its checksums; return one sentence. Raises NasbookError."""
    if not entry(name).shipped and not download.cache_file(name).exists():
        raise NasbookError(f"{name} is not on this machine yet: `nasbook data get {name}` fetches it")
    arrays = read(name)
    return (
        f"{name} is intact, {len(arrays.labels):,} training and {len(arrays.test_labels):,} test images "
        f"in {len(arrays.classes)} classes, SHA-256 {digest(arrays)}"
    )
