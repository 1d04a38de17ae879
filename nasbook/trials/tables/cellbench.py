"""cellbench, the table that ships: all 729 cells over three operations, trained on the CIFAR-10 sample.

Cells that are the same up to naming (``nasbook.spaces.edges.isomorphism``) are trained once, as their representative.
``data/cellbench/table.csv`` has one row a training, ``manifest.json`` the protocol and who made it. No torch here.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.base.files import folder_path, read_json, repository
from nasbook.runs.folder import known_format
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, Count, EdgeSpace, count
from nasbook.spaces.edges.isomorphism import classes
from nasbook.trials.tables.rows import FILE, Key, Protocol, Trained, read_rows
from nasbook.trials.tables.table import Table, mean_over_seeds

NAME = "cellbench"
SPACE = EdgeSpace(CELLBENCH_OPERATIONS)


class Shipped(NamedTuple):
    """What a folder holds: all rows; then, from its manifest, the protocol, the number of seeds and of classes, of
    images in each split, and the checksum of the file once it is complete."""

    rows: dict[Key, Trained]
    protocol: Protocol
    seeds: int
    classes: int
    images: dict[str, int]
    sha256: str | None


def folder() -> Path:
    """Where the table lies that comes with the book."""
    return repository() / "data" / NAME


@cache
def groups() -> Mapping[str, tuple[str, ...]]:
    """Representative to members, of all cells of the space."""
    return classes(SPACE)


def wanted(seeds: int) -> list[Key]:
    """All trainings of a complete table, one seed after the other."""
    return [Key(cell, seed) for seed in range(seeds) for cell in groups()]


def read(place: Path) -> Shipped:
    """The folder's contents. Raises NasbookError if there is no table or no protocol, and for damaged lines."""
    if not (place / "manifest.json").exists() or not (place / FILE).exists():
        raise NasbookError(f"no table in {place}: `nasbook bench build` makes one, and may be stopped and continued")
    manifest = known_format(read_json(place / "manifest.json"), place / "manifest.json")
    try:
        stored = manifest["protocol"]
        protocol = Protocol.make({**stored, "counts": tuple(stored["counts"])})
        images = {split: checks.whole(manifest["images"][split], split, 1) for split in ("train", "valid", "test")}
        if images["valid"] != protocol.held_out:
            raise NasbookError(f"{protocol.held_out} images are held out and {images['valid']} are in the split valid")
        numbers = (checks.whole(manifest[name], name, 1) for name in ("seeds", "classes"))
        facts = (protocol, *numbers, images, manifest.get("sha256"))
    except (KeyError, TypeError, NasbookError) as error:
        raise NasbookError(f"{place / 'manifest.json'} is damaged ({error}); {_mend(place)}") from error
    rows, damaged = read_rows(place / FILE, protocol.counts)
    if damaged:
        lines = f"line{'s' if len(damaged) > 1 else ''} {', '.join(map(str, damaged[:5]))}"
        more = f" and {len(damaged) - 5} more" if len(damaged) > 5 else ""
        raise NasbookError(f"{place / FILE} is damaged in {lines}{more}; {_mend(place)}")
    return Shipped(rows, *facts)


def _counter(found: Shipped) -> Callable[[str], Count]:
    """What the network of a string costs in this table."""
    settings = found.protocol.model_dump(include={"channels", "cells", "size"})
    return partial(count, **settings, classes=found.classes)


def load(path: str | Path | None = None) -> Table:
    """The table in the folder ``path`` (None: the one that ships).

    One that is not complete loads, and says what is missing. Raises NasbookError for a damaged row.
    """
    place = folder() if path is None else folder_path(path)
    place = place.parent if place.name == FILE else place
    found = read(place)
    counts, names = found.protocol.counts, list(groups())
    shape = (len(names), len(counts), found.seeds)
    arrays = {name: np.full(shape, np.nan) for name in ("valid", "test", "train_loss", "valid_loss", "seconds")}
    place_of = {cell: row for row, cell in enumerate(names)}
    share = np.array(counts) / counts[-1]  # (E,)
    for key, row in found.rows.items():
        if key.cell not in place_of or key.seed >= found.seeds:
            raise NasbookError(f"{place / FILE} has a row for {key.cell}, seed {key.seed}, which this table lacks")
        for name in arrays:
            value = row.seconds * share if name == "seconds" else getattr(row, name)
            arrays[name][place_of[key.cell], :, key.seed] = value
    missing = [key for key in wanted(found.seeds) if key not in found.rows]
    representative = {member: row for row, members in enumerate(groups().values()) for member in members}
    return Table(
        NAME,
        SPACE,
        trained=names,
        epochs=counts,
        seeds=range(found.seeds),
        accuracies={split: arrays[split] / found.images[split] for split in ("valid", "test")},
        losses={"train": arrays["train_loss"], "valid": arrays["valid_loss"]},
        seconds=mean_over_seeds(arrays["seconds"]),  # (R, E, S) -> (R, E)
        rows=np.array([representative[cell] for cell in SPACE]),
        count=_counter(found),
        missing=missing,
        remedy=f": {_lacking(place, len(missing), len(found.rows))}" if missing else "",
        on_the_way=True,
    )


def verify(path: str | Path | None = None) -> str:
    """Check every row of the table; return one sentence. Raises NasbookError, naming the lines, for damage.

    Checked are each row's checksum, that it is a cell of the table with possible numbers, and the whole file's
    checksum once the table is complete.
    """
    place = folder() if path is None else folder_path(path)
    found = read(place)
    counts = found.protocol.counts
    complete, counter = set(wanted(found.seeds)), _counter(found)
    for key, row in found.rows.items():
        within = all(0 <= n <= found.images[split] for split in ("valid", "test") for n in getattr(row, split))
        counted = (row.parameters, row.multiply_adds) == counter(key.cell)
        if key not in complete or not within or not counted or row.seconds <= 0:
            raise NasbookError(f"{place / FILE}: the row of {key.cell}, seed {key.seed}, cannot be; {_mend(place)}")
    missing = len(complete) - len(found.rows)
    if missing and found.sha256 is not None:
        said = f"was complete and lacks {missing} of its {len(complete)} rows"
        raise NasbookError(f"{place / FILE} {said}; {_mend(place)}")
    digest = hashlib.sha256((place / FILE).read_bytes()).hexdigest()
    if missing:
        state = _lacking(place, missing, len(found.rows))
    elif found.sha256 != digest:
        raise NasbookError(f"{place / FILE} has not the checksum of its manifest.json; {_mend(place)}")
    else:
        state = f"complete, SHA-256 {digest}"
    return (
        f"{NAME} is intact, {len(found.rows)} trainings of {len({key.cell for key in found.rows})} cells "
        f"(which have {len(SPACE)} names), accuracy after {', '.join(map(str, counts))} epochs; {state}"
    )


def _lacking(place: Path, missing: int, there: int) -> str:
    command = "nasbook bench build" if place == folder() else f"nasbook bench build --out {place}"
    return f"{missing} of its {missing + there} trainings are missing, and `{command}` makes them"


def _mend(place: Path) -> str:
    if place == folder():
        return f"restore it with `git checkout -- data/{NAME}`, or `nasbook bench build` trains again what is damaged"
    return f"`nasbook bench build --out {place}` trains again what is damaged"
