"""A table whose truths can be worked out by hand: 64 cells of two operations, worth a tenth for each skip and two."""

import numpy as np

from nasbook.spaces.edges.cells import EdgeSpace, count
from nasbook.trials.tables.table import Table

SPACE = EdgeSpace(("none", "skip_connect"))
SKIPS = np.array([cell.count("skip") for cell in SPACE])  # (64,)


def counted_table(told=0.0, name="counted table"):
    """Two seeds: what is told is ``told`` below and above (k + 2) / 10, the truth .01 below and above it."""
    worth = (SKIPS + 2) / 10
    either = np.array([-1, 1])
    shown = {split: worth[:, None, None] + by * either for split, by in (("valid", told), ("test", 0.01))}  # (64, 1, 2)
    return Table(name, SPACE, trained=list(SPACE), epochs=(4,), seeds=(0, 1), accuracies=shown,
                 seconds=np.ones((64, 1)), rows=np.arange(64), count=count)  # fmt: skip


def cell(skips):
    """A cell with so many skips, as its tokens."""
    return [1] * skips + [0] * (6 - skips)
