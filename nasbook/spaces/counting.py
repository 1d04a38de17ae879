"""How many cells there are, by strings and up to naming: a family of cell spaces small enough to see through.

Node 0 is the cell's input, the last node its output. Each later node sums its inputs: all earlier nodes, as in
NAS-Bench-201 (Dong & Yang, 2020, arXiv 2001.00326), or some of them, as in DARTS (Liu et al., 2019, arXiv 1806.09055).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.spaces.edges.cells import NASBENCH201_OPERATIONS
from nasbook.spaces.edges.isomorphism import Form, form_of

Edges = tuple[tuple[str, int, int], ...]
"""A cell: (operation, node, source) of each edge, in order of node and source."""

LANDMARKS = (
    ("cellbench", 3**6),
    ("NAS-Bench-201", 5**6),
    ("DARTS, one cell", prod(comb(node, 2) for node in range(2, 6)) * 7**8),
    ("ENAS, 12 layers", 6**12 * 2**66),
    ("NAS with RL, 15 layers", 64**15 * 2**105),
)
"""Published spaces and how many architectures they hold, as strings."""


@dataclass(frozen=True)
class CellFamily:
    """All cells of ``nodes`` nodes, input and output counted, whose nodes read ``inputs`` different earlier nodes each,
    or all of them where there are no more, through one of ``operations`` each.

    Raises NasbookError for fewer than two nodes, no input, or an operation that NAS-Bench-201 does not have.
    """

    nodes: int
    operations: tuple[str, ...]
    inputs: int

    def __post_init__(self) -> None:
        checks.whole(self.nodes, "nodes", 2)
        checks.whole(self.inputs, "inputs", 1)
        for name in self.operations:
            one_of(name, NASBENCH201_OPERATIONS, "operation")
        if not self.operations:
            raise NasbookError("a cell needs at least one operation to choose from")

    def __len__(self) -> int:
        """How many cells there are as strings: for each node, which inputs, times which operation on each."""
        return prod(comb(node, self._reads(node)) * len(self.operations) ** self._reads(node) for node in self._later)

    def __iter__(self) -> Iterator[Edges]:
        """All cells, one at a time."""
        for read in product(*(combinations(range(node), self._reads(node)) for node in self._later)):
            places = [(node, source) for node, sources in zip(self._later, read) for source in sources]
            for names in product(self.operations, repeat=len(places)):
                yield tuple((name, node, source) for name, (node, source) in zip(names, places))

    def draw(self, rng: np.random.Generator) -> Edges:
        """A uniform cell."""
        return tuple(
            (self.operations[rng.integers(len(self.operations))], node, int(source))
            for node in self._later
            for source in sorted(rng.choice(node, self._reads(node), replace=False))
        )

    def form(self, cell: Edges) -> Form:
        """What two cells share exactly if they are the same up to naming; see ``nasbook.spaces.edges.isomorphism``."""
        return form_of(cell, self.nodes)[0]

    def unique(self) -> int:
        """How many cells there are up to naming, by going through all of them."""
        return len({self.form(cell) for cell in self})

    @property
    def _later(self) -> range:
        return range(1, self.nodes)

    def _reads(self, node: int) -> int:
        return min(node, self.inputs)
