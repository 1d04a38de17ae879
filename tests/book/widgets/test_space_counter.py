"""Counting cells, and the widget that shows how many there are."""

import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from itertools import product
from math import log10

import numpy as np
import pytest
from scipy import stats

import nasbook as nb
from nasbook.book.widgets import space_counter
from nasbook.spaces.counting import LANDMARKS, CellFamily
from nasbook.spaces.edges.cells import EDGES, EdgeSpace, write_cell
from nasbook.spaces.edges.isomorphism import canonical_form

SMALL = CellFamily(4, ("skip_connect", "nor_conv_3x3"), 2)


@pytest.mark.parametrize("nodes", [2, 3, 4])
@pytest.mark.parametrize("inputs", [1, 2, 5])
def test_the_size_is_how_many_different_cells_there_are(nodes, inputs):
    family = CellFamily(nodes, ("skip_connect", "none"), inputs)
    cells = list(family)
    assert len(cells) == len(set(cells)) == len(family)
    for cell in cells[:200]:
        read = Counter(node for _, node, _ in cell)
        assert read == {node: min(node, inputs) for node in range(1, nodes)}
        assert all(source < node for _, node, source in cell)


def test_with_all_inputs_it_is_the_space_of_nas_bench_201():
    operations = ("none", "skip_connect", "nor_conv_3x3")
    family, space = CellFamily(4, operations, 3), EdgeSpace(operations)
    assert len(family) == len(space) == 729
    assert next(tuple((node, source) for _, node, source in cell) for cell in family) == EDGES
    written = [write_cell([name for name, _, _ in cell]) for cell in family]
    assert written == list(space)
    assert all(family.form(cell) == canonical_form(text) for cell, text in zip(family, written))
    assert family.unique() == len({canonical_form(cell) for cell in space})


def test_a_chain_of_skips_and_convolutions_is_its_number_of_convolutions():
    """With one input a node, only the path to the output counts: at most nodes - 1 convolutions in a row."""
    for nodes in (3, 4, 5):
        assert CellFamily(nodes, ("skip_connect", "nor_conv_3x3"), 1).unique() == nodes
        # with none, there is also the cell that is zero, or a convolution of zero, or two, ...
        assert CellFamily(nodes, ("skip_connect", "nor_conv_3x3", "none"), 1).unique() == nodes + nodes - 1


def test_draws_are_uniform():
    rng, cells = np.random.default_rng(0), list(SMALL)
    counts = Counter(SMALL.draw(rng) for _ in range(4000))
    assert set(counts) <= set(cells) and stats.chisquare([counts[cell] for cell in cells]).pvalue > 1e-4


def test_the_landmarks_are_the_published_sizes():
    sizes = dict(LANDMARKS)
    assert sizes["cellbench"] == 729 and sizes["NAS-Bench-201"] == 15_625
    assert sizes["DARTS, one cell"] == 1 * 3 * 6 * 10 * 7**8
    assert f"{sizes['ENAS, 12 layers']:.3e}" == "1.606e+29"
    assert f"{sizes['NAS with RL, 15 layers']:.1e}" == "5.0e+58"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: CellFamily(1, ("none",), 1), "nodes is 1"),
        (lambda: CellFamily(3, ("none",), 0), "inputs is 0"),
        (lambda: CellFamily(3, (), 1), "at least one operation"),
        (lambda: CellFamily(3, ("conv",), 1), "unknown operation 'conv'"),
    ],
)
def test_bad_families_are_one_sentence(call, said):
    with pytest.raises(nb.NasbookError, match=said):
        call()


# --- the widget


@pytest.fixture(scope="module")
def story():
    return space_counter.prepare(np.random.default_rng(0))


def frames():
    return product(space_counter.NODES, space_counter.COUNTS, space_counter.INPUTS, (False, True))


def test_every_frame_is_svg_and_says_what_it_shows(story):
    for nodes, operations, inputs, naming in frames():
        svg, sentence = space_counter.render(story, nodes, operations, inputs, naming)
        ElementTree.fromstring(svg)
        size = len(CellFamily(nodes, space_counter.OPERATIONS[:operations], inputs))
        assert f"{size:,} cells as strings (10^{log10(size):.1f})" in sentence
        space = story[nodes, operations, inputs]
        groups = space.names if naming else space.strings
        assert f"of 24 drawn, {len(set(groups))} are different" in sentence and len(groups) == 24


def test_cells_that_are_equal_strings_are_equal_up_to_naming(story):
    for _, _, cells, strings, names in story.values():
        pairs = set(zip(strings, names))
        assert len(pairs) == len(set(strings)) and len(set(names)) <= len(set(strings))
        assert all((cells[i] == cells[0]) == (strings[i] == strings[0]) for i in range(24))


def test_letters_mark_exactly_the_repeated_cells(story):
    svg, _ = space_counter.render(story, 4, 3, space_counter.ALL, True)
    counts = Counter(story[4, 3, space_counter.ALL].names)
    boxes = svg.count('width="66.0"')
    assert boxes == sum(times for times in counts.values() if times > 1) > 0


def test_unique_cells_are_counted_where_there_are_few(story):
    assert story[4, 3, space_counter.ALL].unique == 132
    assert all((space.unique is None) == (space.size > 1000) for space in story.values())


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(8, "0.0056 days"), (720, "0.5 days"), (39_366, "27 days"), (2e6, "4 years"), (5e29, "10^24 years")],
)
def test_durations_in_the_unit_that_fits(minutes, said):
    assert space_counter.lasting(minutes) == said


def test_a_frame_is_quick(story):
    taken = []
    for _ in range(20):
        begun = time.perf_counter()
        space_counter.render(story, 6, 5, space_counter.ALL, True)
        taken.append(time.perf_counter() - begun)
    assert np.median(taken) < 0.05


def test_the_widget_moves(story):
    widget = space_counter.explore(story)
    before = widget.now().sentence
    assert before.endswith("are different up to naming.")
    widget.controls["nodes"].value = 6
    widget.controls["naming"].value = False
    assert widget.now().sentence != before and "are different as strings." in widget.frame.value
    assert not widget.errors.outputs
