"""From architecture parameters to a cell: the decision at the end of a search, and how narrow it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from nasbook.errors import NasbookError
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import Node, cell_edges, state_name

COLUMNS = [
    "kind",
    "node",
    "decision",
    "chosen",
    "probability",
    "runner_up",
    "runner_up_probability",
    "margin",
]

INPUTS = 2
"""How many edges a node keeps."""


def darts_rule(
    alphas: Mapping[str, np.ndarray], operations: Sequence[str], nodes: int
) -> tuple[Genotype, pd.DataFrame]:
    """DARTS's derivation (Liu et al., 2019, arXiv 1806.09055, section 2.4).

    ``alphas`` maps "normal" (and "reduce", unless it is fixed) to (E, O). Each edge takes its most probable
    operation, ``none`` excluded; each node keeps the two edges whose operation is the most probable. The
    probability of ``none`` counts in the softmax's denominator only. Ties go to the lower index.

    Returns the genotype, and one row for each decision: what won, what came second, and the margin between
    their probabilities. Nodes and inputs are named as in pictures: 0, 1, ... and c_{k-2}, c_{k-1}.
    Raises NasbookError if there is no operation but ``none``, or a NaN.
    """
    allowed = [i for i, name in enumerate(operations) if name != "none"]
    if not allowed:
        raise NasbookError("there is no operation to choose besides none")
    cells, rows = {}, []
    for kind, alpha in alphas.items():
        alpha = np.asarray(alpha, dtype=np.float64)
        if np.isnan(alpha).any():
            raise NasbookError(f"the architecture parameters of the {kind} cell hold NaN: the search diverged")
        p = np.exp(alpha - alpha.max(axis=-1, keepdims=True))
        p /= p.sum(axis=-1, keepdims=True)
        cells[kind], decided = _cell(p, operations, allowed, nodes)
        rows += [[kind, *row] for row in decided]
    genotype = Genotype(cells["normal"], reduce=cells.get("reduce"))
    return genotype, pd.DataFrame(rows, columns=COLUMNS)


def _cell(
    p: np.ndarray, operations: Sequence[str], allowed: list[int], nodes: int
) -> tuple[tuple[Node, ...], list[list]]:
    """The nodes and the decisions of one cell with probabilities ``p`` (E, O)."""
    edges = cell_edges(nodes)
    ranked = [sorted(allowed, key=lambda op, e=e: -p[e, op]) for e in range(len(edges))]
    best = [p[e, order[0]] for e, order in enumerate(ranked)]
    cell, rows = [], []

    def decide(node: int, decision: str, chosen: str, probability: float, runner_up: str, second: float) -> None:
        rows.append([node - 2, decision, chosen, probability, runner_up, second, probability - second])

    for node in range(2, 2 + nodes):
        incoming = sorted((e for e, (n, _) in enumerate(edges) if n == node), key=lambda e: -best[e])
        kept, dropped = incoming[:INPUTS], incoming[INPUTS:]
        cell.append(tuple((operations[ranked[e][0]], edges[e][1]) for e in kept))
        if dropped:
            last, first = kept[-1], dropped[0]
            names = [state_name(edges[e][1]) for e in (last, first)]
            decide(node, "edge", names[0], best[last], names[1], best[first])
        for e in kept if len(allowed) > 1 else ():
            won, second = ranked[e][:2]
            decision = f"operation from {state_name(edges[e][1])}"
            decide(node, decision, operations[won], p[e, won], operations[second], p[e, second])
    return tuple(cell), rows
