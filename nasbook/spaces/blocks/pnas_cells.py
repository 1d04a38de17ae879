"""Cells of PNAS (Liu et al., 2018, arXiv 1712.00559, section 3.1): blocks added one by one, each a sum of two.

A block reads two of the states before it, the outputs of the two cells before (0 and 1) and the blocks 2, 3, ...;
inputs may coincide. A sum has no order, and neither have blocks that do not read each other: :class:`PnasCell` keeps
one form of all the ways in which the same cell can be written. Plain data, no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from math import factorial, prod
from typing import TYPE_CHECKING, ClassVar

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.spaces.forms import alike, least, loose_ends
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import CELL_OPERATIONS
from nasbook.spaces.sentences import Question, Spoken
from nasbook.spaces.tokens import Tokens, ask_blocks, check_operations, check_tokens, read_blocks

if TYPE_CHECKING:
    from nasbook.spaces.darts.networks import CellNetwork

OPERATIONS = (
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "conv_7x1_1x7",
    "skip_connect",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_conv_3x3",
)
"""The eight operations of the paper."""

ORDERS = factorial(9)
"""At most so many orders of blocks that compute the same are compared: some seconds."""

Pair = tuple[str, int]
Block = tuple[Pair, Pair]
"""Two (operation, input); the block is the sum of their outputs."""


@dataclass(frozen=True)
class PnasCell:
    """A cell of ``blocks``, kept in canonical form: cells that are the same up to naming are equal.

    The form is exact: two cells are equal exactly if the blocks of one can be renamed to give the other's, sums
    being without order. Raises NasbookError for an unknown operation or an input that a block cannot have.
    """

    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.blocks, list | tuple) or not self.blocks:
            raise NasbookError(f"a cell has at least one block, not {self.blocks!r}")
        for place, block in enumerate(self.blocks):
            if not isinstance(block, list | tuple) or len(block) != 2:
                raise NasbookError(f"block {place} is {block!r}; it must be two (operation, input)")
            for operation, source in block:
                one_of(operation, CELL_OPERATIONS, "operation")
                checks.index(source, place + 2, f"input of block {place}")
        object.__setattr__(self, "blocks", canonical_blocks(self.blocks))

    @property
    def loose_ends(self) -> tuple[int, ...]:
        """The blocks that no block reads, as states from 2: the cell's output joins them in depth."""
        return loose_ends([[source for _, source in block] for block in self.blocks])

    def genotype(self, join: str = "loose") -> Genotype:
        """The cell as normal and, at stride 2, as reduction cell: PNAS has no other reduction.

        ``join``: the output concatenates the "loose" ends, as the paper says, or "all" blocks, as the released
        PNASNet-5 does.
        """
        ends = {"loose": self.loose_ends, "all": tuple(range(2, 2 + len(self.blocks)))}
        concat = ends[one_of(join, ends, "join")]
        return Genotype(self.blocks, concat, self.blocks, concat)

    def __str__(self) -> str:
        return " | ".join("+".join(f"{name}~{source}" for name, source in block) for block in self.blocks)


