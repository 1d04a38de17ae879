"""An architecture as a list of tokens: what a search without a super-net walks through.

A space has T decisions; decision t has ``choices[t]`` alternatives. A list of T tokens, each from 0, is written by a
controller (Zoph & Le, 2017, arXiv 1611.01578), drawn by random search, and changed in one place by evolution (Real et
al., 2019, arXiv 1802.01548). ``TokenSpace`` is all that a searcher asks for.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.spaces.forms import loose_ends
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import CELL_OPERATIONS, DARTS_OPERATIONS, Node, state_name
from nasbook.spaces.sentences import Question, Spoken, Tokens, TokenSpace, check_space

TRIES = 100_000
"""How many lists are drawn in search of a valid one."""


@dataclass(frozen=True)
class Product(Spoken):
    """Every combination of one name from each of ``alternatives``; an architecture is the tuple of its names.

    Raises NasbookError for a decision without alternatives, or with one twice.
    """

    alternatives: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        listed = isinstance(self.alternatives, list | tuple) and len(self.alternatives) > 0
        if not listed or not all(isinstance(names, list | tuple) and names for names in self.alternatives):
            raise NasbookError(
                f"alternatives must list the names of each decision, such as (('a', 'b'), ('c',)), "
                f"not {self.alternatives!r}"
            )
        named = tuple(checks.labels(names, len(names), "alternative", "a") for names in self.alternatives)
        object.__setattr__(self, "alternatives", named)

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """One for each decision; those between the same names are of the same kind."""
        return tuple((", ".join(names), names) for names in self.alternatives)

    def decode(self, tokens: Sequence[int]) -> tuple[str, ...]:
        """(T,) tokens to (T,) names."""
        return tuple(names[token] for names, token in zip(self.alternatives, check_tokens(self, tokens)))

    def encode(self, architecture: Hashable) -> Tokens:
        """(T,) names to (T,) tokens. Raises NasbookError for a name that its decision does not have."""
        if not isinstance(architecture, list | tuple) or len(architecture) != len(self.alternatives):
            raise NasbookError(f"an architecture here is {len(self.alternatives)} names, not {architecture!r}")
        return tuple(
            checks.index(name, len(names), f"alternative of decision {position}", names)
            for position, (name, names) in enumerate(zip(architecture, self.alternatives))
        )


@dataclass(frozen=True)
class Genotypes(Spoken):
    """DARTS-type cells: each node sums two operations on two earlier states; the decisions are input, input,
    operation, operation for each node, cell after cell.

    ``distinct`` demands two different inputs of each node, as DARTS does; NASNet's and AmoebaNet's cells may read one
    twice. ``loose_ends`` concatenates only nodes that no other node reads, as they do, instead of all nodes.
    ``reduction`` False: only a normal cell, beside a fixed reduction. An architecture is a Genotype.
    """

    operations: tuple[str, ...] = DARTS_OPERATIONS[1:]
    nodes: int = 4
    reduction: bool = True
    distinct: bool = False
    loose_ends: bool = False

    def __post_init__(self) -> None:
        checks.whole(self.nodes, "nodes", 1)
        object.__setattr__(self, "operations", check_operations(self.operations, CELL_OPERATIONS))

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Four for each node of each cell."""
        return ask_blocks(self.nodes, self.operations) * (2 if self.reduction else 1)

    @cached_property
    def genes(self) -> tuple[Tokens, ...]:
        """Inputs and operations of each cell: (positions of inputs, of operations) of the first cell, of the second.

        Real et al., section 3: choose the cell, then whether a hidden state or an operation mutates.
        """
        each = 4 * self.nodes
        places = [range(start, start + each) for start in range(0, len(self.choices), each)]
        return tuple(tuple(p for p in place if (p % 4 < 2) == inputs) for place in places for inputs in (True, False))

    def valid(self, tokens: Sequence[int]) -> bool:
        """Whether the two inputs of each node differ, where they have to."""
        return not self.distinct or all(tokens[p] != tokens[p + 1] for p in range(0, len(tokens), 4))

    def decode(self, tokens: Sequence[int]) -> Genotype:
        """The genotype of (T,) tokens."""
        nodes = read_blocks(check_tokens(self, tokens), self.operations)
        cells = [nodes[: self.nodes], nodes[self.nodes :]] if self.reduction else [nodes]
        return Genotype(*(part for cell in cells for part in (cell, self._concat(cell))))

    def encode(self, architecture: Hashable) -> Tokens:
        """The tokens of a genotype. Raises NasbookError for one that this space does not hold."""
        tokens, kinds = [], architecture.kinds if isinstance(architecture, Genotype) else {}
        for nodes, concat in kinds.values():
            for node in nodes:
                if len(node) != 2 or any(operation not in self.operations for operation, _ in node):
                    raise NasbookError(f"{self} holds no cell with the node {node!r}")
                tokens += [source for _, source in node] + [self.operations.index(name) for name, _ in node]
            if concat != self._concat(nodes):
                raise NasbookError(f"{self} holds no cell that concatenates {concat}")
        if len(tokens) != len(self.choices) or ("reduce" in kinds) != bool(self.reduction) or not self.valid(tokens):
            raise NasbookError(f"{self} does not hold {architecture!r}")
        return tuple(tokens)

    def _concat(self, nodes: tuple[Node, ...]) -> Tokens:
        """The graph nodes that a cell concatenates."""
        return loose_ends([[source for _, source in node if self.loose_ends] for node in nodes])


