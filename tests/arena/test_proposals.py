"""What is a cell and what is none: every form of one, and a sentence for everything else."""

import numpy as np
import pytest

import nasbook as nb
from nasbook.arena.proposals import LONGEST, how_to_propose, read_proposal
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EdgeSpace

SPACE, SMALL = EdgeSpace(), EdgeSpace(CELLBENCH_OPERATIONS)
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"
NAMES = ["nor_conv_3x3", "none", "skip_connect", "nor_conv_1x1", "none", "avg_pool_3x3"]
TOKENS = [3, 0, 1, 2, 0, 4]


@pytest.mark.parametrize(
    "given",
    [
        CELL, f"  {CELL}\r\n", f'"{CELL}"', CELL.encode(), b"\xef\xbb\xbf" + CELL.encode(),
        NAMES, tuple(NAMES), np.array(NAMES), " ".join(NAMES), ", ".join(NAMES), repr(NAMES), repr(tuple(NAMES)),
        str(NAMES).replace("'", '"'), ";".join(NAMES).encode(),
        TOKENS, tuple(TOKENS), np.array(TOKENS), np.array(TOKENS, dtype=np.uint8), "3 0 1 2 0 4", "[3,0,1,2,0,4]",
        b"3\t0\t1\t2\t0\t4\r\n", ["3", "0", "1", "2", "0", "4"], ["nor_conv_3x3", 0, "skip_connect", "2", 0, 4],
    ],
    ids=str,
)  # fmt: skip
def test_every_form_of_a_cell_is_that_cell(given):
    assert read_proposal(SPACE, given) == CELL


def test_numbers_are_those_of_the_table():
    assert read_proposal(SMALL, "2 2 2 2 2 2") == read_proposal(SPACE, "3 3 3 3 3 3")


BAD = [
    ("skip_conect none none none none none", "did you mean 'skip_connect'?"),
    (CELL.replace("nor_conv_1x1", "nor_conv1x1"), "did you mean 'nor_conv_1x1'?"),
    ([*NAMES[:5], "avg_pool_5x5"], "did you mean 'avg_pool_3x3'?"),
    (CELL[:-1], f"is no cell of the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|; did you mean '{CELL}'?"),
    (CELL.replace("~1", "~0"), f"did you mean '{CELL}'?"),
    ("|none~0|", "is no cell of the form"),
    ("||~~", "is no cell of the form"),
    (f"{CELL} {CELL}", "is no cell of the form"),
    ("0 1 2", "3 operations are no cell: a cell is |op~0|"),
    ("0 1 2 3 4 0 1", "7 operations are no cell"),
    ([], "0 operations are no cell"),
    ("", "0 operations are no cell"),
    ("hello", "unknown operation 'hello': valid are none,"),
    ("5 0 0 0 0 0", "unknown operation 5: valid are 0 to 4 or none,"),
    ("-1 0 0 0 0 0", "unknown operation '-1'"),
    ("\u0663 0 0 0 0 0", "unknown operation"),
    ("1.0 0 0 0 0 0", "unknown operation '1.0'"),
    ([1.0, 0, 0, 0, 0, 0], "unknown operation 1.0"),
    ([True, 0, 0, 0, 0, 0], "unknown operation True"),
    ([None] * 6, "unknown operation None"),
    ([[0], 0, 0, 0, 0, 0], "unknown operation [0]"),
    (np.zeros((6, 1), int), "of the type ndarray"),
    (np.zeros(6), "unknown operation"),
    (5, "of the type int"),
    (None, "of the type NoneType"),
    ({"cell": CELL}, "of the type dict"),
    (b"\xff\xfe0\x00", "no UTF-8 text (byte 0xff at place 0)"),
    (b"0 1 2 \xc3", "no UTF-8 text (byte 0xc3 at place 6)"),
    ("9" * LONGEST, "unknown operation 999"),
    ("0 " * LONGEST, "a text of more than 1,000 characters"),
    (b"\xff" * (LONGEST + 1), "a text of more than 1,000 characters"),
    (["9" * 10_000] * 6, "unknown operation 999"),
    ([0] * 100_000, "100,000 operations are no cell"),
    ("\x00\x1b[2J none none none none none", "unknown operation '\\x00\\x1b'"),
    ("\ud800", "unknown operation '\\ud800'"),
]


@pytest.mark.parametrize(("given", "says"), BAD, ids=range(len(BAD)))
def test_what_is_no_cell_gets_one_sentence(given, says):
    with pytest.raises(nb.arena.NoCell) as caught:
        read_proposal(SPACE, given)
    said = str(caught.value)
    assert says in said and said.isprintable() and len(said) < 400
    assert isinstance(caught.value, nb.NasbookError)


def test_an_operation_that_another_table_has_is_unknown_here():
    for given in (CELL, " ".join(NAMES)):
        with pytest.raises(nb.arena.NoCell, match=r"'nor_conv_1x1': valid are none, skip_connect, nor_conv_3x3; did"):
            read_proposal(SMALL, given)


def test_the_forms_are_told_with_the_operations_of_the_table():
    assert how_to_propose(SMALL) == (
        "a cell is |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, or only its 6 operations in that order, by name or number "
        "(0 none, 1 skip_connect, 2 nor_conv_3x3)"
    )
