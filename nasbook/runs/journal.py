"""The journal of a search without a super-net: one line an evaluation, appended and flushed as soon as it is known.

A search is a deterministic function of its seed and of the scores that it is told. So a search that was killed is run
again from its first step, and reads from here what it need not pay for twice: it ends bit for bit as it would have.
"""

from __future__ import annotations

import csv
import io
import math
import os
import sys
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pandas as pd

from nasbook.base.errors import NasbookError
from nasbook.base.files import write_atomically


@dataclass(frozen=True)
class Evaluation:
    """One architecture's score.

    ``order`` counts from 0; ``seconds`` is what the evaluation took, or would have taken; ``failure`` is the reason if
    the architecture could not be evaluated (its score is then 0), else "".
    """

    order: int
    architecture: str
    score: float
    seconds: float
    failure: str = ""


COLUMNS = tuple(field.name for field in fields(Evaluation))


def as_table(rows: list[Evaluation]) -> pd.DataFrame:
    """One row an evaluation, with the columns of :class:`Evaluation`."""
    return pd.DataFrame([astuple(row) for row in rows], columns=list(COLUMNS))


def read(path: Path) -> list[Evaluation]:
    """All whole lines of a journal. Raises NasbookError, naming the line, for one that is damaged."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise NasbookError(f"cannot read {path}: {error.strerror or error}") from error
    lines = text[: text.rfind(b"\n") + 1].decode("utf-8", "replace").split("\n")[:-1]
    if lines[:1] != [_line(COLUMNS).rstrip("\n")]:
        raise NasbookError(f"{path} is damaged: its first line is not {','.join(COLUMNS)}; delete the folder")
    return [_parsed(line, order, path) for order, line in enumerate(lines[1:])]


class Journal:
    """The open journal at ``path``; use it in a ``with`` statement. ``.rows`` are the evaluations it holds so far.

    A line that a kill or a full disk left half written is cut off, and a sentence on standard error says so. Raises
    NasbookError for a damaged line, and for a file that cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.rows: list[Evaluation] = []

    def __enter__(self) -> Journal:
        if not self.path.exists():
            write_atomically(self.path, _line(COLUMNS))
        self.rows = read(self.path)
        try:
            whole = self.path.read_bytes().rfind(b"\n") + 1
            if whole < self.path.stat().st_size:
                os.truncate(self.path, whole)
                said = f"{self.path} ended in half a line, which is cut off and evaluated again"
                print(f"nasbook: {said}", file=sys.stderr)
            self._stream = open(self.path, "ab")
        except OSError as error:
            raise NasbookError(f"cannot write {self.path}: {error.strerror or error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        # every line was flushed; what a full disk refused would be written again here, and refused again
        with suppress(OSError):
            self._stream.close()

    def append(self, row: Evaluation) -> None:
        """Write one evaluation; it survives a kill of this process from here on."""
        try:
            self._stream.write(_line(astuple(row)).encode("utf-8", "backslashreplace"))
            self._stream.flush()
        except OSError as error:
            raise NasbookError(
                f"cannot write {self.path}: {error.strerror or error}; free space and run the same command again "
                "(what was already written is untouched)"
            ) from error
        self.rows.append(row)


def _line(values: tuple) -> str:
    # The csv module writes floats by repr, from which float() gives the same bits back.
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(values)
    return stream.getvalue()


def _parsed(line: str, order: int, path: Path) -> Evaluation:
    try:
        number, architecture, score, seconds, failure = next(csv.reader([line]))
        row = Evaluation(int(number), architecture, float(score), float(seconds), failure)
        whole = row.order == order and 0 <= row.score < math.inf and 0 <= row.seconds < math.inf
    except (ValueError, StopIteration, csv.Error):
        whole = False
    if not whole:
        raise NasbookError(
            f"{path} is damaged in line {order + 2}: delete that line and all below it, and run the same command again"
        )
    return row
