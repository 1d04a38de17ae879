"""The ensemble knob: its unions against the sampler of the book and the exact law, its frames against their data."""

import math
import re
import time
from itertools import product
from statistics import median

import numpy as np
import pytest
import torch

from nasbook.book.widgets import ensembles
from nasbook.book.widgets.ensembles import MOST_DRAWS, PROBABILITIES, SHOWN, prepare, render, unions
from nasbook.relaxations import samplers

SETTINGS = list(product(PROBABILITIES, (1, 2, 4, MOST_DRAWS), (0.05, 1.0, 10.0)))


@pytest.fixture(scope="module")
def story():
    return prepare(np.random.default_rng(0), samplers.code_probabilities)


@pytest.mark.parametrize(
    ("name", "draws", "tau"), [("one ahead", 3, 0.7), ("nearly sure", 5, 5.0), ("almost even", 1, 1.0)]
)
def test_unions_are_those_of_the_sampler_and_dots_are_what_its_gradient_sees(story, name, draws, tau, monkeypatch):
    noise = torch.tensor(story.noise[:draws])
    monkeypatch.setattr(samplers, "gumbel", lambda alpha, generator: noise)
    alpha = torch.tensor(PROBABILITIES[name], dtype=torch.float64).log().repeat(noise.shape[1], 1).requires_grad_()
    code = samplers.ensemble(alpha, tau, draws=draws)[0]
    codes, soft = unions(story, name, draws, tau)
    np.testing.assert_array_equal(codes, code.detach().numpy())
    for k in range(3):  # the slope of a softmax weight z in its own logit is z (1 - z) / tau
        slope = torch.autograd.grad(code[:, k].sum(), alpha, retain_graph=True)[0][:, k].numpy()
        np.testing.assert_allclose(slope, soft[:, k] * (1 - soft[:, k]) / tau, atol=1e-12)


@pytest.mark.parametrize("draws", [1, 2, 7])
def test_the_noise_follows_the_law_that_is_drawn(story, draws):
    law = story.laws["one ahead", draws]
    codes, _ = unions(story, "one ahead", draws, 1.0)
    for code, chance in law.items():
        share = np.mean((codes == np.isin(range(3), code)).all(axis=1))
        assert abs(share - chance) <= 5 * math.sqrt(chance * (1 - chance) / len(codes))


@pytest.mark.parametrize("setting", [("one ahead", 2, 1.0), ("almost even", 9, 0.1), ("nearly sure", 1, 10.0)])
def test_the_sentence_says_what_the_data_hold(story, setting):
    name, draws, tau = setting
    said = render(story, *setting).sentence
    p, law = PROBABILITIES[name], samplers.code_probabilities(PROBABILITIES[name], draws)
    codes, soft = unions(story, *setting)
    best = max(law, key=law.get)
    assert f"the likeliest is {' and '.join('ABC'[k] for k in best)} with" in said
    numbers = [float(one) for one in re.findall(r"\d+(?:\.\d+)?", said)]
    run, several = sum(len(code) * law[code] for code in law), sum(law[code] for code in law if len(code) > 1)
    reachable = sum(len(code) <= draws for code in law)
    expected = [draws, *p, reachable, 7, law[best], run, 3, several, tau, np.abs(codes - soft).mean()]
    assert numbers == pytest.approx(expected, abs=6e-3)


def test_the_drawn_numbers_are_the_exact_ones(story):
    frame = render(story, "one ahead", 2, 1.0).svg
    for number in ("0.250", "0.090", "0.040", "0.300, the likeliest", "0.200", "0.120", "cannot be drawn"):
        assert f">{number}</text>" in frame
    for inclusion in ("0.750", "0.510", "0.360"):
        assert f">{inclusion}</text>" in frame
    bars = [float(wide) for wide in re.findall(r'<rect x="130.0" y="[\d.]+" width="([\d.]+)"', frame)]
    np.testing.assert_allclose(np.array(bars) / 205, [0.25, 0.09, 0.04, 0.3, 0.2, 0.12, 0], atol=5e-4)
    assert "below 0.001" in render(story, "almost even", MOST_DRAWS, 1.0).svg


def test_of_equal_codes_the_smaller_is_called_the_likeliest():
    story = prepare(np.random.default_rng(0), lambda p, draws: {(0,): 0.1, (2,): 0.45, (0, 1): 0.45 + 1e-15})
    assert "the likeliest is C with" in render(story, "one ahead", 2, 1.0).sentence


def test_the_temperature_moves_the_dots_alone(story):
    def law_and_bars(tau):
        frame = render(story, "one ahead", 4, tau).svg
        return re.findall(r"<rect[^>]*>|<line[^>]*>|>[^<]*likeliest</text>|>0\.\d{3}</text>", frame)

    assert law_and_bars(0.1) == law_and_bars(5.0) and len(law_and_bars(0.1)) > 40
    gaps = [np.abs(np.subtract(*unions(story, "one ahead", 4, tau))).mean() for tau in (0.1, 1.0, 5.0)]
    assert gaps == sorted(gaps)


def test_every_frame_is_drawn_in_time_within_its_page_and_legibly(story):
    seconds = []
    for setting in SETTINGS:
        start = time.process_time()
        frame = render(story, *setting)
        seconds.append(time.process_time() - start)
        assert frame == render(story, *setting) and "nan" not in frame.svg
        assert min(map(float, re.findall(r'font-size="([\d.]+)"', frame.svg))) >= 11
        dots = re.findall(r'<circle cx="([-\d.]+)" cy="([-\d.]+)"', frame.svg)
        assert len(dots) == 3 * SHOWN
        for x, y in dots:
            assert 520 <= float(x) <= 860 and 92 <= float(y) <= ensembles.HEIGHT
    assert median(seconds) < 0.05


def test_full_dots_are_the_drawn_operations(story):
    frame = render(story, "one ahead", 2, 1.0).svg
    hollow = len(re.findall(r'<circle [^>]*fill="white"', frame))
    assert hollow == int((unions(story, "one ahead", 2, 1.0)[0][:SHOWN] == 0).sum())


def test_the_widget_shows_the_frame_of_its_controls(story):
    widget = ensembles.explore(story)
    assert set(widget.controls) == {"draws", "tau", "probabilities"}
    before = widget.now().sentence
    for name, value in {"draws": 6, "tau": 0.1, "probabilities": "nearly sure"}.items():
        widget.controls[name].value = value
        assert widget.now().sentence != before
        assert widget.now().svg in widget.frame.value
        before = widget.now().sentence
    assert widget.errors.outputs == ()
