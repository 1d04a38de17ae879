"""The names of operations, in the order in which architecture parameters store them (plain data, no torch)."""

Node = tuple[tuple[str, int], ...]
"""A node of a cell: pairs of operation name and input."""

DARTS_OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The eight candidates of DARTS, SNAS, GDAS, DATA and MSG-DAS. The order is part of the format of ``alphas.npz``."""

CELL_OPERATIONS = (*DARTS_OPERATIONS, "sep_conv_7x7", "conv_7x1_1x7", "conv_3x3", "conv_1x1")
"""These, and further ones of published cells and of other spaces."""


def cell_edges(nodes: int = 4) -> tuple[tuple[int, int], ...]:
    """The edges (node, input) of a DARTS-type cell in the order of its architecture parameters.

    Graph nodes 0 and 1 are the outputs of the two cells before; node ``i >= 2`` receives an edge from each
    ``j < i`` (DARTS, section 2.1). Four nodes have 14 edges.
    """
    return tuple((node, source) for node in range(2, 2 + nodes) for source in range(node))


def edge_count(nodes: int) -> int:
    """How many :func:`cell_edges` a cell of so many nodes has, without listing them."""
    return nodes * (nodes + 3) // 2


def state_name(node: int) -> str:
    """What pictures and tables call graph node ``node``: the inputs c_{k-2} and c_{k-1}, then 0, 1, 2, ..."""
    return ("c_{k-2}", "c_{k-1}")[node] if node < 2 else str(node - 2)