def canonical_blocks(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks renamed and reordered so that all ways to write one cell give the same.

    Blocks are ordered by their trees, what they compute written out down to the cell's inputs, the smaller first; a
    tree is larger than those it reads. Of blocks with equal trees the order that gives the least list is taken: only
    there can reading one block twice differ from reading its twin. Raises NasbookError for more than ``ORDERS`` orders.
    """
    trees: list[tuple] = [(0,), (1,)]
    for block in blocks:
        pairs = sorted((name, trees[source]) for name, source in block)
        size = 2 + sum(tree[0] for _, tree in pairs if tree[0] > 1)  # inputs are 0 and 1, a block is at least 2
        trees.append((size, *pairs))
    groups = alike(enumerate(trees[2:]))
    ways = prod(factorial(len(group)) for group in groups)
    if ways > ORDERS:
        raise NasbookError(
            f"{len(blocks)} blocks of which so many compute the same have {ways:,} orders to compare, more than "
            f"{ORDERS:,}: use fewer blocks or more operations"
        )

    def renamed(order: list[int]) -> tuple[Block, ...]:
        name = {0: 0, 1: 1} | {place + 2: new for new, place in enumerate(order, 2)}
        return tuple(tuple(sorted((operation, name[source]) for operation, source in blocks[place])) for place in order)

    return least(groups, renamed)


@dataclass(frozen=True)
class PnasCells(Spoken):
    """All cells of ``blocks`` blocks over ``operations``: a token space, and one that grows block by block.

    Tokens are input, input, operation, operation of each block; an architecture is a :class:`PnasCell`. What PNAS
    asks for besides is described in :mod:`nasbook.spaces.edges.growing`. Raises NasbookError for bad operations or
    sizes.
    """

    kinds: ClassVar[tuple[str, ...]] = ("input", "input", "operation", "operation")
    """Of each token of a word, whether it names an input or an operation."""

    blocks: int = 5
    operations: tuple[str, ...] = OPERATIONS

    def __post_init__(self) -> None:
        checks.whole(self.blocks, "blocks", 1)
        object.__setattr__(self, "operations", check_operations(self.operations, CELL_OPERATIONS))

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Four for each block."""
        return ask_blocks(self.blocks, self.operations)

    def decode(self, tokens: Sequence[int]) -> PnasCell:
        """The cell of (4 blocks,) tokens."""
        return PnasCell(read_blocks(check_tokens(self, tokens), self.operations))

    def encode(self, architecture: PnasCell) -> Tokens:
        """Tokens of a cell in its canonical form. Raises NasbookError for one of another size or operations."""
        if not isinstance(architecture, PnasCell) or len(architecture.blocks) != self.blocks:
            raise NasbookError(f"an architecture here is a cell of {self.blocks} blocks, not {architecture}")
        return tuple(token for word in self.words(architecture) for token in word)

    @property
    def levels(self) -> int:
        """How often a cell grows, the first block counted."""
        return self.blocks

    @property
    def sizes(self) -> dict[str, int]:
        """How many tokens of each kind there are, in the largest cell."""
        return {"input": self.blocks + 1, "operation": len(self.operations)}

    def words(self, cell: PnasCell) -> tuple[Tokens, ...]:
        """The blocks as tokens (input, input, operation, operation), (b, 4), of a cell of any size."""
        return tuple(
            (i, j, *(checks.index(name, len(self.operations), "operation", self.operations) for name in (f, g)))
            for (f, i), (g, j) in cell.blocks
        )

    def first(self) -> list[PnasCell]:
        """All cells of one block: 136 with the eight operations."""
        return [PnasCell((block,)) for block in self.additions(0)]

    def extensions(self, cell: PnasCell, level: int) -> Iterator[PnasCell]:
        """The cells that one more block makes of ``cell``; the same one may come twice."""
        return (PnasCell((*cell.blocks, block)) for block in self.additions(len(cell.blocks)))

    def additions(self, blocks: int) -> list[Block]:
        """The different blocks that a cell of so many ``blocks`` can be given, halves of a sum not ordered."""
        pairs = [(name, source) for source in range(2 + blocks) for name in self.operations]
        return list(combinations_with_replacement(pairs, 2))


def ordered_blocks(block: int, operations: int = 8) -> int:
    """|B_b|, section 3.1: quadruples (input, input, operation, operation) of block number ``block``, from 1."""
    return (checks.whole(block, "block", 1) + 1) ** 2 * operations**2


def unordered_blocks(block: int, operations: int = 8) -> int:
    """The same when the two halves of a sum may change places: 136, 300, 528, 820, 1,176 in the paper's space."""
    pairs = (checks.whole(block, "block", 1) + 1) * operations
    return pairs * (pairs + 1) // 2


def count(blocks: int = 5, operations: int = 8, ordered: bool = False) -> int:
    """How many lists of so many blocks there are, with halves of a sum ``ordered`` or not: 5.566e14 or 2.077e13."""
    each = ordered_blocks if ordered else unordered_blocks
    return prod(each(block, operations) for block in range(1, 1 + checks.whole(blocks, "blocks", 1)))


def network(cell: PnasCell, seed: int = 0, *, channels: int = 24, cells: int = 6, classes: int = 10) -> CellNetwork:
    """The stand-alone network of a cell, for :class:`nasbook.trials.evaluators.Training`.

    The paper's children have F = 24 channels and N = 2 cells a stage, 3 N = 6 in all; the first cell of the second
    and third stage has stride 2 and doubles the channels.
    """
    return cell.genotype().network(channels, cells, classes, seed=seed)
