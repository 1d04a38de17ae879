"""A table of a formula, not of trainings: for trying a method in a second where no table of truth is at hand.

Nobody trained these cells. A cell is worth more the more convolutions lie on its paths and the deeper the longest of
them is, with a skip path for free; noise stands for seeds. Nothing about real networks follows from it.
"""

from __future__ import annotations

import numpy as np

from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EDGES, NODES, EdgeSpace, count, read_cell
from nasbook.spaces.edges.isomorphism import classes
from nasbook.trials.tables.table import Table

EPOCHS, SEEDS = (1, 4), (0, 1, 2)


def synthetic_table(noise: float = 0.01) -> Table:
    """The space of ``cellbench`` with invented accuracies: formula plus ``noise`` (a standard deviation) by seed.

    Cells that are the same up to naming are the same. Seconds grow with the multiply-adds.
    """
    space = EdgeSpace(CELLBENCH_OPERATIONS)
    groups = classes(space)
    trained, place = list(groups), {cell: row for row, cells in enumerate(groups.values()) for cell in cells}
    worth = np.array([formula(cell) for cell in trained])  # (R,)
    rng = np.random.default_rng(0)
    ready = np.array([0.75, 1.0])  # (E,): how much of its worth a cell shows after the epochs
    shape = (len(trained), len(EPOCHS), len(SEEDS))
    mean = (0.1 + (worth[:, None] - 0.1) * ready)[:, :, None]  # (R,) -> (R, E, 1)
    adds = np.array([count(cell).multiply_adds for cell in trained])  # (R,)
    return Table(
        "synthetic table",
        space,
        trained=trained,
        epochs=EPOCHS,
        seeds=SEEDS,
        accuracies={split: mean + noise * rng.normal(size=shape) for split in ("valid", "test")},
        seconds=(1 + adds / adds.max())[:, None] * np.array(EPOCHS),  # (R,) -> (R, E)
        rows=np.array([place[cell] for cell in space]),
        count=count,
    )


def formula(cell: str) -> float:
    """The invented accuracy of a cell, a fraction between .1 and .8."""
    paths = [[] for _ in range(NODES)]  # for each node, the numbers of convolutions on the paths from the input
    paths[0] = [0]
    for name, (node, source) in zip(read_cell(cell), EDGES):
        if name != "none":
            paths[node] += [along + (name == "nor_conv_3x3") for along in paths[source]]
    found = paths[-1]
    if not found:
        return 0.1
    deepest, convolutions, shortcut = max(found), sum(found), min(found) == 0
    return 0.35 + 0.1 * deepest + 0.02 * min(convolutions, 4) + 0.05 * (shortcut and deepest > 0)
