"""The shared-weights bench, and the pictures of a search with shared weights."""

import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from nasbook.base.errors import NasbookError
from nasbook.book.widgets.shared_bench import BOTH, A, B, Bench, explore, render
from nasbook.drawing.figures.sharing import ranking_picture, sharing_picture
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EdgeSpace

CONV, SKIP, NONE = "nor_conv_3x3", "skip_connect", "none"
CELLS = (
    f"|{CONV}~0|+|{SKIP}~0|{NONE}~1|+|{NONE}~0|{CONV}~1|{SKIP}~2|",
    f"|{CONV}~0|+|{CONV}~0|{NONE}~1|+|{SKIP}~0|{NONE}~1|{SKIP}~2|",
    f"|{NONE}~0|+|{NONE}~0|{NONE}~1|+|{CONV}~0|{NONE}~1|{NONE}~2|",
)
BENCH = Bench(CELLS, np.array([0.5, 0.3, 0.4]), np.array([0.2, 0.4, 0.3]), np.array([0.4, 0.6, 0.5]))


def lines(frame, colour):
    drawn = ElementTree.fromstring(frame.svg).iter("{http://www.w3.org/2000/svg}line")
    return [one for one in drawn if one.get("stroke") == colour and float(one.get("y1")) > 60]


def test_the_sentence_counts_what_two_cells_share():
    shared, apart = (render(BENCH, 0, 1, share) for share in (True, False))
    assert "A has 4 operations and B 4, and in common, the same on the same edge, 2: 1 with weights" in (
        shared.sentence
    )
    assert "rank A and B not as the truth does" in shared.sentence and "tau with the truth is -1.00" in shared.sentence
    assert "rank A and B as the truth does" in apart.sentence and "is 1.00" in apart.sentence
    assert "held twice, since each cell keeps its own" in apart.sentence
    assert "one cell" in render(BENCH, 2, 2, True).sentence


def test_common_operations_are_one_line_if_shared_and_two_if_not():
    shared, apart = (render(BENCH, 0, 1, share) for share in (True, False))
    assert [len(lines(shared, colour)) for colour in (A, B, BOTH)] == [2, 2, 2]
    assert [len(lines(apart, colour)) for colour in (A, B, BOTH)] == [2, 2, 4]
    widths = {one.get("stroke-width") for one in lines(shared, BOTH)}
    assert widths == {"5"}


def test_every_pair_can_be_drawn_in_time_and_is_well_formed():
    space = EdgeSpace(CELLBENCH_OPERATIONS)
    rng = np.random.default_rng(0)
    cells = tuple(space[int(place)] for place in rng.permutation(len(space))[:200])
    bench = Bench(cells, *rng.random((3, 200)))
    bench.taus  # noqa: B018
    spent = []
    for first, second in rng.integers(200, size=(20, 2)):
        begun = time.perf_counter()
        frame = render(bench, int(first), int(second), bool(first % 2))
        spent.append(time.perf_counter() - begun)
        ElementTree.fromstring(frame.svg)
    assert np.median(spent) < 0.05


def test_the_widget_shows_what_its_controls_say():
    widget = explore(BENCH)
    before = widget.frame.value
    widget.controls["share"].value = False
    assert widget.frame.value != before and not widget.errors.outputs
    assert render(BENCH, 0, 1, False).sentence == widget._repr_mimebundle_()["text/plain"]


def test_the_axis_says_what_the_truth_is():
    assert ">accuracy, trained alone to the end</text>" in render(BENCH, 0, 1, True).svg
    invented = Bench(CELLS, BENCH.shared, BENCH.apart, BENCH.truth, "by a formula")
    assert ">by a formula</text>" in render(invented, 0, 1, True).svg
    assert "trained alone" not in render(invented, 0, 1, True).svg


@pytest.mark.parametrize(
    "wrong, said",
    [
        (lambda: ranking_picture([0.1, 0.2], [0.1]), "alone"),
        (lambda: sharing_picture(pd.DataFrame(columns=["step", "split", "quantity", "value"])), "first epoch"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(wrong, said):
    with pytest.raises(NasbookError, match=said):
        wrong()


def test_the_ranking_picture_says_how_many_are_better_than_the_chosen_one():
    said = ranking_picture([0.5, 0.3, 0.4], [0.4, 0.6, 0.5]).sentence
    assert "tau between shared weights and trained alone is -1.00" in said and "2 are better" in said


def test_the_search_picture_gives_the_last_epoch():
    rows = [
        (step, split, quantity, value)
        for step in (1, 2)
        for split, quantity, value in (
            ("weights", "accuracy", 0.1),
            ("selection", "accuracy", 0.2 * step),
            ("selection", "best", 0.3 * step),
            ("controller", "reward", 0.2),
            ("controller", "entropy", 6.0 / step),
        )
    ]
    trace = pd.DataFrame(rows, columns=["step", "split", "quantity", "value"])
    said = sharing_picture(trace).sentence
    assert said == (
        "after 2 epochs the candidates reach 40.0% held out, the best 60.0%; the controller's entropy went from "
        "6.00 to 3.00 nats"
    )
    without = sharing_picture(trace[trace["split"] != "controller"]).sentence
    assert "entropy" not in without
