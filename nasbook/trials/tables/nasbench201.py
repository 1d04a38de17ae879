"""NAS-Bench-201 (Dong & Yang, 2020, arXiv 2001.00326) as a table of truth.

A compact form ships in ``data/nasbench201``: a line an architecture, with its string and the mean accuracies in percent
after 12 epochs (valid and test) and 200 epochs (test) on three data sets. The official file of every training
(``NAS-Bench-201-v1_1-096897.pth``, 4.7 GB, read whole into memory) is read too, if you have it. Accuracies after 12
epochs are those of a schedule of 12 epochs.

The compact form has no seconds. They are modelled: a training step is three forward passes, at :data:`RATE`.
"""

import hashlib
import zlib
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nasbook.base.errors import NasbookError, one_of
from nasbook.base.files import folder_path, read_json, repository
from nasbook.spaces.edges.cells import EdgeSpace, count
from nasbook.spaces.edges.isomorphism import published_string
from nasbook.trials.tables.table import Table, mean_over_seeds

NAME = "nasbench201"
SPACE = EdgeSpace()
EPOCHS = (12, 200)
UNIQUE = 6466
COMPACT = ("nasbench201.csv.gz", "nasbench201.csv")
OFFICIAL = ("NAS-Bench-201-v1_1-096897.pth", "NAS-Bench-201-v1_0-e61699.pth")
HINT = f"put {COMPACT[0]} or {OFFICIAL[0]} there, or leave path= out to read what ships with the book"
RATE = 1e12
"""Multiply-adds a second of the modelled seconds; 12 epochs of an average cell on CIFAR-10 then take a minute."""


class DataSet(NamedTuple):
    """What is known of a data set: names in both files, classes, pixels and training images, and the best mean test
    accuracy."""

    column: str
    valid: tuple[str, str]
    test: tuple[str, str]
    classes: int
    size: int
    images: int
    best: float


DATASETS = {
    "cifar10": DataSet("c10", ("cifar10-valid", "x-valid"), ("cifar10", "ori-test"), 10, 32, 25_000, 94.37),
    "cifar100": DataSet("c100", ("cifar100", "x-valid"), ("cifar100", "x-test"), 100, 32, 50_000, 73.51),
    "imagenet16-120": DataSet(
        "in16", ("ImageNet16-120", "x-valid"), ("ImageNet16-120", "x-test"), 120, 16, 151_700, 47.31
    ),
}
"""``best``: after 200 epochs, in percent. On CIFAR-10 the test accuracy is of a training on all training images."""


class Contents(NamedTuple):
    """A file's architectures, R strings, and for each split (R, 2 epoch counts, S seeds) accuracies in percent."""

    cells: list[str]
    seeds: tuple[int, ...]
    accuracies: dict[str, np.ndarray]
    seconds: np.ndarray
    alike: np.ndarray | None = None


def folder() -> Path:
    """Where the table lies that comes with the book."""
    return repository() / "data" / NAME


def find(path: str | Path | None = None) -> Path | None:
    """The file: ``path`` itself, or the first of the known names in that folder (None: what ships); None if there is
    none."""
    place = folder() if path is None else folder_path(path)
    if place.is_file():
        return place
    return next((place / name for name in COMPACT + OFFICIAL if (place / name).is_file()), None)


def load(path: str | Path | None = None, dataset: str = "cifar10") -> Table:
    """The table of one of the :data:`DATASETS`.

    ``path``: a file or its folder, None for what ships. The compact file holds means over seeds only. Raises
    NasbookError if there is no file, or if it does not hold the published 15,625 cells with the published optimum.
    """
    known = DATASETS[one_of(dataset, DATASETS, "data set of nasbench201")]
    file = find(path)
    if file is None:
        raise NasbookError(f"no NAS-Bench-201 in {folder() if path is None else path}: {HINT}")
    contents = (_read_official if file.suffix == ".pth" else _read_compact)(file, known)
    place_of = {cell: row for row, cell in enumerate(contents.cells)}
    if len(contents.cells) != len(SPACE) or any(cell not in place_of for cell in SPACE):
        raise NasbookError(
            f"{file} holds {len(place_of):,} architectures, and not the {len(SPACE):,} of NAS-Bench-201: get it again"
        )
    rows = np.array([place_of[cell] for cell in SPACE])
    table = Table(
        f"{NAME} ({dataset})",
        SPACE,
        trained=contents.cells,
        epochs=EPOCHS,
        seeds=contents.seeds,
        accuracies={split: values / 100 for split, values in contents.accuracies.items()},
        seconds=contents.seconds,
        alike=contents.alike,
        rows=rows,
        count=partial(count, classes=known.classes, size=known.size),
    )
    found = round(100 * table.best("test", 200).accuracy, 2)
    if found != known.best:
        raise NasbookError(
            f"the best test accuracy in {file} is {found}%, not the published {known.best}%: get it again"
        )
    return table


