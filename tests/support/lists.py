"""The simplest token space, and how far two lists are apart: what tests of searches are played on and judged by."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.spaces.sentences import Question, Spoken, Tokens, TokenSpace
from nasbook.spaces.tokens import check_tokens, is_valid


@dataclass(frozen=True)
class Product(Spoken):
    """Every combination of one name from each of ``alternatives``; an architecture is the tuple of its names."""

    alternatives: tuple[tuple[str, ...], ...]

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
    """In how many decisions two lists of one length differ (Hamming)."""
    return sum(a != b for a, b in zip(first, second, strict=True))
