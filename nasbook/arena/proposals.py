"""What may be proposed: a cell as its string, its six operations or their numbers, by a program or by a person."""

import re
from collections.abc import Sequence

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.spaces.edges.cells import EDGES, FORM, EdgeSpace, named_in, write_cell

LONGEST = 1000
"""How many characters of text are looked at: a cell's string has about a hundred."""

SHOWN = 60
"""How many characters of a bad proposal are said again."""

BETWEEN = re.compile(r"[\s,;'\"()\[\]{}]+")
"""What stands between and around the words of a list as people, JSON and Python write it."""


class NoCell(NasbookError):
    """A proposal that is no cell of the table: it costs nothing, and the next one may be better."""


def read_proposal(space: EdgeSpace, given: str | bytes | Sequence[str | int]) -> str:
    """The cell of ``space`` that is meant, as its string.

    ``given``: that string; or for each of the six edges its operation or the operation's number, which is its place in
    ``space.operations``, from 0. They may be a list, or text with blanks or commas between. Bytes are UTF-8 text.

    Raises NoCell for an unknown operation, naming the nearest; for more or fewer than six; for a text that only
    resembles a cell's string, naming the cell that its operations make; and for anything else.
    """
    try:
        names = [_operation(space, word) for word in _words(space, given)]
        if len(names) != len(EDGES):
            raise NasbookError(f"{len(names):,} operations are no cell: {how_to_propose(space)}")
    except NasbookError as error:
        raise NoCell(str(error)) from None
    return write_cell(names)


def how_to_propose(space: EdgeSpace) -> str:
    """The forms of a proposal in one sentence, with the operations and their numbers."""
    numbered = ", ".join(f"{number} {name}" for number, name in enumerate(space.operations))
    return f"a cell is {FORM}, or only its {len(EDGES)} operations in that order, by name or number ({numbered})"


def _words(space: EdgeSpace, given: object) -> Sequence[object]:
    """What is said of each edge, not yet looked at."""
    if isinstance(given, str | bytes) and len(given) > LONGEST:
        raise NasbookError(f"a text of more than {LONGEST:,} characters is no cell: {how_to_propose(space)}")
    if isinstance(given, bytes):
        try:
            given = given.decode("utf-8-sig")  # some editors begin a file with a mark
        except UnicodeDecodeError as error:
            bad = f"byte 0x{given[error.start]:02x} at place {error.start}"
            raise NasbookError(f"the proposal is no UTF-8 text ({bad}): {how_to_propose(space)}") from None
    if isinstance(given, str):
        words = [word for word in BETWEEN.split(given) if word]
        return _in_string(space, words, given) if {*"|~"} & {*given} else words
    if isinstance(given, list | tuple) or (isinstance(given, np.ndarray) and given.ndim == 1):
        return given
    raise NasbookError(f"a proposal is text or a list, not of the type {type(given).__name__}: {how_to_propose(space)}")


def _in_string(space: EdgeSpace, words: list[str], text: str) -> Sequence[str]:
    """The names in a cell's string, quoted or not."""
    names = named_in(words[0]) if len(words) == 1 else None
    if names:
        return names
    meant = [name for name in re.findall(r"[^\W\d]\w*", text) if name in space.operations]
    hint = f"; did you mean '{write_cell(meant)}'?" if len(meant) == len(EDGES) else ""
    raise NasbookError(f"{text.strip()[:SHOWN]!r} is no cell of the form {FORM}{hint}")


def _operation(space: EdgeSpace, word: object) -> str:
    """The operation that a name or a number stands for."""
    if isinstance(word, str):
        word = word[:SHOWN]
        word = int(word) if word.isascii() and word.isdigit() else word
    return space.operations[checks.index(word, len(space.operations), "operation", space.operations)]
