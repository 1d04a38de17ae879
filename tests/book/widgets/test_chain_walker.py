"""The chain walker: what its frames say, that they are whole and quick, and that every control moves it."""

import re
import statistics
import time
import xml.etree.ElementTree as ElementTree

import ipywidgets
import numpy as np
import pytest

from nasbook.book.widgets import chain_walker
from nasbook.decisions import MarkovChain
from nasbook.drawing.figures.layouts import chance

UNIFORMS = np.random.default_rng(0).random(60)
TWO = np.array([[0.5, 0.5], [0.3, 0.7]])
ROWS = {name: np.array(rows or TWO, dtype=float) for name, rows in chain_walker.CHAINS.items() if rows} | {"two": TWO}


@pytest.fixture
def widget():
    return chain_walker.explore(np.random.default_rng(0))


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("start", [0, 1])
def test_a_story_is_what_the_chain_says(name, start):
    story, chain = chain_walker.prepare(ROWS[name], start, UNIFORMS), MarkovChain(ROWS[name])
    np.testing.assert_allclose(story.limit, chain.stationary(start=start), atol=1e-12)
    for t in (0, 1, 7, 60):
        np.testing.assert_allclose(story.ahead[t], np.linalg.matrix_power(ROWS[name], t)[start], atol=1e-12)
        share = np.bincount(story.path[: t + 1], minlength=len(story.states)) / (t + 1)
        np.testing.assert_allclose(story.visits[t], share, atol=1e-12)
    assert story.path[0] == start and (ROWS[name][story.path[:-1], story.path[1:]] > 0).all()
    assert (np.diff(story.distance) <= 1e-12).all()
    assert story.closed == sum(one.closed for one in chain.classes())


def test_the_rate_is_the_slope_of_the_distance():
    story = chain_walker.prepare(TWO, 0, UNIFORMS)
    assert story.rate == pytest.approx(0.2)
    np.testing.assert_allclose(story.distance[:8], 0.625 * 0.2 ** np.arange(8), rtol=1e-9)
    slow = chain_walker.prepare(ROWS["two pairs, a weak bridge"], 0, UNIFORMS)
    assert slow.distance[60] / slow.distance[59] == pytest.approx(slow.rate, rel=1e-6) and 0.9 < slow.rate < 1
    ends = chain_walker.prepare(ROWS["two ends that keep"], 1, UNIFORMS)
    assert ends.rate == pytest.approx(0.5) and ends.closed == 2
    ring = chain_walker.prepare(ROWS["a ring of three"], 0, UNIFORMS)
    assert ring.rate == pytest.approx(1) and ring.period == 3
    np.testing.assert_allclose(ring.distance, 2 / 3)


@pytest.mark.parametrize(
    ("name", "start", "said"),
    [
        ("two", 0, "Step 12 from S1: the token is in S1"),
        ("two", 1, "p_t has reached the long run; a step multiplies the distance by .2 in the end"),
        ("a ring of three", 1, "p_t is .67 away from the long run; the period is 3, so p_t never settles"),
        ("two ends that keep", 1, "2 closed classes, so the long run depends on the start"),
    ],
)
def test_the_sentence_says_what_the_chain_does(name, start, said):
    assert said in chain_walker.sentence(chain_walker.prepare(ROWS[name], start, UNIFORMS), 12)


def texts(svg):
    return [node.text for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("}text")]


@pytest.mark.parametrize(
    "rows", [*ROWS.values(), np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[1, 0], [0.3, 0.7]])]
)
def test_every_frame_is_whole_readable_and_names_what_it_shows(rows):
    for start in range(len(rows)):
        story = chain_walker.prepare(rows, start, UNIFORMS)
        for step in (0, 1, 30, 60):
            svg, sentence = chain_walker.render(story, step)
            root = ElementTree.fromstring(svg)
            assert root.get("width") == "900" and root.get("aria-label") == sentence and "nan" not in svg
            for node in root.iter():
                if node.tag.endswith("}text"):
                    assert float(node.get("font-size")) >= 11
                    assert 0 <= float(node.get("x")) <= 900 and 10 <= float(node.get("y")) <= chain_walker.HEIGHT - 4
            assert f"t = {step}" in texts(svg) and {*story.states} <= {*texts(svg)}
            labels = [
                text for part in chain_walker._graph(story, step) for text in re.findall(r">([.\d]+)</text>", part)
            ]
            assert sorted(labels) == sorted(chance(p) for p in rows[rows > 0])


