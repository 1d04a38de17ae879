"""The noise meter: its estimates against the exact gradient, its frames against their data."""

import re
import time
from statistics import median

import numpy as np
import pytest

from nasbook.book.widgets import noise_meter
from nasbook.book.widgets.noise_meter import BATCHES, NOISE, RATES, estimate, prepare, render
from nasbook.decisions import TabularPolicy, exact_gradient

REWARDS = np.array([1.0, 0.8, 0.5])
SETTINGS = [(batch, on, rate) for batch in BATCHES for on in (False, True) for rate in RATES]


@pytest.fixture(scope="module")
def story():
    return prepare(np.random.default_rng(0))


@pytest.mark.parametrize("baseline", [0.0, 0.7])
@pytest.mark.parametrize("batch", [1, 4])
def test_estimates_have_the_exact_gradient_as_mean_and_the_stated_variance(baseline, batch):
    policy = TabularPolicy([[0.3, -0.2, 0.1]])
    chance = np.exp(policy.log_probabilities([[0], [1], [2]]))
    found = estimate(np.random.default_rng(1), np.tile(chance, (200_000, 1)), REWARDS, baseline, batch)
    error = found.std(axis=0) / len(found) ** 0.5
    assert (np.abs(found.mean(axis=0) - exact_gradient(policy, REWARDS)) < 5 * error).all()
    assert np.abs(found.sum(axis=1)).max() < 1e-12


def test_the_variance_shown_is_that_of_the_arrows():
    story = prepare(np.random.default_rng(2), arrows=20_000, seeds=2, steps=1)
    for key, variance in story.variance.items():
        assert story.estimates[key].var(axis=0).sum() == pytest.approx(variance, rel=0.05)


def test_an_estimate_without_noise_is_one_step_of_the_policy(monkeypatch):
    monkeypatch.setattr(noise_meter, "NOISE", 0.0)
    policy = TabularPolicy([[0.3, -0.2, 0.1]])
    before, tokens = policy.parameters, np.array([[0], [2], [2], [1], [2]])
    chance = np.exp(policy.log_probabilities([[0], [1], [2]]))

    class Fixed:
        def multinomial(self, batch, chance):
            return np.array([[1, 1, 3]])

        def standard_normal(self, shape):
            return np.ones(shape)

    policy.ascend(tokens, REWARDS[tokens[:, 0]] - 0.4, learning_rate=1.0)
    (found,) = estimate(Fixed(), chance[None], REWARDS, 0.4, 5)
    np.testing.assert_allclose(found, policy.parameters - before, atol=1e-12)


@pytest.mark.parametrize("setting", [(1, False, 10.0), (4, True, 3.0), (64, False, 0.3)])
def test_the_sentence_says_what_the_data_hold(story, setting):
    batch, on, rate = setting
    said = render(story, *setting).sentence
    numbers = [float(one) for one in re.findall(r"\d+(?:\.\d+)?", said)]
    ends = noise_meter.softmax(rate * story.estimates[batch, on])
    worse = sum(end @ REWARDS < REWARDS.mean() for end in ends)
    curve, winners = story.curves[setting], story.winners[setting]
    variance, square = story.variance[batch, on], story.gradient @ story.gradient
    scale = noise_meter.magnification(np.vstack([ends, noise_meter.softmax(rate * story.gradient)]))
    drawn = [scale] if scale > 1 else []
    assert ("drawn at true length" in said) is (scale == 1)
    expected = [batch, rate, variance, square, worse, 60, *drawn, 60, 20, curve[:, -1].mean(), 1, sum(winners == 0)]
    assert numbers == pytest.approx(expected, abs=6e-4)
    assert ("with the baseline" in said) is on


def test_variance_falls_with_the_batch_and_with_the_baseline(story):
    policy = TabularPolicy.uniform([3])
    np.testing.assert_array_equal(story.gradient, exact_gradient(policy, REWARDS))
    for batch in BATCHES:
        assert story.variance[batch, True] < story.variance[batch, False]
        assert story.variance[batch, False] == pytest.approx(story.variance[1, False] / batch)
    assert story.variance[1, True] > NOISE**2 * 2 / 3


def test_every_frame_is_drawn_in_time_within_its_page_and_legibly(story):
    seconds = []
    for setting in SETTINGS:
        start = time.perf_counter()
        frame = render(story, *setting)
        seconds.append(time.perf_counter() - start)
        assert frame == render(story, *setting)
        assert min(map(float, re.findall(r'font-size="([\d.]+)"', frame.svg))) >= 11
        assert frame.svg.count(noise_meter.CLOUD) >= 60 and "nan" not in frame.svg
        for points in re.findall(r'points="([^"]+)"', frame.svg):
            for x, y in (map(float, point.split(",")) for point in points.split()):
                assert 0 <= x <= noise_meter.WIDTH and 0 <= y <= noise_meter.HEIGHT
    assert median(seconds) < 0.05


def test_arrows_are_drawn_as_long_as_the_triangle_allows_and_say_so(story):
    for batch, on, rate in SETTINGS:
        frame = render(story, batch, on, rate)
        tips = [
            tuple(map(float, points.split(" ")[0].split(",")))
            for points, fill in re.findall(r'<polyline points="([^"]+)" fill="(#\w+)" stroke="none"', frame.svg)
            if fill in (noise_meter.CLOUD, noise_meter.TRUTH)
        ]
        places = np.linalg.solve(
            np.vstack([noise_meter.CORNERS.T, np.ones(3)]), np.vstack([np.transpose(tips), [1] * 61])
        )
        assert places.min() > -1e-3, "a tip outside the triangle"
        (scale,) = re.findall(r"drawn (\d+) times as long", frame.sentence) or ["1"]
        ends = noise_meter.softmax(rate * np.vstack([story.estimates[batch, on], story.gradient]))
        np.testing.assert_allclose(places.T, 1 / 3 + int(scale) * (ends - 1 / 3), atol=1e-3)
        assert scale == "1" or places.min() < 1 / 3 / int(scale), "longer arrows would fit"


def test_the_same_generator_tells_the_same_story(story):
    again = prepare(np.random.default_rng(0))
    assert render(again, 4, False, 3.0) == render(story, 4, False, 3.0)


def test_the_widget_shows_the_frame_of_its_controls(story):
    widget = noise_meter.explore(story)
    assert set(widget.controls) == {"batch", "baseline", "learning_rate"}
    before = widget.now().sentence
    for name, value in {"batch": 64, "baseline": True, "learning_rate": 10.0}.items():
        widget.controls[name].value = value
        assert widget.now().sentence != before
        assert widget.now().sentence in widget.frame.value
        before = widget.now().sentence
    assert widget.errors.outputs == ()
