"""From architecture parameters to a cell: the decision at the end of a search, and how narrow it was."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import softmax

from nasbook.base.errors import NasbookError, one_of
from nasbook.relaxations.samplers import code_probability
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import Node, cell_edges, state_name

COLUMNS = ["kind", "node", "decision", "chosen", "probability", "runner_up", "runner_up_probability", "margin"]

INPUTS = 2
"""How many edges a node keeps under DARTS's rule."""

CellRule = Callable[[np.ndarray], tuple[tuple[Node, ...], list[list]]]


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
    return strongest_rule(probabilities(alphas), operations, nodes)


def strongest_rule(
    strengths: Mapping[str, np.ndarray], operations: Sequence[str], nodes: int
) -> tuple[Genotype, pd.DataFrame]:
    """:func:`darts_rule` with ``strengths``, cell kind to (E, O), in place of the probabilities.

    PC-DARTS (Xu et al., 2020, arXiv 1907.05737, section 3.3) takes the edge's weight times the probability.
    Raises NasbookError as :func:`darts_rule` does.
    """
    allowed = _allowed(operations)
    laws = {kind: _numbers(kind, law) for kind, law in strengths.items()}
    return _by_kind(laws, lambda p: _cell(p, operations, allowed, nodes))


def every_edge_rule(
    alphas: Mapping[str, np.ndarray], operations: Sequence[str], nodes: int
) -> tuple[Genotype, pd.DataFrame]:
    """SNAS's derivation (Xie et al., 2019, arXiv 1812.09926): every edge takes its most probable operation.

    ``none`` may win, and its edge is then gone; a node that loses all its edges keeps ``none`` on the first, and
    is zero. Arguments, return value and errors as :func:`darts_rule`, but a ``none`` alone is a choice here.
    """

    def cell(p: np.ndarray) -> tuple[tuple[Node, ...], list[list]]:
        edges, found, rows = cell_edges(nodes), {node: [] for node in range(2, 2 + nodes)}, []
        for (node, source), law in zip(edges, p):
            order = np.argsort(-law, kind="stable")
            if operations[order[0]] != "none":
                found[node].append((operations[order[0]], source))
            if len(order) > 1:
                rows.append(_row(node, f"operation from {state_name(source)}", operations, law, order))
        return tuple(tuple(pairs) or (("none", 0),) for pairs in found.values()), rows

    return _by_kind(probabilities(alphas), cell)


def probable_code_rule(
    laws: Mapping[str, np.ndarray], operations: Sequence[str], nodes: int, *, draws: int, per: str = "node"
) -> tuple[Genotype, pd.DataFrame]:
    """DATA's derivation (Chang et al., 2019, arXiv 1905.01786): the most probable code of ``draws`` united draws.

    ``laws`` maps a kind of cell to the probabilities (E, O) of one draw on each edge. ``per`` "node" lets a node
    draw among all its pairs (input, operation), each edge with the same share and all ``none`` as one outcome;
    "edge" decides each edge alone. ``none`` is dropped from the result; a node that would be left with nothing
    keeps its most probable operation. Which code that is: :func:`most_probable_code`.

    Returns the genotype, and one row for each code: what it holds, how the second most probable differs, and the
    margin between their probabilities.
    Raises NasbookError as :func:`darts_rule` does, for another ``per``, and for laws that do not sum to 1.
    """
    _allowed(operations)
    one_of(per, ("node", "edge"), "per")

    def cell(p: np.ndarray) -> tuple[tuple[Node, ...], list[list]]:
        found, rows = [], []
        for node in range(2, 2 + nodes):
            incoming = [(source, law) for (target, source), law in zip(cell_edges(nodes), p) if target == node]
            groups = [incoming] if per == "node" else [[one] for one in incoming]
            kept = []
            for group in groups:
                pairs, chances = _outcomes(group, operations)
                best, chance, second, other = most_probable_code(chances, draws)
                kept += [pairs[i] for i in best if pairs[i] is not None]
                where = "node" if per == "node" else f"edge from {state_name(group[0][0])}"
                if second:
                    chosen, runner_up = _names(pairs, best), _difference(pairs, best, second)
                    rows.append([node - 2, f"code of the {where}", chosen, chance, runner_up, other, chance - other])
            found.append(tuple(kept) or (_likeliest(incoming, operations),))
        return tuple(found), rows

    return _by_kind({kind: _numbers(kind, law) for kind, law in laws.items()}, cell)


Code = tuple[int, ...]