def test_a_frame_takes_a_few_milliseconds():
    story = chain_walker.prepare(ROWS["two pairs, a weak bridge"], 0, UNIFORMS)
    taken = []
    for step in range(20):
        begun = time.perf_counter()
        chain_walker.render(story, step)
        taken.append(time.perf_counter() - begun)
    assert statistics.median(taken) < 0.05


def test_every_control_changes_the_frame(widget):
    for name, value in (
        ("leave_1", 0.9), ("leave_2", 0.8), ("stay", 0.5), ("start", 1), ("walk", 2), ("step", 20),
        ("chain", "a ring of three"), ("chain", "two pairs, a weak bridge"),
    ):  # fmt: skip
        before = widget.frame.value
        widget.controls[name].value = value
        assert widget.frame.value != before, name
    assert widget.errors.outputs == ()


def test_a_chain_brings_its_own_starts_and_rests_the_sliders_of_the_first(widget):
    widget.controls["chain"].value = "two ends that keep"
    assert widget.controls["leave_1"].disabled and widget.controls["leave_2"].disabled
    widget.controls["start"].value = 3
    assert "Step 5 from S4" in widget.now().sentence
    widget.controls["chain"].value = "two states"
    assert "Step 5 from S1" in widget.now().sentence and not widget.controls["leave_1"].disabled
    assert [name for name, _ in widget.controls["start"].options] == ["S1", "S2"]
    assert widget.errors.outputs == ()


def test_a_token_that_stays_cures_the_period(widget):
    widget.controls["chain"].value, widget.controls["step"].value = "a ring of three", 60
    assert "never settles" in widget.now().sentence
    widget.controls["stay"].value = 0.3
    assert "p_t has reached the long run" in widget.now().sentence


def test_the_same_luck_moves_the_token_when_a_probability_changes(widget):
    again = chain_walker.explore(np.random.default_rng(0))
    again.controls["leave_1"].value = 0.9
    again.controls["leave_1"].value = 0.5
    assert again.now() == widget.now()


def test_without_a_kernel_a_still_and_its_sentence_remain(widget):
    shown = widget._repr_mimebundle_()
    assert shown["image/svg+xml"].startswith("<svg") and shown["text/plain"].startswith("Step 5 from S1")


def test_a_chain_that_forgets_at_once_says_so_and_keeps_its_dot(widget):
    widget.controls["leave_1"].value, widget.controls["leave_2"].value = 0.6, 0.4
    assert widget.now().sentence.endswith("p_t has reached the long run; the long run is reached after 1 step")
    assert {"reached after 1 step", "distance of p_t from the long run: below 1e-06"} <= {*texts(widget.now().svg)}
    alone = chain_walker.prepare(np.array([[1, 0], [1, 0]]), 0, UNIFORMS)
    assert chain_walker.sentence(alone, 5).endswith("reached from the start")


@pytest.mark.parametrize("rows", [TWO, np.array([[0.4, 0.6], [0.4, 0.6]])])
@pytest.mark.parametrize("step", [0, 1, 40])
def test_the_curve_and_its_dot_stay_on_the_chart_below_its_floor(rows, step):
    parts = chain_walker._curve(chain_walker.prepare(rows, 0, UNIFORMS), step)
    (dot,) = (ElementTree.fromstring(part) for part in parts if part.startswith("<circle"))
    curve = next(ElementTree.fromstring(part) for part in parts if part.startswith("<polyline"))
    points = curve.get("points").split(" ")
    assert len(points) == 61 and points[step] == f"{dot.get('cx')},{dot.get('cy')}"
    assert max(float(point.split(",")[1]) for point in points) == 364


def test_the_dashed_line_runs_beside_the_curve_whose_slope_it_is():
    lines = [part for part in chain_walker._curve(chain_walker.prepare(TWO, 0, UNIFORMS), 5) if "polyline" in part]
    curve, _, dashed = (
        np.array([point.split(",") for point in ElementTree.fromstring(line).get("points").split(" ")], dtype=float)
        for line in lines
    )
    along, aside = curve[5] - curve[0], dashed - curve[0]
    assert "dasharray" in lines[2]
    np.testing.assert_allclose((along[0] * aside[:, 1] - along[1] * aside[:, 0]) / np.hypot(*along), -7, atol=0.2)


def test_play_stands_beside_the_slider_that_it_moves(widget):
    play, slider, *_ = widget.children[0].children
    assert isinstance(play, ipywidgets.Play) and slider is widget.controls["step"]
