"""The widget of the beam: what it plays is a beam search, and every frame says what it shows."""

import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import nasbook as nb
from nasbook.book.widgets import beam
from nasbook.spaces.blocks.pnas_cells import PnasCells
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EdgeSpace
from nasbook.spaces.edges.growing import GrowingCells

CELLS = GrowingCells(EdgeSpace(CELLBENCH_OPERATIONS))


def value(cell):
    """Convolutions are good, nothing is bad, and a little of the string itself so that no two are equal."""
    return 0.3 + 0.05 * cell.count("nor_conv") - 0.02 * cell.count("none") + sum(map(ord, cell)) % 97 / 5000


@pytest.fixture(scope="module")
def story():
    return beam.prepare(CELLS, value, np.random.default_rng(0))


def test_the_story_holds_every_stage_and_whom_each_cell_becomes(story):
    assert [len(values) for values in story.values] == [3, 18, 132]
    assert [len(children) for children in story.children] == [3, 18]
    for level, children in enumerate(story.children):
        assert set().union(*children) == set(range(len(story.values[level + 1])))


def test_a_wide_beam_keeps_all_and_a_narrow_one_the_best_predictions(story):
    for found, values in zip(beam.play(story, 999, 2.0), story.values):
        assert found.survivors == set(range(len(values)))
    stages = beam.play(story, 4, 1.0)
    for level, found in enumerate(stages):
        np.testing.assert_allclose(found.predicted, (story.values[level] + story.errors[level])[found.candidates])
        if level:
            worst = min(g for place, g in zip(found.candidates, found.predicted) if place in found.survivors)
            assert len(found.survivors) == 4 and (found.predicted >= worst).sum() == 4
            parents = stages[level - 1].survivors
            reached = {child for place in parents for child in story.children[level - 1][place]}
            assert set(found.candidates.tolist()) == reached


def test_without_noise_the_predictions_are_true(story):
    last = beam.play(story, 18, 0.0)[-1]
    assert int(story.values[-1].argmax()) in last.survivors


@pytest.mark.parametrize("width", [1, 4, 20])
@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize("noise", [0.0, 0.5, 3.0])
def test_every_frame_is_svg_and_says_what_it_shows(story, width, stage, noise):
    svg, sentence = beam.render(story, width, stage, noise)
    ElementTree.fromstring(svg)
    found = beam.play(story, width, noise)
    now, values = found[stage - 1], story.values[stage - 1]
    assert f"{len(now.candidates)} candidates of {len(values)} cells" in sentence
    best = max(values[place] for place in now.survivors)
    assert f"best survivor {best:.1%}, best cell of the stage {values.max():.1%}" in sentence
    assert f"{sum(len(one.survivors) for one in found[:stage])} kept so far of" in sentence
    assert noise or "rank correlation 1.00" in sentence
    dots = sum(len(one.candidates) for one in found[:stage]) + len(now.candidates)
    assert svg.count('r="4"') + svg.count('r="3"') == dots + 2  # two in the legend


def test_a_frame_is_quick_and_an_unknown_one_refused(story):
    taken = []
    for _ in range(20):
        begun = time.process_time()
        beam.render(story, 20, 3, 0.5)
        taken.append(time.process_time() - begun)
    assert np.median(taken) < 0.05


def test_a_space_that_is_too_large_to_draw_is_refused():
    with pytest.raises(nb.NasbookError, match=r"31,620 cells|a stage has"):
        beam.prepare(PnasCells(2, ("skip_connect", "sep_conv_3x3", "max_pool_3x3", "avg_pool_3x3")), len, None)
    begun = time.process_time()
    with pytest.raises(nb.NasbookError, match="31,620 cells"):
        beam.prepare(PnasCells(5), len, None)  # says so at the first stage that is too large, not after the last
    assert time.process_time() - begun < 20
    with pytest.raises(nb.NasbookError, match="needs one that grows"):
        beam.prepare(CELLS.space, value, None)


def test_the_widget_moves(story):
    widget = beam.explore(story)
    before = widget.now().sentence
    widget.controls["beam"].value = 1
    widget.controls["stage"].value = 2
    assert widget.now().sentence != before and "Stage 2, beam 1" in widget.frame.value
    assert not widget.errors.outputs
