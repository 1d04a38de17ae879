"""The file of cellbench: one line a training, with a checksum of its own, appended as soon as the training ends.

So a build may be killed at any moment, and a line that was altered later is found. Plain data, no torch.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, model_validator

from nasbook.base.config import Config
from nasbook.base.errors import NasbookError
from nasbook.base.files import write_atomically
from nasbook.spaces.edges.cells import read_cell

FILE = "table.csv"


class Protocol(Config):
    """What a row of the table depends on, apart from its cell and its seed.

    ``counts``: the epochs after which accuracy is read; the last ends the training. ``held_out``: images of the
    training part, equally many of each class, that are never trained on and make the split "valid".
    """

    data: str = "cifar10-sample"
    size: int = Field(16, ge=8)
    channels: int = Field(8, ge=1)
    cells: int = Field(2, ge=1)
    counts: tuple[int, ...] = Field((1, 2, 4, 8, 16), min_length=1)
    batch_size: int = Field(64, gt=1)
    lr: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, gt=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    padding: int = Field(2, ge=0)
    held_out: int = Field(400, ge=1)
    split_seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _ascending(self) -> Protocol:
        if list(self.counts) != sorted({count for count in self.counts if count > 0}):
            raise ValueError(f"counts are {self.counts}; they must be positive and ascending")
        return self


class Key(NamedTuple):
    """Which training a row is of."""

    cell: str
    seed: int


@dataclass(frozen=True)
class Trained:
    """What one training measured; the tuples have one entry for each of the protocol's ``counts``.

    Losses are mean cross-entropies in nats: of that epoch's training batches, and of the split "valid". ``valid`` and
    ``test`` count the images that were classified right. ``seconds``: of training alone, of the processor on a CPU.
    """

    parameters: int
    multiply_adds: int
    seconds: float
    train_loss: tuple[float, ...]
    valid_loss: tuple[float, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]


_LISTS = {"train_loss": float, "valid_loss": float, "valid": int, "test": int}


def header(counts: Iterable[int]) -> str:
    """The first line of the file."""
    lists = [f"{name}_{count}" for name in _LISTS for count in counts]
    return ",".join(["cell", "seed", "parameters", "multiply_adds", "seconds", *lists, "check"])


def write_row(key: Key, row: Trained) -> str:
    """The line of one training. Losses keep six decimals."""
    values = [*key, row.parameters, row.multiply_adds, f"{row.seconds:.3f}"]
    values += [f"{v:.6f}" if kind is float else v for name, kind in _LISTS.items() for v in getattr(row, name)]
    text = ",".join(map(str, values))
    return f"{text},{_check(text)}"


def read_row(line: str, counts: tuple[int, ...]) -> tuple[Key, Trained] | None:
    """The training on a line; None if the line is damaged."""
    text, _, check = line.rpartition(",")
    if _check(text) != check:
        return None
    try:
        cell, seed, parameters, multiply_adds, seconds, *rest = text.split(",")
        read_cell(cell)
        lists = [rest[start : start + len(counts)] for start in range(0, len(rest), len(counts))]
        values = {n: tuple(map(kind, part)) for (n, kind), part in zip(_LISTS.items(), lists, strict=True)}
        row = Trained(int(parameters), int(multiply_adds), float(seconds), **values)
        whole = math.isfinite(row.seconds) and all(len(part) == len(counts) for part in lists)
        return (Key(cell, int(seed)), row) if whole else None
    except ValueError:
        return None


def _check(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def read_rows(path: Path, counts: tuple[int, ...]) -> tuple[dict[Key, Trained], list[int]]:
    """All trainings in the file, and the numbers of its damaged lines (from 1); a repeated training is damage too.

    Raises NasbookError if there is no such file, or if it has other columns.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise NasbookError(f"cannot read {path}: {error.strerror or error}") from error
    if lines[0] != header(counts):
        raise NasbookError(f"{path} is damaged: its first line is not that of this table; restore or delete it")
    rows: dict[Key, Trained] = {}
    damaged = []
    for number, line in enumerate(lines[1:], start=2):
        if not line and number == len(lines):
            break
        found = read_row(line, counts)
        if found is None or found[0] in rows:
            damaged.append(number)
        else:
            rows[found[0]] = found[1]
    return rows, damaged


def write_rows(path: Path, rows: Mapping[Key, Trained], counts: tuple[int, ...]) -> None:
    """Replace the file, its rows in the order of ``rows``. Raises NasbookError if it cannot be written."""
    lines = [header(counts), *(write_row(key, row) for key, row in rows.items())]
    write_atomically(path, "\n".join(lines) + "\n")


def append_row(path: Path, key: Key, row: Trained) -> None:
    """Add one training, on the disk when this returns. Raises NasbookError if it cannot be written."""
    try:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(write_row(key, row) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise NasbookError(
            f"cannot write {path}: {error.strerror or error}; free space and run the same command again"
        ) from error