def _read_compact(file: Path, known: DataSet) -> Contents:
    columns = [f"{known.column}_{what}" for what in ("valid_12", "test_12", "test_200")]
    try:
        packed = "gzip" if file.suffix == ".gz" else None
        table = pd.read_csv(file, usecols=["arch", "unique", "macs", *columns], compression=packed)
        valid, early, late = (table[name].to_numpy(dtype=float) for name in columns)
        if not np.isfinite([valid, early, late]).all():
            raise ValueError("accuracies are missing")
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise NasbookError(f"cannot read {file} as the compact NAS-Bench-201 ({error}): get it again") from error
    if table["unique"].nunique() != UNIQUE:
        raise NasbookError(f"{file} has {table['unique'].nunique():,} unique cells, and not {UNIQUE:,}: get it again")
    nothing = np.full(len(table), np.nan)
    accuracies = {"valid": np.stack([valid, nothing], axis=1), "test": np.stack([early, late], axis=1)}  # (R, 2)
    whole = {split: values[:, :, None] for split, values in accuracies.items()}  # (R, 2) -> (R, 2, 1)
    seconds = 3 * known.images * np.outer(table["macs"], EPOCHS) / RATE  # (R, 2)
    return Contents(table["arch"].tolist(), (), whole, seconds, pd.factorize(table["unique"])[0])


def _read_official(file: Path, known: DataSet) -> Contents:
    import pickle

    import torch

    try:
        # numpy's scalars are the only values in the file that are neither tensors nor Python's own
        allowed = [np._core.multiarray.scalar, np.dtype, *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4"))]
        with torch.serialization.safe_globals(allowed):
            content = torch.load(file, map_location="cpu", weights_only=True)
        cells = [str(cell) for cell in content["meta_archs"]]
        trainings = [content["arch2infos"][row] for row in range(len(cells))]
        return _collect(cells, trainings, known)
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, IndexError, pickle.UnpicklingError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise NasbookError(f"cannot read {file} as the official NAS-Bench-201 ({reason}): get it again") from error


def _collect(cells: list[str], trainings: list[dict[str, Any]], known: DataSet) -> Contents:
    """The accuracies of one data set from the official nested dictionaries, NaN where there was no training."""
    results = [[training[kind]["all_results"] for kind in ("less", "full")] for training in trainings]
    places = {"valid": known.valid, "test": known.test}
    names = {name for name, _ in places.values()}
    seeds = tuple(sorted({seed for row in results for part in row for name, seed in part if name in names}))
    accuracies = {split: np.full((len(cells), len(EPOCHS), len(seeds)), np.nan) for split in places}
    seconds = np.full((len(cells), len(EPOCHS), len(seeds)), np.nan)
    for r, row in enumerate(results):
        for e, part in enumerate(row):
            for split, (name, part_of) in places.items():
                for s, seed in enumerate(seeds):
                    result = part.get((name, seed))
                    if result is None:
                        continue
                    key = f"{part_of}@{EPOCHS[e] - 1}"
                    accuracies[split][r, e, s] = result["eval_acc1es"].get(key, np.nan)
                    if split == "valid" and result["train_times"]:
                        seconds[r, e, s] = sum(result["train_times"].values())
    return Contents(cells, seeds, accuracies, np.nan_to_num(mean_over_seeds(seconds)))  # (R, 2, S) -> (R, 2)


def verify(path: str | Path | None = None) -> str:
    """Read the file in full for all three data sets; return one sentence.

    Raises NasbookError as :func:`load`, and where the file that ships has not the checksum of its manifest.
    """
    file = find(path)
    if file is not None and file.parent == folder():
        told = read_json(folder() / "manifest.json").get("sha256")
        if hashlib.sha256(file.read_bytes()).hexdigest() != told:
            said = f"{file} has not the checksum of its manifest.json"
            raise NasbookError(f"{said}: restore it with `git checkout -- data/{NAME}`")
    best = [f"{100 * load(path, dataset).best('test', 200).accuracy:.2f}%" for dataset in DATASETS]
    unique = len({published_string(cell) for cell in SPACE})
    return (
        f"{NAME} is intact, {len(SPACE):,} cells of which {unique:,} are unique, best test accuracy after 200 epochs "
        f"{', '.join(best)} on {', '.join(DATASETS)}, read from {file}"
    )