def check_operations(given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """``given`` as a tuple, one of ``known`` or more, each once. Raises NasbookError otherwise."""
    if not isinstance(given, list | tuple) or not given:
        raise NasbookError(f"operations must list at least one operation, not {given!r}")
    names = tuple(one_of(name, known, "operation") for name in given)
    return checks.labels(names, len(names), "operation", "o")


def ask_blocks(blocks: int, operations: tuple[str, ...]) -> tuple[Question, ...]:
    """For each block two inputs among c_{k-2}, c_{k-1}, 0, 1, ... and two operations."""
    states = tuple(map(state_name, range(1 + blocks)))
    asked = [names for end in range(2, 2 + blocks) for names in (states[:end], states[:end], operations, operations)]
    return tuple((", ".join(names), names) for names in asked)


def read_blocks(tokens: Tokens, operations: tuple[str, ...]) -> tuple[Node, ...]:
    """Blocks of two (operation, input) from tokens (4 blocks,), the answers to :func:`ask_blocks`."""
    quads = zip(*(tokens[part::4] for part in range(4)))
    return tuple(((operations[f], i), (operations[g], j)) for i, j, f, g in quads)


def check_tokens(space: TokenSpace, tokens: Sequence[int]) -> Tokens:
    """``tokens`` as a tuple of Python integers that are alternatives of their decisions and a valid list.

    Raises NasbookError otherwise.
    """
    try:
        given = tuple(tokens)
    except TypeError:
        given = ()
    if len(given) != len(space.choices):
        raise NasbookError(f"an architecture is written with {len(space.choices)} tokens, not {tokens!r}")
    found = tuple(
        checks.index(token, alternatives, f"token of decision {position}")
        for position, (token, alternatives) in enumerate(zip(given, space.choices))
    )
    if not is_valid(space, found):
        raise NasbookError(f"the tokens {found} stand for no architecture of {space}")
    return found


def is_valid(space: TokenSpace, tokens: Tokens) -> bool:
    """Whether ``tokens`` stand for an architecture; always, in a space that has no ``valid``."""
    return not hasattr(space, "valid") or bool(space.valid(tokens))


def size(space: TokenSpace) -> int:
    """How many token lists there are, the ones that are not valid included: the exact product of the choices."""
    return prod(check_space(space).choices)


def every(space: TokenSpace) -> Iterator[Tokens]:
    """All valid token lists, the last token counting fastest, made one at a time."""
    lists = product(*map(range, check_space(space).choices))
    return (tokens for tokens in lists if is_valid(space, tokens))


def random_tokens(space: TokenSpace, rng: np.random.Generator) -> Tokens:
    """A uniform valid token list. Raises NasbookError if ``TRIES`` draws find none."""
    checks.generator(rng)
    for _ in range(TRIES):
        tokens = tuple(rng.integers(space.choices).tolist())
        if is_valid(space, tokens):
            return tokens
    raise NasbookError(f"{TRIES:,} random lists held no architecture of {space}")


def mutate(space: TokenSpace, tokens: Sequence[int], rng: np.random.Generator) -> Tokens:
    """``tokens`` with exactly one changed: a gene group uniformly, a decision in it, another alternative of it.

    A space without ``genes`` has one group, of all decisions. Decisions without alternatives are left out, and lists
    that are not valid drawn again. Raises NasbookError if ``TRIES`` draws find no other list.
    """
    checks.generator(rng)
    parent = check_tokens(space, tokens)
    groups = getattr(space, "genes", (range(len(parent)),))
    groups = [[p for p in group if space.choices[p] > 1] for group in groups]
    groups = [group for group in groups if group]
    for _ in range(TRIES if groups else 0):
        group = groups[rng.integers(len(groups))]
        position = group[rng.integers(len(group))]
        # one fewer than there are, and the present one skipped: uniform over the others
        token = int(rng.integers(space.choices[position] - 1))
        token += token >= parent[position]
        child = (*parent[:position], token, *parent[position + 1 :])
        if is_valid(space, child):
            return child
    raise NasbookError(f"no change of one token leads from {parent} to another architecture of {space}")


def neighbours(space: TokenSpace, tokens: Sequence[int]) -> list[Tokens]:
    """All valid lists that differ from ``tokens`` in exactly one decision, in order of decision and alternative."""
    parent = check_tokens(space, tokens)
    found = [
        (*parent[:position], token, *parent[position + 1 :])
        for position, alternatives in enumerate(space.choices)
        for token in range(alternatives)
        if token != parent[position]
    ]
    return [one for one in found if is_valid(space, one)]


def distance(first: Sequence[int], second: Sequence[int]) -> int:
    """In how many decisions two lists differ (Hamming). Raises NasbookError if their lengths differ."""
    if len(first) != len(second):
        raise NasbookError(f"the lists have {len(first)} and {len(second)} tokens: only equal lengths can be compared")
    return sum(a != b for a, b in zip(first, second))
