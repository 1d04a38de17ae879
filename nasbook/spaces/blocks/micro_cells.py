"""ENAS's micro space: cells of blocks that each sum two operations on two earlier states (Pham et al., 2018, arXiv
1802.03268, section 2.4). A cell gives the states that no block reads. Plain data, no torch.
"""

from collections.abc import Sequence
from math import prod

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.spaces.forms import loose_ends
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import Node
from nasbook.spaces.tokens import Genotypes

MICRO_OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")
"""The five operations in the order of the released code; the last is the identity."""


def micro_space(nodes: int = 5, operations: Sequence[str] = MICRO_OPERATIONS, reduction: bool = True) -> Genotypes:
    """The space of ``nodes`` blocks a cell: input, input, operation, operation for each block."""
    return Genotypes(tuple(operations), nodes, reduction=reduction, loose_ends=True)


def read_micro(
    normal: str | Sequence[int], reduce: str | Sequence[int], operations: Sequence[str] = MICRO_OPERATIONS
) -> Genotype:
    """The genotype of two arcs of the released code: input, operation, input, operation for each block.

    Raises NasbookError for what is no such list.
    """
    cells = [_nodes(arc, operations) for arc in (normal, reduce)]
    reads = [[[source for _, source in node] for node in cell] for cell in cells]
    return Genotype(cells[0], loose_ends(reads[0]), cells[1], loose_ends(reads[1]))


def _nodes(arc: str | Sequence[int], operations: Sequence[str]) -> tuple[Node, ...]:
    words = arc.split() if isinstance(arc, str) else list(arc)
    if not words or len(words) % 4 or not all(str(word).isdecimal() for word in words):
        raise NasbookError(
            f"{arc!r} is no arc: it needs four whole numbers a block, input, operation, input, operation"
        )
    numbers = [int(word) for word in words]
    nodes = []
    for block, (i, f, j, g) in enumerate(zip(*(numbers[part::4] for part in range(4)))):
        given = [checks.index(operation, len(operations), f"operation of block {block}") for operation in (f, g)]
        sources = [checks.index(source, block + 2, f"input of block {block}") for source in (i, j)]
        nodes.append(tuple((operations[operation], source) for operation, source in zip(given, sources)))
    return tuple(nodes)


def paper_count(nodes: int = 5, operations: int = 5) -> int:
    """The paper's count of pairs of cells, (operations * nodes!)^4; at 5 and 5, 1.3e11."""
    return (operations * prod(range(1, nodes + 1))) ** 4


OFFICIAL_MICRO_CELLS = read_micro("0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1", "1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1")
"""The cells of the released script."""
