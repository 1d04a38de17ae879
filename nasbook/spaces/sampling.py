"""Architectures drawn at random: the baseline that every search has to beat."""

from collections.abc import Sequence

import numpy as np

from nasbook.spaces.genotypes import Genotype, Node
from nasbook.spaces.names import DARTS_OPERATIONS


def random_genotype(
    rng: np.random.Generator,
    *,
    operations: Sequence[str] = DARTS_OPERATIONS,
    nodes: int = 4,
    fixed_reduction: bool = False,
) -> Genotype:
    """A uniform DARTS cell: each node reads two distinct inputs, through operations other than ``none``.

    DARTS's random-search baseline (Liu et al., 2019, arXiv 1806.09055, section 3.2).
    """
    names = [name for name in operations if name != "none"]

    def cell() -> tuple[Node, ...]:
        return tuple(
            tuple(
                (names[rng.integers(len(names))], int(source))
                for source in sorted(rng.choice(node, size=2, replace=False))
            )
            for node in range(2, 2 + nodes)
        )

    concat = tuple(range(2, 2 + nodes))
    return Genotype(cell(), concat, None if fixed_reduction else cell(), concat)