def most_probable_code(p: np.ndarray, draws: int) -> tuple[Code, float, Code, float]:
    """The most probable code of ``draws`` draws from ``p`` (O,), its probability, and the same of the second.

    Codes list outcomes, the likeliest first. The best code of a size holds the likeliest outcomes, since a set grows
    more probable with its members; for the same reason the second of that size differs in the last of them alone.
    Ties go to the smaller code and the lower index. Where one code alone can be drawn the second is () with 0.0.
    Raises NasbookError as :func:`nasbook.relaxations.samplers.code_probability` does.
    """
    order = np.argsort(-p, kind="stable").tolist()
    tops = [tuple(order[:size]) for size in range(1, max(1, min(draws, len(p))) + 1)]
    chances = {code: code_probability(p, code, draws) for code in tops}
    best = max(chances, key=chances.get)
    chance = chances.pop(best)
    if len(best) < len(p):
        swapped = (*best[:-1], order[len(best)])
        chances[swapped] = code_probability(p, swapped, draws)
    second = max(chances, key=chances.get, default=())
    return best, chance, second, chances.get(second, 0.0)


def _names(pairs: Sequence[tuple[str, int] | None], code: Sequence[int]) -> str:
    return ", ".join("none" if pairs[i] is None else f"{pairs[i][0]} from {state_name(pairs[i][1])}" for i in code)


def _difference(pairs: Sequence[tuple[str, int] | None], best: Code, second: Code) -> str:
    """What turns the best code into the second."""
    gone, new = ([i for i in one if i not in other] for one, other in ((best, second), (second, best)))
    if gone and new:
        return f"{_names(pairs, new)} for {_names(pairs, gone)}"
    return f"without {_names(pairs, gone)}" if gone else f"with {_names(pairs, new)}"


def _outcomes(
    group: list[tuple[int, np.ndarray]], operations: Sequence[str]
) -> tuple[list[tuple[str, int] | None], np.ndarray]:
    """The pairs that a node or an edge draws among, None for all its ``none`` together, and their probabilities."""
    pairs, chances, nothing = [], [], 0.0
    for source, law in group:
        for name, chance in zip(operations, law / len(group)):
            if name == "none":
                nothing += chance
            else:
                pairs.append((name, source))
                chances.append(chance)
    if "none" in operations:
        pairs, chances = [None, *pairs], [nothing, *chances]
    return pairs, np.array(chances)


def _likeliest(incoming: list[tuple[int, np.ndarray]], operations: Sequence[str]) -> tuple[str, int]:
    pairs = [(law[i], name, source) for source, law in incoming for i, name in enumerate(operations) if name != "none"]
    _, name, source = max(pairs, key=lambda pair: pair[0])
    return name, source


def _by_kind(laws: Mapping[str, np.ndarray], cell: CellRule) -> tuple[Genotype, pd.DataFrame]:
    """The genotype and the table of decisions of a rule that maps (E, O) probabilities to nodes and rows."""
    cells, rows = {}, []
    for kind, p in laws.items():
        cells[kind], decided = cell(p)
        rows += [[kind, *row] for row in decided]
    return Genotype(cells["normal"], reduce=cells.get("reduce")), pd.DataFrame(rows, columns=COLUMNS)


def probabilities(alphas: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """softmax of logits (E, O) for each kind of cell, in float64. Raises NasbookError for a NaN."""
    return {kind: softmax(_numbers(kind, alpha), axis=-1) for kind, alpha in alphas.items()}


def _numbers(kind: str, alpha: np.ndarray) -> np.ndarray:
    alpha = np.asarray(alpha, dtype=np.float64)
    if np.isnan(alpha).any():
        raise NasbookError(f"the architecture parameters of the {kind} cell hold NaN: the search diverged")
    return alpha


def _allowed(operations: Sequence[str]) -> list[int]:
    allowed = [i for i, name in enumerate(operations) if name != "none"]
    if not allowed:
        raise NasbookError("there is no operation to choose besides none")
    return allowed


def _row(node: int, decision: str, operations: Sequence[str], law: np.ndarray, order: Sequence[int]) -> list:
    won, second = order[:2]
    return [node - 2, decision, operations[won], law[won], operations[second], law[second], law[won] - law[second]]


def _cell(
    p: np.ndarray, operations: Sequence[str], allowed: list[int], nodes: int
) -> tuple[tuple[Node, ...], list[list]]:
    """The nodes and the decisions of one cell with probabilities ``p`` (E, O)."""
    edges = cell_edges(nodes)
    ranked = [sorted(allowed, key=lambda op, e=e: -p[e, op]) for e in range(len(edges))]
    best = [p[e, order[0]] for e, order in enumerate(ranked)]
    cell, rows = [], []
    for node in range(2, 2 + nodes):
        incoming = sorted((e for e, (n, _) in enumerate(edges) if n == node), key=lambda e: -best[e])
        kept, dropped = incoming[:INPUTS], incoming[INPUTS:]
        cell.append(tuple((operations[ranked[e][0]], edges[e][1]) for e in kept))
        if dropped:
            last, first = kept[-1], dropped[0]
            names = [state_name(edges[e][1]) for e in (last, first)]
            rows.append([node - 2, "edge", names[0], best[last], names[1], best[first], best[last] - best[first]])
        for e in kept if len(allowed) > 1 else ():
            rows.append(_row(node, f"operation from {state_name(edges[e][1])}", operations, p[e], ranked[e]))
    return tuple(cell), rows
