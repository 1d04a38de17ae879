"""NASNet's cells as token lists (Zoph et al., 2018, arXiv 1707.07012, section 3). Plain data, no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.spaces.forms import loose_ends
from nasbook.spaces.sentences import Question, Spoken
from nasbook.spaces.tokens import Tokens, check_tokens

OPERATIONS = (
    "identity",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
COMBINATIONS = ("add", "concat")


class Block(NamedTuple):
    """Two states (0 and 1 are the cells before, then the blocks), an operation on each, and how they are joined."""

    first: int
    second: int
    first_operation: str
    second_operation: str
    combination: str

    def __str__(self) -> str:
        return f"{self.first_operation}~{self.first} {self.combination} {self.second_operation}~{self.second}"


@dataclass(frozen=True)
class NasnetCell:
    """The blocks of both cells. Raises NasbookError for a block that reads a later one or has an unknown part."""

    normal: tuple[Block, ...]
    reduction: tuple[Block, ...]

    def __post_init__(self) -> None:
        for place, block in [pair for cell in (self.normal, self.reduction) for pair in enumerate(cell)]:
            for state in (block.first, block.second):
                checks.index(state, place + 2, f"state before block {place}")
            for operation in (block.first_operation, block.second_operation):
                one_of(operation, OPERATIONS, "operation")
            one_of(block.combination, COMBINATIONS, "combination")

    def __str__(self) -> str:
        return " | ".join("; ".join(map(str, cell)) for cell in (self.normal, self.reduction))

    def loose_ends(self, kind: str) -> tuple[int, ...]:
        """The blocks of a cell that no block reads, as states; the cell's output joins them in depth."""
        cell = getattr(self, one_of(kind, ("normal", "reduction"), "kind"))
        return loose_ends([(block.first, block.second) for block in cell])


@dataclass(frozen=True)
class NasnetCells(Spoken):
    """Two cells of ``blocks`` blocks, each five decisions: two states, two of 13 operations, how to join."""

    blocks: int = 5

    def __post_init__(self) -> None:
        checks.whole(self.blocks, "blocks", 1)

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Five for each block; states of different blocks are of different kinds."""
        parts = (("operation", OPERATIONS), ("operation", OPERATIONS), ("combination", COMBINATIONS))
        states = [(f"state of block {n}", tuple(map(str, range(n + 2)))) for n in range(self.blocks)]
        return tuple(question for state in states for question in (state, state, *parts)) * 2

    def decode(self, tokens: Sequence[int]) -> NasnetCell:
        """The cells of a token list (10 blocks,)."""
        given = check_tokens(self, tokens)
        blocks = [
            Block(one, other, OPERATIONS[first], OPERATIONS[second], COMBINATIONS[joined])
            for one, other, first, second, joined in zip(*(given[part::5] for part in range(5)))
        ]
        return NasnetCell(tuple(blocks[: self.blocks]), tuple(blocks[self.blocks :]))

    def encode(self, architecture: NasnetCell) -> Tokens:
        """The token list of two cells. Raises NasbookError for cells of another size."""
        fits = isinstance(architecture, NasnetCell)
        if not fits or not len(architecture.normal) == len(architecture.reduction) == self.blocks:
            raise NasbookError(f"an architecture here is two cells of {self.blocks} blocks, not {architecture}")
        tokens: list[int] = []
        for block in (*architecture.normal, *architecture.reduction):
            operations = (OPERATIONS.index(block.first_operation), OPERATIONS.index(block.second_operation))
            tokens += [block.first, block.second, *operations, COMBINATIONS.index(block.combination)]
        return tuple(tokens)
