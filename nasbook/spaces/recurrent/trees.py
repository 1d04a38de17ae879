"""Recurrent cells as binary trees (Zoph & Le, 2017, arXiv 1611.01578, section 3.4 and its worked example).

A tree with b leaves has 2b - 1 nodes, numbered leaves first, then level by level to the root, the last. Leaf i
combines two linear maps, of the input x and of the hidden state h; every other node combines the two nodes below it;
each then applies its activation. The memory c of the step before enters one node, and the value of one node before
its activation is the memory of this step; the root is the hidden state. Plain data, no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.spaces.sentences import Question, Spoken
from nasbook.spaces.tokens import Tokens, check_tokens

COMBINATIONS = ("add", "mult")
"""How two vectors become one: their sum, or their product entry by entry."""

ACTIVATIONS = ("identity", "tanh", "sigmoid", "relu")


class Node(NamedTuple):
    """How a node combines two vectors, and what it applies to the result."""

    combination: str
    activation: str

    def __str__(self) -> str:
        return f"{self.combination}-{self.activation}"


@dataclass(frozen=True)
class RecurrentTree:
    """A cell: its ``nodes`` (2b - 1), how the memory is injected, into which node, and which node gives the next one.

    Raises NasbookError unless b is a power of two, 2 at least, and the indices are nodes.
    """

    nodes: tuple[Node, ...]
    inject: Node
    into: int
    memory: int

    def __post_init__(self) -> None:
        if len(self.nodes) % 2 == 0 or self.leaves < 2 or self.leaves & (self.leaves - 1):
            raise NasbookError(f"a tree has 3, 7, 15, ... nodes (2, 4, 8, ... leaves), not {len(self.nodes)}")
        for combination, activation in (*self.nodes, self.inject):
            one_of(combination, COMBINATIONS, "combination")
            one_of(activation, ACTIVATIONS, "activation")
        checks.index(self.into, len(self.nodes), "node that the memory enters")
        checks.index(self.memory, len(self.nodes), "node that gives the memory")

    @property
    def leaves(self) -> int:
        """b, the base of the tree."""
        return (len(self.nodes) + 1) // 2

    def __str__(self) -> str:
        return f"{' '.join(map(str, self.nodes))} | {self.inject} into {self.into}, memory from {self.memory}"


@dataclass(frozen=True)
class RecurrentTrees(Spoken):
    """All cells of one ``base`` b: 8^(2b - 1) 8 (2b - 1)^2 of them; 6.3e16 for the paper's 8.

    A list is spoken node by node (combination, activation), then the injection, then the node that the memory enters
    and the node that gives it.
    """

    base: int = 8

    def __post_init__(self) -> None:
        if checks.whole(self.base, "base", 2) & (self.base - 1):
            raise NasbookError(f"base is {self.base}: a complete binary tree has 2, 4, 8, ... leaves")

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Two for each node and for the injection, then the two nodes of the memory."""
        pair = (("combination", COMBINATIONS), ("activation", ACTIVATIONS))
        place = ("node", tuple(map(str, range(2 * self.base - 1))))
        return pair * (2 * self.base) + (place, place)

    def decode(self, tokens: Sequence[int]) -> RecurrentTree:
        """The cell of a token list (4b + 2,)."""
        *pairs, into, memory = check_tokens(self, tokens)
        nodes = [Node(COMBINATIONS[one], ACTIVATIONS[other]) for one, other in zip(pairs[::2], pairs[1::2])]
        return RecurrentTree(tuple(nodes[:-1]), nodes[-1], into, memory)

    def encode(self, architecture: RecurrentTree) -> Tokens:
        """The token list of a cell. Raises NasbookError for one of another base."""
        if not isinstance(architecture, RecurrentTree) or architecture.leaves != self.base:
            raise NasbookError(f"an architecture here is a RecurrentTree of {self.base} leaves, not {architecture}")
        tokens = []
        for node in (*architecture.nodes, architecture.inject):
            tokens += [COMBINATIONS.index(node.combination), ACTIVATIONS.index(node.activation)]
        return (*tokens, architecture.into, architecture.memory)


def perplexity_reward(perplexity: float, scale: float = 80.0) -> float:
    """The paper's reward of a language model, scale / perplexity^2. Raises NasbookError below perplexity 1."""
    if not checks.number(perplexity, "perplexity") >= 1:
        raise NasbookError(f"perplexity is {perplexity:g}: it is at least 1")
    return checks.positive(scale, "scale") / perplexity**2
