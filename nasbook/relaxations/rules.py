"""One law, many cells: what the rules of derivation would make of the same probabilities, for comparison."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from nasbook.relaxations.derivation import INPUTS, darts_rule, every_edge_rule, probable_code_rule
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import Node, cell_edges


class Setting(NamedTuple):
    """A rule's name in :data:`RULES`, its threshold (of no meaning to most), and whether ``none`` may not compete."""

    rule: str
    threshold: float
    exclude_none: bool


def discretisations(
    laws: Mapping[str, np.ndarray], operations: Sequence[str], nodes: int, *, draws: int, thresholds: Sequence[float]
) -> dict[Setting, Genotype]:
    """The cell of every rule at every threshold, with ``none`` in the contest and without.

    ``laws``: kind of cell to probabilities (E, O). ``draws``: M of the rules "code". A node that loses all its edges
    is ``none``. Raises NasbookError as the rules of :mod:`nasbook.relaxations.derivation` do.
    """
    found = {}
    for name, rule in RULES.items():
        for exclude in (False, True):
            fixed = None if name == THRESHOLD else rule(laws, operations, nodes, exclude, draws)
            for at in thresholds:
                cell = _threshold(laws, operations, nodes, exclude, at) if fixed is None else fixed
                found[Setting(name, float(at), exclude)] = cell
    return found


def _two_edges(laws, operations, nodes, exclude, draws) -> Genotype:
    if exclude:
        return darts_rule(_logarithms(laws), operations, nodes)[0]

    def keep(p: np.ndarray) -> list[tuple[int, int]]:
        """The likeliest operations of the two best edges among those (E, O) where ``none`` has not won."""
        best = p.argmax(axis=1)  # (E, O) -> (E,)
        alive = [edge for edge in range(len(p)) if operations[best[edge]] != "none"]
        strongest = sorted(alive, key=lambda edge: -p[edge, best[edge]])[:INPUTS]
        return [(edge, best[edge]) for edge in strongest]

    return _each_node(laws, operations, nodes, keep)


def _every_edge(laws, operations, nodes, exclude, draws) -> Genotype:
    return every_edge_rule(_logarithms(_without(laws, operations, exclude)), _names(operations, exclude), nodes)[0]


def _threshold(laws, operations, nodes, exclude, at) -> Genotype:
    def keep(p: np.ndarray) -> list[tuple[int, int]]:
        """All operations of at least the threshold, but for edges (of E) that ``none`` has won."""
        lost = [not exclude and operations[best] == "none" for best in p.argmax(axis=1)]  # (E, O) -> (E,)
        chosen = [(edge, op) for edge, op in zip(*np.nonzero(p >= at)) if not lost[edge]]
        return [(edge, op) for edge, op in chosen if operations[op] != "none"]

    return _each_node(laws, operations, nodes, keep)


def _code(laws, operations, nodes, exclude, draws, per) -> Genotype:
    names = _names(operations, exclude)
    return probable_code_rule(_without(laws, operations, exclude), names, nodes, draws=draws, per=per)[0]


THRESHOLD = "threshold: every operation above it"
RULES = {
    "DARTS: best operation, two edges a node": _two_edges,
    "SNAS: best operation, every edge": _every_edge,
    THRESHOLD: None,
    "DATA: the code of each node": partial(_code, per="node"),
    "DATA: the code of each edge": partial(_code, per="edge"),
}
"""The rules that :func:`discretisations` compares."""


def _each_node(laws, operations, nodes, keep) -> Genotype:
    """The genotype of a rule ``keep`` that maps the (E, O) of one node's edges to the (edge, operation) it keeps."""
    cells: dict[str, tuple[Node, ...]] = {}
    for kind, law in laws.items():
        found = []
        for node in range(2, 2 + nodes):
            rows = [edge for edge, (target, _) in enumerate(cell_edges(nodes)) if target == node]
            pairs = [(operations[op], int(source)) for source, op in keep(law[rows])]
            found.append(tuple(pairs) or (("none", 0),))
        cells[kind] = tuple(found)
    return Genotype(cells["normal"], reduce=cells.get("reduce"))


def _names(operations: Sequence[str], exclude: bool) -> tuple[str, ...]:
    return tuple(name for name in operations if not (exclude and name == "none"))


def _without(laws: Mapping[str, np.ndarray], operations: Sequence[str], exclude: bool) -> dict[str, np.ndarray]:
    """The laws (E, O), or (E, O - 1) given that ``none`` was not drawn."""
    kept = [place for place, name in enumerate(operations) if not (exclude and name == "none")]
    return {kind: law[:, kept] / law[:, kept].sum(axis=1, keepdims=True) for kind, law in laws.items()}


def _logarithms(laws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {kind: np.log(np.maximum(law, np.finfo(float).tiny)) for kind, law in laws.items()}
