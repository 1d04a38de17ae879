"""Which cells of NAS-Bench-201's form are the same cell under other names (plain data, no torch).

:func:`canonical_form` is exact. It rests on four identities, and on no other: ``none`` gives zero, as does a pooling of
zero, and zero vanishes from a sum; ``skip_connect`` gives its input; a sum does not know the order of its terms, nor
how they were grouped; what no path leads from to the output does nothing. Two convolutions are two even where they read
the same node, because each has weights of its own; one convolution that two nodes read is one. A convolution of zero
stays: its BatchNorm still adds a learned shift. So cells of one form compute the same function and have the same
gradients, once the weights of corresponding convolutions are equal, and train alike but for rounding.

:func:`published_string` are the coarser string procedures (Dong & Yang, 2020, arXiv 2001.00326, section 2.1, and
variants). They write a node out as often as it is read, and so forget which convolutions are shared.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from nasbook.base.errors import one_of
from nasbook.spaces.edges.cells import EDGES, NODES, read_cell
from nasbook.spaces.forms import alike, least

RULES = ("identity", "published", "dropped", "flattened")

Terms = tuple[int, ...]
"""A sum: 0 is the cell's input, i the i-th operation of the form; one entry a term, ascending."""


class Form(NamedTuple):
    """A cell up to naming: the terms of its output, and each operation's name with the terms of its input."""

    output: Terms
    operations: tuple[tuple[str, Terms], ...]


def canonical_form(cell: str) -> Form:
    """The form of a cell: equal for two cells exactly if they are the same up to naming. See the module."""
    return correspondence(cell)[0]


@cache
def correspondence(cell: str) -> tuple[Form, tuple[int, ...]]:
    """The form of a cell, and for each operation of the form the edge of this cell that carries it.

    Equal poolings of one sum are one operation, on the first of their edges. Raises NasbookError for a bad string.
    """
    return form_of([(name, target, source) for name, (target, source) in zip(read_cell(cell), EDGES)], NODES)


def form_of(edges: Sequence[tuple[str, int, int]], nodes: int) -> tuple[Form, tuple[int, ...]]:
    """The same for any acyclic cell: ``edges`` (operation, node, source) with source < node < ``nodes``.

    Node 0 is the input and the last node the output.
    """
    output, found = _expand(edges, nodes)
    used, waiting = set(), list(output)
    while waiting:
        atom = waiting.pop()
        if atom and atom not in used:
            used.add(atom)
            waiting += found[atom - 1][1]
    # Only operations that look alike when written out can change places, so few orders are left to compare.
    groups = alike((atom, _written_out(atom, found)) for atom in used)
    form, atoms = least(groups, lambda order: _renamed(output, found, order))
    return form, tuple(found[atom - 1][2] for atom in atoms)


def _expand(edges: Sequence[tuple[str, int, int]], nodes: int) -> tuple[Terms, list[tuple[str, Terms, int]]]:
    """The output's terms, and (name, terms of the input, edge) of each operation with atom number = place + 1."""
    sums: list[Terms] = [(0,)]
    found: list[tuple[str, Terms, int]] = []
    for node in range(1, nodes):
        terms: list[int] = []
        for edge, (name, target, source) in enumerate(edges):
            if target != node or name == "none" or (name == "avg_pool_3x3" and not sums[source]):
                continue
            if name == "skip_connect":
                terms += sums[source]
                continue
            same = [i for i, (other, read, _) in enumerate(found) if (other, read) == (name, sums[source])]
            if not (name == "avg_pool_3x3" and same):
                found.append((name, sums[source], edge))
                same = [len(found) - 1]
            terms.append(same[0] + 1)
        sums.append(tuple(sorted(terms)))
    return sums[-1], found


def _written_out(atom: int, found: list[tuple[str, Terms, int]]) -> tuple:
    """An operation as a tree of names, which does not depend on numbering."""
    if atom == 0:
        return ("",)
    name, terms, _ = found[atom - 1]
    return (name, *sorted(_written_out(term, found) for term in terms))


def _renamed(output: Terms, found: list, order: list[int]) -> tuple[Form, list[int]]:
    """The form in which the atoms of ``order`` are called 1, 2, ..."""
    number = {0: 0} | {atom: place + 1 for place, atom in enumerate(order)}

    def renamed(terms: Terms) -> Terms:
        return tuple(sorted(number[term] for term in terms))

    operations = tuple((found[atom - 1][0], renamed(found[atom - 1][1])) for atom in order)
    return Form(renamed(output), operations), order


def classes(cells: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The cells grouped by form: representative to members, in the order in which the forms appear.

    The representative is the first member. In the order of an ``EdgeSpace`` whose first operation
    is ``none`` it carries nothing that leads nowhere, because ``none`` in its place would come earlier.
    """
    groups: dict[Form, list[str]] = {}
    for cell in cells:
        groups.setdefault(canonical_form(cell), []).append(cell)
    return {members[0]: tuple(members) for members in groups.values()}


def published_string(cell: str, rule: str = "published") -> str:
    """A cell written out as nested sums of the operations that lead to its output.

    ``rule``: "identity" only replaces skip connections by what they read (12,751 strings in NAS-Bench-201);
    "published" also writes "#" for ``none`` and for an operation on a lone "#" (6,466, the published number);
    "dropped" leaves zeros out of sums (5,390); "flattened" also dissolves a sum within a sum (4,930).
    """
    one_of(rule, RULES, "rule")
    nodes = [["0"]]
    for node in range(1, NODES):
        terms: list[str] = []
        for name, (target, source) in zip(read_cell(cell), EDGES):
            if target != node:
                continue
            read = "+".join(sorted(nodes[source]))
            if rule != "identity" and (name == "none" or read == "#"):
                terms.append("#")
            elif name == "skip_connect":
                terms += nodes[source] if rule == "flattened" else [read]
            else:
                terms.append(f"({read})@{name}")
        if rule in ("dropped", "flattened"):
            terms = [term for term in terms if term != "#"] or ["#"]
        nodes.append(terms)
    return "+".join(sorted(nodes[-1]))


def connected(cell: str) -> bool:
    """Whether a path of operations other than ``none`` leads from the input to the output."""
    reached = {0}
    for name, (target, source) in zip(read_cell(cell), EDGES):
        if name != "none" and source in reached:
            reached.add(target)
    return NODES - 1 in reached
