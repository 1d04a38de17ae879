"""The controller unrolled: what is told is what the controller says, and each frame shows it."""

import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from nasbook.book.widgets import unroll
from nasbook.searchers.controllers import Controller
from nasbook.searchers.controllers.unrolling import tell
from nasbook.spaces.layers.skip_layers import SkipLayers

SPACE = SkipLayers(3, (1, 3, 5), (1, 3), (8, 16))


def reward(stack):
    return len(stack.loose_ends) / 3


@pytest.fixture(scope="module")
def controller():
    return Controller(SPACE, units=8, bound=0.5, seed=1)


@pytest.fixture(scope="module")
def story(controller):
    return {
        ("trained", temperature, draw): tell(
            controller,
            SPACE,
            reward,
            np.random.default_rng(draw),
            baseline=0.5,
            learning_rate=1.0,
            temperature=temperature,
        )
        for temperature in (0.5, 1.0)
        for draw in (1, 2)
    }


def test_what_is_told_is_what_the_controller_says(controller):
    vector = controller.vector
    told = tell(controller, SPACE, reward, np.random.default_rng(3), baseline=0.5, learning_rate=0.7, temperature=2.0)
    assert np.array_equal(vector, controller.vector) and controller.temperature == 1.0
    tokens = np.array([[word.chosen for word in told.words]])
    hot = Controller(SPACE, units=8, bound=0.5, seed=1, temperature=2.0)
    assert np.array_equal(tokens, hot.sample(1, np.random.default_rng(3))) and SPACE.decode(tokens[0]) == told.stack
    said = sum(np.log(word.chances[word.chosen]) for word in told.words)
    assert said == pytest.approx(hot.log_probabilities(tokens)[0], abs=1e-12)
    assert all(sum(word.chances) == pytest.approx(1) and len(word.names) == len(word.chances) for word in told.words)
    hot.load(vector + 0.7 * (told.reward - 0.5) * hot.gradient(tokens, [1.0]))
    after = sum(np.log(word.after) for word in told.words)
    assert after == pytest.approx(hot.log_probabilities(tokens)[0], abs=1e-12)
    assert (after > said) == (told.reward > 0.5)
    assert [word.question for word in told.words[-5:]] == ["height", "width", "filters", "reads 1?", "reads 2?"]
    assert [word.layer for word in told.words] == [1] * 3 + [2] * 4 + [3] * 5


def test_every_frame_is_svg_and_says_what_it_shows(story):
    for key, told in story.items():
        for step in range(13):
            svg, sentence = unroll.render(story, *key, step)
            ElementTree.fromstring(svg)
            assert sentence.startswith("trained controller, temperature")
            if step < 12:
                word = told.words[step]
                assert f"decision {step + 1} of 12, layer {word.layer}, {word.question.rstrip('?')}" in sentence
                assert f"it draws {word.names[word.chosen]};" in sentence
                assert svg.count(">?</text>") == 12 - step
                assert all(
                    f">{name}</text>" in svg and f"{name} {p:.2f}" in sentence
                    for name, p in zip(word.names, word.chances)
                )
            else:
                assert str(told.stack) in sentence and "classifier" in svg
                raised = sum(word.after > word.chances[word.chosen] for word in told.words)
                assert f"{raised} of the 12 words become likelier" in sentence


def test_the_network_is_drawn_edge_by_edge(story):
    """At the end: one edge for each input (the image where there is none), one for each loose end."""
    for key, told in story.items():
        svg, _ = unroll.render(story, *key, 12)
        page = ElementTree.fromstring(svg)
        corners = [e.get("points").split()[0].split(",") for e in page.iter("{http://www.w3.org/2000/svg}polyline")]
        tips = [(x, y) for x, y in corners if float(x) > 520 and float(y) > 210]
        edges = sum(len(layer.inputs) or 1 for layer in told.stack.layers) + len(told.stack.loose_ends)
        assert len(tips) == edges


def test_a_frame_is_quick(story):
    taken = []
    for _ in range(20):
        begun = time.perf_counter()
        unroll.render(story, "trained", 1.0, 1, 12)
        taken.append(time.perf_counter() - begun)
    assert np.median(taken) < 0.05


def test_the_widget_moves(story):
    assert unroll.explore(story, step=12, draw=2).now() == unroll.render(story, "trained", 1.0, 2, 12)
    widget = unroll.explore(story)
    before = widget.now().sentence
    for name, value in (("step", 12), ("temperature", 0.5), ("draw", 2)):
        widget.controls[name].value = value
        assert widget.now().sentence != before
        before = widget.now().sentence
    assert "classifier" in widget.frame.value and not widget.errors.outputs
