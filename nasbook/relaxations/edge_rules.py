"""From architecture parameters to a cell of six edges, which takes exactly one operation on each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nasbook.base.errors import NasbookError
from nasbook.relaxations.derivation import COLUMNS
from nasbook.spaces.edges.cells import EDGES, write_cell


def edge_rule(strengths: np.ndarray, operations: Sequence[str], *, none: bool) -> tuple[str, pd.DataFrame]:
    """The strongest operation of each edge (Dong & Yang, 2020, arXiv 2001.00326): the cell's string, and its margins.

    ``strengths`` (6, O), probabilities or anything else that is larger for a better operation. ``none``: whether
    ``none`` may win, as in the released code of NAS-Bench-201, or is left out, as under DARTS's rule. Ties go to the
    lower index. The margins have one row for each edge on which two operations compete.
    Raises NasbookError if there is no operation but ``none``, or a NaN.
    """
    allowed = [place for place, name in enumerate(operations) if none or name != "none"]
    if not allowed:
        raise NasbookError("there is no operation to choose besides none")
    if np.isnan(strengths).any():
        raise NasbookError("the architecture parameters of the cell hold NaN: the search diverged")
    chosen, rows = [], []
    for (node, source), strength in zip(EDGES, np.asarray(strengths, dtype=np.float64)):
        order = sorted(allowed, key=lambda place: -strength[place])
        chosen.append(operations[order[0]])
        if len(order) > 1:
            won, second = order[:2]
            names = [operations[won], strength[won], operations[second], strength[second]]
            rows.append(["normal", node, f"operation from {source}", *names, strength[won] - strength[second]])
    return write_cell(chosen), pd.DataFrame(rows, columns=COLUMNS)
