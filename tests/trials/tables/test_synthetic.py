"""The table of a formula: it has the interface of a table of truth and says that it is none."""

import numpy as np
import pytest

from nasbook.spaces.edges.isomorphism import canonical
from nasbook.trials.tables.synthetic import formula, synthetic_table

CONV, SKIP, NONE = "nor_conv_3x3", "skip_connect", "none"


@pytest.mark.parametrize(
    ("cell", "worth"),
    [
        # no path; a skip alone; one convolution; one beside a skip; three in a row
        (f"|{CONV}~0|+|{NONE}~0|{CONV}~1|+|{NONE}~0|{NONE}~1|{NONE}~2|", 0.1),
        (f"|{NONE}~0|+|{NONE}~0|{NONE}~1|+|{SKIP}~0|{NONE}~1|{NONE}~2|", 0.35),
        (f"|{NONE}~0|+|{NONE}~0|{NONE}~1|+|{CONV}~0|{NONE}~1|{NONE}~2|", 0.47),
        (f"|{CONV}~0|+|{NONE}~0|{NONE}~1|+|{SKIP}~0|{SKIP}~1|{NONE}~2|", 0.52),
        (f"|{CONV}~0|+|{NONE}~0|{CONV}~1|+|{NONE}~0|{NONE}~1|{CONV}~2|", 0.71),
    ],
)
def test_the_formula_by_hand(cell, worth):
    assert formula(cell) == pytest.approx(worth, abs=1e-12)


def test_it_is_a_table_in_which_cells_differ_more_than_seeds():
    table = synthetic_table()
    assert "synthetic" in repr(table) and len(table.space) == 729 and len(table.trained) == 132
    assert table.scores("test").tolist() == synthetic_table().scores("test").tolist()
    found = table.variances("test")
    assert found.cells > 50 * found.seeds and found.seeds == pytest.approx(1e-4, rel=0.4)
    assert (table.scores("test", 1) < table.scores("test") + 0.05).all()
    same = [cell for cell in table.space if canonical(cell) == canonical(table.space[400])]
    assert len({table.accuracy(cell, "valid", 4, seed=1) for cell in same}) == 1
    assert all(table.seconds(cell, 4) == 4 * table.seconds(cell, 1) > 0 for cell in same)


def test_the_noise_is_what_was_asked_for():
    clear = synthetic_table(noise=0.0)
    np.testing.assert_allclose(clear.scores("valid"), [formula(cell) for cell in clear.space], atol=1e-12)
