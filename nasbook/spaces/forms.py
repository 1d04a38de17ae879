"""What cells of blocks have in common: the states that no block reads, and one form of all ways to write a cell."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, permutations, product
from typing import Any


def loose_ends(reads: Sequence[Iterable[int]], first: int = 2) -> tuple[int, ...]:
    """The blocks, as states from ``first``, that no block reads; ``reads`` are the states that each of them reads."""
    read = set(chain(*reads))
    return tuple(state for state in range(first, first + len(reads)) if state not in read)


def alike(trees: Iterable[tuple[int, tuple]]) -> list[list[int]]:
    """The places of (place, tree), those of equal trees together, the smaller trees first."""
    groups: dict[tuple, list[int]] = {}
    for place, tree in trees:
        groups.setdefault(tree, []).append(place)
    return [groups[tree] for tree in sorted(groups)]


def least(groups: Sequence[Sequence[int]], renamed: Callable[[list[int]], Any]) -> Any:
    """The least of what ``renamed`` makes of all orders in which only members of one group change places."""
    orders = product(*map(permutations, groups))
    return min(renamed(list(chain(*order))) for order in orders)
