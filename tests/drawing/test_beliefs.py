"""The belief explorer: what its frames say and draw, how fast, and what it refuses."""

import re
import time
from xml.etree import ElementTree

import numpy as np
import pytest

from nasbook.base.errors import NasbookError
from nasbook.decisions import examples
from nasbook.drawing import beliefs
from nasbook.drawing.parts import axes

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def tiger():
    return examples.tiger()


def story(model, **values):
    plain = {name: (value.vectors, value.actions) for name, value in values.items()}
    names = model.states, model.actions, model.observation_names
    return beliefs.prepare(plain, model.transitions, model.observations, *names)


@pytest.fixture(scope="module")
def told(tiger):
    return story(tiger, two=tiger.solve(horizon=2), ever=tiger.solve())


def test_the_sentence_says_the_vector_the_action_and_what_comes_next(told):
    assert beliefs.render(told, "ever", 0.5).sentence == (
        "At belief 0.50 in tiger left vector 4 of 9 is the largest, worth 19.37: listen; hear left (0.50) would move "
        "the belief to 0.85, hear right (0.50) would move the belief to 0.15."
    )
    assert "worth 26.20: open left; hear left (0.50) would move the belief to 0.50" in (
        beliefs.render(told, "ever", 0.02).sentence
    )
    assert "of 5 is the largest, worth -1.95: listen" in beliefs.render(told, "two", 0.5).sentence


def test_every_frame_agrees_with_the_model(tiger, told):
    value = tiger.solve()
    for share in np.linspace(0, 1, 21):
        belief = (share, 1 - share)
        frame = beliefs.render(told, "ever", share)
        said = re.search(r"worth (-?[\d.]+): ([a-z ]+);", frame.sentence)
        assert float(said[1]) == pytest.approx(value(belief), abs=0.0051)
        assert said[2] == tiger.actions[value.action(belief)]
        for name, chance, to in re.findall(
            r"(hear \w+) \(([\d.]+)\) would move the belief to (\d\.\d\d)", frame.sentence
        ):
            after, probability = tiger.update(belief, value.action(belief), name)
            assert (float(to), float(chance)) == pytest.approx((after[0], probability), abs=0.0051)


def test_the_picture_is_svg_of_the_promised_size_with_the_sentence_as_its_name(told):
    for value, share in (("two", 0.0), ("ever", 0.3), ("ever", 1.0)):
        frame = beliefs.render(told, value, share)
        root = ElementTree.fromstring(frame.svg)
        assert (float(root.get("width")), float(root.get("height"))) == (beliefs.WIDTH, told.height)
        assert root.get("aria-label") == frame.sentence
        assert min(float(one.get("font-size")) for one in root.iter(f"{SVG}text")) >= 11
        for line in root.iter(f"{SVG}line"):
            assert all(-1 <= float(line.get(end)) <= beliefs.WIDTH + 1 for end in ("x1", "x2"))
            assert all(0 <= float(line.get(end)) <= told.height for end in ("y1", "y2"))


def test_the_best_action_changes_where_the_strip_changes(told):
    strip = beliefs.render(told, "ever", 0.5).svg
    assert re.findall(r"<title>(open left|listen|open right): ([\d.]+) to ([\d.]+)</title>", strip) == [
        ("open left", "0.0000", "0.0397"),
        ("listen", "0.0397", "0.9603"),
        ("open right", "0.9603", "1.0000"),
    ]


def test_an_observation_that_cannot_come_has_no_arrow():
    model = examples.tiger()
    value = model.solve(horizon=1)
    seen = np.array(model.observations)
    seen[0] = np.eye(2)
    told = beliefs.prepare(
        {"one": (value.vectors, value.actions)}, model.transitions, seen, model.states, model.actions, ("left", "right")
    )
    frame = beliefs.render(told, "one", 1.0)
    assert "nan" not in frame.svg
    sure = beliefs.render(told._replace(actions=("listen",) * 3), "one", 0.5)
    assert "left (0.50) would move the belief to 1.00, right (0.50) would move the belief to 0.00" in sure.sentence


def test_a_line_is_drawn_only_where_it_is_in_the_picture(told):
    assert beliefs._visible(told, told.low - 1, told.low - 1) == (1.0, 0.0)
    assert beliefs._visible(told, told.high, told.high) == (0.0, 1.0)
    begin, end = beliefs._visible(told, -81.6, 28.4)
    assert begin == 0 and 28.4 - 110 * end == pytest.approx(told.low)


@pytest.mark.parametrize(("low", "high"), [(-2.0, 30.0), (53.0, 60.0), (0.1, 0.13), (-1.5, -0.5), (0.0, 1000.0)])
def test_ticks_are_round_and_few(low, high):
    ticks = axes.ticks(low, high)
    assert 3 <= len(ticks) <= 8 and low <= ticks[0] and ticks[-1] <= high + 1e-9
    assert "-0" not in [f"{tick:g}" for tick in ticks]


def test_a_frame_is_quick(told):
    spent = []
    for share in np.linspace(0, 1, 20):
        start = time.perf_counter()
        beliefs.render(told, "ever", share)
        spent.append(time.perf_counter() - start)
    assert np.median(spent) < 0.05


def test_the_widget_follows_its_controls(tiger):
    shell = tiger.explore({"2 steps": tiger.solve(horizon=2), "for ever": tiger.solve()})
    assert "worth 19.37: listen" in shell.now().sentence
    shell.controls["belief"].value = 0.99
    assert "open right" in shell.frame.value
    shell.controls["value"].value = "2 steps"
    assert shell.now().sentence == beliefs.render(story(tiger, two=tiger.solve(horizon=2)), "two", 0.99).sentence
    bundle = shell._repr_mimebundle_()
    assert bundle["text/plain"] == shell.now().sentence and bundle["image/svg+xml"].startswith("<svg")
    assert shell.errors.outputs == ()


def test_only_two_states_can_be_drawn(tiger):
    with pytest.raises(NasbookError, match="of 2 states: it got 0, of 2"):
        tiger.explore({})
    with pytest.raises(NasbookError, match="it got 1, of 3"):
        beliefs.prepare({"one": (np.eye(3), np.arange(3))}, np.ones((1, 3, 3)), np.ones((1, 3, 1)), "abc", "a", "o")
