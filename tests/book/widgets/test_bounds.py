"""The picture of confidence bounds and the picture of regret: they hold their data, say it, and are quick."""

import re
import statistics
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from nasbook.base.errors import NasbookError
from nasbook.book.widgets import bounds
from nasbook.decisions.bandits import BernoulliBandit, play
from nasbook.decisions.explorers import UCB1
from nasbook.drawing.figures import regret

NAMES = ("slow", "quick & dirty", "wide")
TRUTH = np.array([0.2, 0.8, 0.5])


def game(rounds=60):
    log = play(BernoulliBandit(TRUTH), UCB1(3), rounds, np.random.default_rng(0))
    policy, means, halves = UCB1(3), [], []
    for place in range(rounds + 1):
        means.append(policy.sums / np.maximum(policy.counts, 1))
        halves.append(policy.index() - means[-1])
        if place < rounds:
            policy.update(None, int(log.arms[place]), log.rewards[place])
    return bounds.Game(log.arms, np.array(means), np.array(halves))


def test_a_frame_is_valid_svg_of_one_size_with_the_pulls_beside_each_arm():
    played = game()
    for place in (0, 1, 7, 60):
        frame = bounds.render(played, TRUTH, NAMES, place)
        root = ElementTree.fromstring(frame.svg)
        assert (root.get("width"), root.get("height")) == ("900", str(bounds.height(3)))
        words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert set(NAMES) <= set(words) and words.count("next") == (place < 60)
        pulls = np.bincount(played.arms[:place], minlength=3)
        assert [words[words.index(name) + (2 if name in next_arm(played, place) else 1)] for name in NAMES] == [
            str(count) for count in pulls
        ]


def next_arm(played, place):
    return [NAMES[played.arms[place]]] if place < len(played.arms) else []


def test_bars_and_ticks_stand_where_the_numbers_are():
    found = bounds.render(game(), TRUTH, NAMES, 60).svg
    centres = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', found)]
    assert centres == pytest.approx([bounds._x(mean) for mean in game().means[60]], abs=0.06)
    assert all(f'x1="{bounds._x(truth):.1f}"' in found for truth in TRUTH)


def test_the_range_of_rewards_is_marked_and_a_bar_that_is_cut_gets_an_arrow():
    truth, names = np.array([0.2, 0.8, 0.5]), ("a", "b", "c")
    means, halves = np.array([[0.4, 0.1, 0.9]]), np.array([[0.7, 0.9, 0.8]])
    found = bounds.render(bounds.Game(np.array([], dtype=int), means, halves), truth, names, 0).svg
    boxes = [
        (float(x), float(wide)) for x, wide in re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', found)
    ]
    spans = {(round(x, 1), round(x + wide, 1)) for x, wide in boxes}
    assert (bounds._x(0), bounds._x(1)) in spans and "possible rewards, 0 to 1" in found
    shown = [(-0.3, 1.1), (bounds.LOW, 1.0), (0.1, bounds.HIGH)]
    for left, right in shown:
        assert any(span == pytest.approx((bounds._x(left), bounds._x(right)), abs=0.11) for span in spans)
    tips = [float(x) for x in re.findall(r'<polyline points="([\d.]+),', found)]
    assert tips == pytest.approx([bounds.LEFT - 10, bounds.RIGHT + 10], abs=0.06)


def test_the_sentence_says_what_comes_next_and_what_was_pulled():
    played = game()
    assert "after 0 of 60 rounds" in (said := bounds.render(played, TRUTH, NAMES, 0).sentence)
    assert said.endswith("next is slow, never pulled so far") and "3 of 3 true means" in said
    last = bounds.render(played, TRUTH, NAMES, 60, "UCB1").sentence
    pulls = np.bincount(played.arms, minlength=3)
    assert last.endswith(f"most pulled is quick & dirty, {pulls.max()} times") and last.startswith("UCB1 after 60")
    bound = (played.means[30] + played.halves[30]).max()
    assert f"bound {bound:.3f}" in bounds.render(played, TRUTH, NAMES, 30).sentence


def test_a_frame_takes_a_few_milliseconds():
    played, times = game(), []
    for place in range(20):
        start = time.perf_counter()
        bounds.render(played, TRUTH, NAMES, place)
        times.append(time.perf_counter() - start)
    assert statistics.median(times) < 0.05


def test_the_widget_moves_and_leaves_a_still():
    widget = bounds.explore({"UCB1": game(), "again": game()}, TRUTH, NAMES, round=10)
    before = widget.frame.value
    widget.controls["round"].value = 11
    assert widget.frame.value != before and "after 11 of 60" in widget.frame.value
    widget.controls["policy"].value = "again"
    assert "again after 11" in widget.frame.value
    assert widget._repr_mimebundle_()["text/plain"].startswith("again after 11 of 60 rounds")
    assert not widget.errors.outputs


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: regret.regret_picture({}), "0 policies"),
        (lambda: regret.regret_picture({str(i): np.ones((2, 3)) for i in range(7)}), "7 policies"),
        (lambda: regret.regret_picture({"a": np.ones((1, 3))}), r"a has the shape \(1, 3\)"),
        (lambda: regret.regret_picture({"a": np.ones(3)}), r"a has the shape \(3,\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, said):
    with pytest.raises(NasbookError, match=said):
        wrong()


def test_bands_are_intervals_of_the_sums():
    values = np.array([[1.0, 2.0], [3.0, 2.0]])
    mean, half = regret.band(values, "a")
    # sums 1, 3 and 3, 5; standard error 1; Student-t with one degree of freedom 12.7062
    assert mean.tolist() == [2, 4] and half == pytest.approx([12.7062, 12.7062], abs=1e-4)


def test_curves_hold_the_data_and_the_sentence_puts_the_least_first():
    ramp = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0], [3.0, 1.0, 2.5]])
    picture = regret.regret_picture({"worse": 2 * ramp, "better": ramp})
    lines = {line.get_color(): line.get_ydata() for line in picture.graph.axes[0].get_lines()}
    assert np.allclose(lines[regret.LOOKS[0][0]], 2 * ramp.cumsum(axis=1).mean(axis=0))
    assert np.allclose(lines[regret.LOOKS[1][0]], ramp.cumsum(axis=1).mean(axis=0))
    assert picture.sentence.startswith("regret at the end, mean and 95% interval over 3 seeds: better 6.2 (")
    assert "; worse 12.3 (" in picture.sentence


def test_names_at_the_ends_of_curves_do_not_overlap():
    ramp = np.array([[1.0, 2.0], [2.0, 1.5]])
    picture = regret.regret_picture({name: ramp + place / 1e3 for place, name in enumerate("abcdef")})
    axes = picture.graph.axes[0]
    heights = sorted(text.get_position()[1] for text in axes.texts)
    lines = np.diff(heights) / np.diff(axes.get_ylim()) * axes.get_window_extent().height
    assert len(heights) == 6 and lines.min() >= 12
