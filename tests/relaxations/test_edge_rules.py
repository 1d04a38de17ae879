"""Which operation each of six edges takes, and by how much."""

import numpy as np
import pytest

from nasbook.base.errors import NasbookError
from nasbook.relaxations.edge_rules import edge_rule
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, NASBENCH201_OPERATIONS, read_cell

LAW = np.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.4, 0.3, 0.3], [0.3, 0.3, 0.4], [0.6, 0.1, 0.3]])


def test_by_hand_with_and_without_none():
    skip, conv = CELLBENCH_OPERATIONS[1:]
    left_out, margins = edge_rule(LAW, CELLBENCH_OPERATIONS, none=False)
    assert read_cell(left_out) == (skip, skip, conv, skip, conv, conv), "equal ones go to the first"
    assert margins["margin"].tolist() == pytest.approx([0.1, 0.2, 0.5, 0.0, 0.1, 0.2])
    assert margins["node"].tolist() == [1, 2, 2, 3, 3, 3]
    assert margins["decision"].tolist()[2] == "operation from 1" and set(margins["kind"]) == {"normal"}
    competing, margins = edge_rule(LAW, CELLBENCH_OPERATIONS, none=True)
    assert read_cell(competing) == ("none", skip, conv, "none", conv, "none")
    assert margins["runner_up"].tolist() == [skip, conv, skip, skip, "none", conv]
    assert margins["margin"].tolist() == pytest.approx([0.2, 0.2, 0.5, 0.1, 0.1, 0.3])


def test_one_operation_leaves_nothing_to_decide():
    cell, margins = edge_rule(np.ones((6, 2)), ("none", "skip_connect"), none=False)
    assert read_cell(cell) == ("skip_connect",) * 6 and margins.empty


@pytest.mark.parametrize(
    ("strengths", "operations", "says"),
    [
        (np.ones((6, 1)), ("none",), "no operation to choose besides none"),
        (np.full((6, 5), np.nan), NASBENCH201_OPERATIONS, "hold NaN: the search diverged"),
    ],
)
def test_what_cannot_be_decided_is_refused(strengths, operations, says):
    with pytest.raises(NasbookError, match=says):
        edge_rule(strengths, operations, none=False)
