"""Spaces whose architectures grow: what PNAS (Liu et al., 2018, arXiv 1712.00559) searches, block by block.

:class:`~nasbook.spaces.blocks.pnas_cells.PnasCells` is the paper's. :class:`GrowingCells` lets the cells of a table of
truth grow node by node. As in the paper, a small cell's output joins the nodes that no node reads, and the table holds
the result: the cell whose last node sums those. So every small cell has a true value too. Edge by edge would not do:
what a single edge adds is often not connected to the output yet, and its score would say nothing about it.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import ClassVar, Protocol

from nasbook.base.errors import NasbookError
from nasbook.spaces.edges.cells import EDGES, NODES, EdgeSpace, read_cell, write_cell
from nasbook.spaces.edges.isomorphism import Form, canonical_form, form_of
from nasbook.spaces.sentences import Question, Spoken, TokenSpace
from nasbook.spaces.tokens import Tokens


class GrowingSpace(TokenSpace, Protocol):
    """A token space of ``levels`` sizes, the last of which is the space itself.

    Architectures of one size that are the same up to naming are equal. A word describes a block: tokens of ``kinds``,
    of which there are ``sizes[kind]`` each.
    """

    levels: int
    kinds: tuple[str, ...]
    sizes: Mapping[str, int]

    def first(self) -> list[Hashable]:
        """All architectures of one block."""

    def extensions(self, cell: Hashable, level: int) -> Iterable[Hashable]:
        """What one more block makes of a ``cell`` of ``level`` blocks; the same one may come twice."""

    def words(self, cell: Hashable) -> tuple[Tokens, ...]:
        """(b, len(kinds)): the blocks of an architecture of any size."""


def check_growing(space: GrowingSpace) -> GrowingSpace:
    """``space`` if it grows. Raises NasbookError, which names the spaces that do, otherwise."""
    wanted = ("levels", "kinds", "sizes", "first", "extensions", "words")
    missing = [name for name in wanted if not hasattr(space, name)]
    if missing:
        raise NasbookError(
            f"the space is a {type(space).__name__} without {missing[0]}: PNAS needs one that grows, PnasCells() or "
            "GrowingCells(table.space)"
        )
    return space


def grown(space: GrowingSpace, cells: Iterable[Hashable], level: int) -> list[Hashable]:
    """All one-block extensions of ``cells``, each once, in the order in which they first appear."""
    return list(dict.fromkeys(larger for cell in cells for larger in space.extensions(cell, level)))


@dataclass(frozen=True)
class GrowingCells(Spoken):
    """The cells of ``space``, an EdgeSpace with ``none`` and ``skip_connect``, as they grow by one node at a time.

    A block is a node with the operations on all its edges; architectures are the strings of the table. Whole cells
    that are the same up to naming are one, and smaller ones are if all their nodes hold the same: then they also grow
    alike. One string stands for all of them, the first of those with the fewest nodes.
    """

    levels: ClassVar[int] = NODES - 1
    """How often a cell grows: once a node, the input aside."""

    kinds: ClassVar[tuple[str, ...]] = ("operation",) * (NODES - 1)
    """Of each token of a word: an operation for each earlier node."""

    space: EdgeSpace

    def __post_init__(self) -> None:
        for name in ("none", "skip_connect"):
            if name not in getattr(self.space, "operations", ()):
                raise NasbookError(f"the unread nodes of a growing cell are summed: {self.space!r} needs {name}")

    @property
    def questions(self) -> tuple[Question, ...]:
        """Those of ``space``."""
        return self.space.questions

    def decode(self, tokens: Iterable[int]) -> str:
        """The string of six tokens."""
        return self.space.decode(tokens)

    def encode(self, architecture: str) -> Tokens:
        """The tokens of a string."""
        return self.space.encode(architecture)

    @property
    def sizes(self) -> dict[str, int]:
        """One more than there are operations: the last stands where a node has no such edge."""
        return {"operation": len(self.space.operations) + 1}

    def words(self, cell: str) -> tuple[Tokens, ...]:
        """The nodes of a string, without those at its end that only sum what is unread before them."""
        names, absent = read_cell(cell), len(self.space.operations)
        decided = next(n for n in range(1, NODES) if names == _finished(_before(names, n), n))
        # the edges into a node are as many as its number, and the last of those decided so far
        rows = [list(map(self.space.operations.index, _before(names, node)[-node:])) for node in range(1, decided + 1)]
        return tuple((*row, *(absent,) * (NODES - 1 - len(row))) for row in rows)

    def first(self) -> list[str]:
        """The cells of one node: an operation each."""
        return list(dict.fromkeys(self._larger((), 1)))

    def extensions(self, cell: str, level: int) -> Iterator[str]:
        """The cells that differ from ``cell``, of ``level`` nodes, in having the next node too."""
        return self._larger(_before(read_cell(cell), level), level + 1)

    def _larger(self, decided: Tokens, node: int) -> Iterator[str]:
        """For each choice of a ``node`` behind the operations ``decided``, the string that stands for that cell."""
        for names in product(self.space.operations, repeat=node):
            yield self._standing[_sameness((*decided, *names), node)]

    @cached_property
    def _standing(self) -> dict[tuple[int, Form], str]:
        """For each size and form the string that stands for it."""
        found: dict[tuple[int, Form], str] = {}
        for node in range(1, NODES):
            for names in product(self.space.operations, repeat=node * (node + 1) // 2):
                whole = _finished(names, node)
                for same in (_sameness(whole, NODES - 1), _sameness(names, node)):
                    found.setdefault(same, write_cell(whole))
        return found


def _before(names: tuple[str, ...], node: int) -> tuple[str, ...]:
    """The operations on the edges into the nodes up to ``node``."""
    return names[: node * (node + 1) // 2]


def _finished(decided: tuple[str, ...], nodes: int) -> tuple[str, ...]:
    """All six operations of the cell whose first ``nodes`` nodes are ``decided``.

    The node behind them sums those that none of them reads, and later nodes hand that on.
    """
    names = decided
    for node in range(nodes + 1, NODES):
        read = {source for name, (target, source) in zip(names, EDGES) if name != "none" and target < node}
        names = (*names, *("skip_connect" if 0 < source not in read else "none" for source in range(node)))
    return names


def _sameness(decided: tuple[str, ...], nodes: int) -> tuple[int, Form]:
    """Equal for cells of ``nodes`` nodes that are the same up to naming and grow alike."""
    if nodes == NODES - 1:
        return nodes, canonical_form(write_cell(decided))
    edges = [(name, target, source) for name, (target, source) in zip(decided, EDGES)]
    # one more node that marks what each node holds, so that all of them count and not the output alone
    marks = [("holds", nodes + 1, node) for node in range(nodes + 1)]
    return nodes, form_of([*edges, *marks], nodes + 2)[0]
