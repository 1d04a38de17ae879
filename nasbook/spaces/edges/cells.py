"""Cells in the form of NAS-Bench-201 (Dong & Yang, 2020, arXiv 2001.00326, section 2.1), as strings.

A cell has four nodes. Node 0 is its input, node 3 its output, each later node is the sum of its edges, and there is
one edge from each node to each later one: six edges, an operation on each. ``|a~0|+|b~0|c~1|+|d~0|e~1|f~2|`` has
operation a on the edge from node 0 to node 1, b and c on the edges into node 2, and so on. Plain data, no torch.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from nasbook.base.errors import NasbookError, one_of
from nasbook.spaces.sentences import Question, Spoken
from nasbook.spaces.tokens import check_operations, check_tokens

EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""(node, source) of each edge, in the order of the string."""

NODES = 4

NASBENCH201_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The five candidates, in the published order."""

CELLBENCH_OPERATIONS = ("none", "skip_connect", "nor_conv_3x3")
"""Those of the table that ships with the book."""


FORM = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
_PATTERN = re.compile(re.escape(FORM).replace("op", "(\\w+)"))


def write_cell(operations: Sequence[str]) -> str:
    """The string of a cell from the operations of its six edges, in the order of :data:`EDGES`."""
    if isinstance(operations, str) or len(operations) != len(EDGES):
        raise NasbookError(f"a cell needs the operations of its {len(EDGES)} edges, and got {operations!r}")
    a, b, c, d, e, f = (one_of(name, NASBENCH201_OPERATIONS, "operation") for name in operations)
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def read_cell(cell: str) -> tuple[str, ...]:
    """The operations of the six edges of a cell's string, in the order of :data:`EDGES`.

    Raises NasbookError if it is none, with the nearest name for an unknown operation.
    """
    if not isinstance(cell, str):
        raise NasbookError(f"a cell is a string of the form {FORM}, and got a {type(cell).__name__}")
    return _read(cell)


@lru_cache(maxsize=2**15)  # searches look the same few thousand strings up again and again
def _read(cell: str) -> tuple[str, ...]:
    names = named_in(cell)
    if names is None:
        raise NasbookError(f"{cell!r} is no cell of the form {FORM}")
    return tuple(one_of(name, NASBENCH201_OPERATIONS, "operation") for name in names)


def named_in(text: str) -> tuple[str, ...] | None:
    """The six names of a text that has the form of a cell, known operations or not; None if it has another form."""
    found = _PATTERN.fullmatch(text.strip())
    return found.groups() if found else None


class Count(NamedTuple):
    """Weights of a network, and multiply-adds of its convolutions and linear layers for one image."""

    parameters: int
    multiply_adds: int


def count(cell: str, channels: int = 16, cells: int = 5, classes: int = 10, size: int = 32) -> Count:
    """What :class:`nasbook.spaces.edges.networks.EdgeNetwork` costs on images of ``size`` pixels, in closed form.

    An operation that leads nowhere counts, as in the published table. Raises NasbookError for a bad string.
    """
    names = read_cell(cell)
    kernels = [9] * names.count("nor_conv_3x3") + [1] * names.count("nor_conv_1x1")
    width, pixels = channels, size * size
    weights = 29 * width  # the stem: 27 C and the scale and shift of its BatchNorm
    adds = 27 * width * pixels
    for stage in range(3):
        if stage:
            # to 2C channels at half the size: 3x3 from C, 3x3 from 2C, 1x1 from C
            pixels //= 4
            kernel = (18 + 36 + 2) * width**2
            weights, adds, width = weights + kernel + 8 * width, adds + kernel * pixels, 2 * width
        weights += cells * sum(kernel * width**2 + 2 * width for kernel in kernels)
        adds += cells * sum(kernels) * width**2 * pixels
    return Count(weights + 2 * width + (width + 1) * classes, adds + width * classes)


@dataclass(frozen=True)
class EdgeSpace(Spoken):
    """All cells with one of ``operations`` on each edge: a sequence of strings, the last edge changing fastest.

    It is a space of six decisions too: ``choices``, ``decode`` and ``encode`` go between strings and tokens, where
    token i is the place in ``operations`` of what edge i carries. Raises NasbookError for an operation that is unknown
    or there twice, and for none.
    """

    operations: tuple[str, ...] = NASBENCH201_OPERATIONS

    def __post_init__(self) -> None:
        object.__setattr__(self, "operations", check_operations(self.operations, NASBENCH201_OPERATIONS))

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """One for each edge."""
        return ((", ".join(self.operations), self.operations),) * len(EDGES)

    def decode(self, tokens: Sequence[int]) -> str:
        """The cell of six tokens. Raises NasbookError if there is none."""
        return write_cell([self.operations[token] for token in check_tokens(self, tokens)])

    def encode(self, cell: str) -> tuple[int, ...]:
        """The six tokens of a cell. Raises NasbookError if it is not in this space."""
        return tuple(
            self.operations.index(one_of(name, self.operations, "operation of this space")) for name in read_cell(cell)
        )

    def index(self, cell: str) -> int:
        """The place of a cell in the sequence: its tokens as the digits of a number."""
        return int(np.ravel_multi_index(self.encode(cell), self.choices))

    def __getitem__(self, place: int) -> str:
        if not -len(self) <= place < len(self):
            raise IndexError(f"the space has {len(self):,} cells, and {place} was asked for")
        return self.decode(np.unravel_index(place % len(self), self.choices))

    def __len__(self) -> int:
        return len(self.operations) ** len(EDGES)

    def __iter__(self) -> Iterator[str]:
        return (write_cell(names) for names in itertools.product(self.operations, repeat=len(EDGES)))

    def __contains__(self, cell: object) -> bool:
        try:
            self.encode(cell)
        except NasbookError:
            return False
        return True

    def __repr__(self) -> str:
        return f"{len(self):,} cells with {', '.join(self.operations)} on {len(EDGES)} edges"
