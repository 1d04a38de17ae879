"""The Gumbel knob and its triangle: gradients against autograd and enumeration, frames against their data."""

import re
import time
from statistics import median

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from nasbook.base.errors import NasbookError
from nasbook.book.widgets import gumbel_knob
from nasbook.book.widgets.gumbel_knob import ESTIMATORS, OUTPUTS, gradients, measure, prepare, render, softmax
from nasbook.drawing.figures import simplex
from nasbook.drawing.figures.estimators import estimators_picture
from nasbook.relaxations import samplers

LOGITS = np.array([0.9, 0.4, 0.0])
SETTINGS = [
    (a, b, tau, kind) for a, b in ((0.9, 0.4), (-2, 2), (2, 2)) for tau in (0.05, 1, 10) for kind in ("soft", "hard")
]


@pytest.fixture(scope="module")
def noise():
    return prepare(np.random.default_rng(0))


@pytest.mark.parametrize("tau", [0.3, 1.0, 10.0])
def test_gradients_are_autograd_through_the_samplers_of_the_book(tau, monkeypatch, noise):
    drawn = torch.tensor(noise[:50])
    monkeypatch.setattr(samplers, "gumbel", lambda alpha, generator: drawn)
    alpha = torch.tensor(LOGITS).repeat(50, 1).requires_grad_()
    o = torch.tensor(OUTPUTS)
    h = samplers.one_hot(alpha, tau)[0]
    ran = h.detach()
    advantage = softplus(-(ran * o).sum(-1)) - alpha.detach().softmax(-1) @ softplus(-o)
    losses = [
        advantage * (ran * alpha.log_softmax(-1)).sum(-1),
        softplus(-(samplers.concrete(alpha, tau)[0] * o).sum(-1)),
        softplus(-(h * o).sum(-1)),
        softplus(-(h * ran * o).sum(-1)),
        softplus(-(h * ran * o + h * (1 - ran)).sum(-1)),
    ]
    found = gradients(LOGITS, noise[:50], tau)
    assert list(found) == list(ESTIMATORS) and len(found) == 5
    for name, one in zip(found, losses):
        expected = torch.autograd.grad(one.sum(), alpha, retain_graph=True)[0].numpy()
        np.testing.assert_allclose(found[name], expected, atol=1e-12, err_msg=name)


def test_the_exact_gradient_and_what_is_measured_against_it(noise):
    found = measure(LOGITS, noise, 0.5)
    losses = np.log1p(np.exp(-OUTPUTS))
    steps = 1e-6 * np.eye(3)
    slopes = [(softmax(LOGITS + h) @ losses - softmax(LOGITS - h) @ losses) / 2e-6 for h in steps]
    np.testing.assert_allclose(found.exact, slopes, atol=1e-9)
    samples = gradients(LOGITS, noise, 0.5)
    for name, sample in samples.items():
        if not name.startswith("REINFORCE"):
            assert found.bias[name] == np.linalg.norm(sample.mean(axis=0) - found.exact)
        assert found.noise[name] == pytest.approx(np.sqrt(sample.var(axis=0).sum()), rel=0.05)
    assert found.bias["REINFORCE, baseline E[L]"] == 0


def test_reinforce_is_enumerated():
    """Its noise is that of the three draws, each with its probability."""
    p, losses = softmax(LOGITS), np.log1p(np.exp(-OUTPUTS))
    draws = (losses - p @ losses)[:, None] * (np.eye(3) - p)
    variance = p @ (draws**2).sum(axis=1) - ((p @ draws) ** 2).sum()
    found = measure(LOGITS, prepare(np.random.default_rng(1), 500), 1.0)
    np.testing.assert_allclose(p @ draws, found.exact, atol=1e-15)
    assert found.noise["REINFORCE, baseline E[L]"] == pytest.approx(np.sqrt(variance), abs=1e-12)


@pytest.mark.parametrize("setting", [(0.9, 0.4, 1.0, "hard"), (-1.0, 2.0, 0.1, "soft")])
def test_the_sentence_says_what_the_data_hold(noise, setting):
    a, b, tau, kind = setting
    said = render(noise, *setting).sentence
    numbers = [float(one) for one in re.findall(r"\d+(?:\.\d+)?", said)]
    logits = np.array([a, b, 0.0])
    soft = np.exp((logits + noise[:500]) / tau)
    soft /= soft.sum(axis=1, keepdims=True)
    place = soft.mean(axis=0) if kind == "soft" else np.eye(3)[soft.argmax(axis=1)].mean(axis=0)
    found = measure(logits, noise, tau)
    shown = [name for name, one in ESTIMATORS.items() if one in (kind, "both")]
    assert len(shown) == (2 if kind == "soft" else 4) and all(name in said for name in shown)
    per_cent = 100 * np.mean(soft.max(axis=1) > 0.95)
    pairs = [(found.bias[name], found.noise[name]) for name in shown]
    expected = [tau, *softmax(logits), per_cent, 500, *place, np.linalg.norm(found.exact), *np.ravel(pairs)]
    tolerance = np.full(len(expected), 6e-3)
    tolerance[4] = 0.6
    assert (np.abs(np.array(numbers) - expected) < tolerance).all()


def test_points_move_into_the_corners_as_the_temperature_falls(noise):
    def inside(tau):
        svg = render(noise, 0.9, 0.4, tau, "soft").svg
        points = np.array(re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="2"', svg), dtype=float)
        assert len(points) == 500
        return np.linalg.norm(points[:, None] - gumbel_knob.CORNERS, axis=-1).min(axis=1).mean()

    assert inside(10.0) > inside(1.0) > inside(0.1) > inside(0.05)


def test_every_frame_is_drawn_in_time_within_its_page_and_legibly(noise):
    seconds = []
    for setting in SETTINGS:
        start = time.process_time()
        frame = render(noise, *setting)
        seconds.append(time.process_time() - start)
        assert frame == render(noise, *setting) and "nan" not in frame.svg
        assert min(map(float, re.findall(r'font-size="([\d.]+)"', frame.svg))) >= 11
        for x, y in re.findall(r'<circle cx="([-\d.]+)" cy="([-\d.]+)"', frame.svg):
            assert 0 <= float(x) <= gumbel_knob.WIDTH and 0 <= float(y) <= gumbel_knob.HEIGHT
        bars = re.findall(r'<rect x="725.0" y="[\d.]+" width="([-\d.]+)"', frame.svg)
        assert len(bars) == 10 and all(0 <= float(wide) <= 150 for wide in bars)
    assert median(seconds) < 0.05


def test_what_is_pale_says_why_and_every_dot_has_the_colour_of_its_winner(noise):
    for kind, other in (("soft", "hard"), ("hard", "soft")):
        drawn = render(noise, 0.9, 0.4, 1.0, kind).svg
        assert drawn.count(f"(pale: made of {other} samples)") == list(ESTIMATORS.values()).count(other)
        assert f"made of {kind} samples" not in drawn and ("discs hard, dots soft" in drawn) == (kind == "hard")
        winners = (LOGITS + noise[:500]).argmax(axis=1)
        groups = re.findall(r'<g fill="(#\w+)" fill-opacity="[\d.]+">(.+?)</g>', drawn)
        counts = [dots.count("<circle") for _, dots in groups]
        assert [ink for ink, _ in groups] == list(simplex.COLOURS)
        assert counts == np.bincount(winners, minlength=3).tolist()


def test_a_bar_too_long_is_cut_and_says_so(noise):
    cut = render(noise, 0.0, 0.0, 0.05, "hard")
    longest = max(measure(np.zeros(3), noise, 0.05).noise.values())
    assert longest > gumbel_knob.MOST and 'width="150.0"' in cut.svg and ">&gt;</text>" in cut.svg
    assert ">&gt;</text>" not in render(noise, 0.0, 0.0, 1.0, "hard").svg


def test_the_widget_shows_the_frame_of_its_controls(noise):
    widget = gumbel_knob.explore(noise)
    assert set(widget.controls) == {"logit_a", "logit_b", "tau", "sample"}
    frames = [render(noise, 0.9, 0.4, tau, "hard") for tau in (0.1, 1.0, 10.0)]
    left = widget._repr_mimebundle_()
    assert left["text/plain"] == " ".join(frame.sentence for frame in frames)
    assert f'height="{3 * gumbel_knob.HEIGHT}"' in left["image/svg+xml"]
    before = widget.now().sentence
    for name, value in {"logit_a": -1.0, "logit_b": 1.5, "tau": 0.1, "sample": "soft"}.items():
        widget.controls[name].value = value
        assert widget.now().sentence != before
        assert widget.now().svg in widget.frame.value
        before = widget.now().sentence
    assert widget.errors.outputs == ()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: simplex.samplers_picture({"x": np.ones((3, 5, 3))}, [1, 0, 0]), r"shape \(3, 5, 3\)"),
        (lambda: simplex.samplers_picture({"x": np.ones((1, 5, 4))}, [1, 0, 0]), r"shape \(1, 5, 4\)"),
        (lambda: simplex.samplers_picture({"x": np.ones((1, 0, 3))}, [1, 0, 0]), r"shape \(1, 0, 3\)"),
        (lambda: estimators_picture([1.0], {"x": []}, np.ones(3)), "with 1 samples"),
    ],
)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(NasbookError, match=said):
        call()


def test_a_point_of_the_triangle_is_the_mean_of_its_corners():
    corners = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 8.0]])
    weights = np.array([[1, 0, 0], [0.25, 0.25, 0.5], [0, 1, 1], [2, 2, 0]])
    np.testing.assert_allclose(simplex.places(weights, corners), [[0, 0], [1, 4], [2, 4], [2, 0]])


def test_the_picture_of_the_samplers_counts_what_was_drawn():
    hard = np.eye(3)[[0, 0, 0, 1, 2]][None]
    codes = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=float)[None]
    orders = np.stack([np.eye(3)[[2, 2, 0, 0, 2]], np.eye(3)[[0, 1, 1, 2, 0]]])
    soft = np.array([[0.6, 0.2, 0.2], [0.2, 0.2, 0.6]])[None]
    samples = {"p": np.array([[[0.5, 0.25, 0.25]]]), "soft": soft, "hard": hard, "codes": codes, "orders": orders}
    picture = simplex.samplers_picture(samples, [0.5, 0.25, 0.25])
    said = picture.sentence.split("; ")
    assert said[:3] == [
        "p: one point, (0.50, 0.25, 0.25)",
        "soft: a cloud whose mean is (0.40, 0.20, 0.40)",
        "hard: 3 places, most often A (60%)",
    ]
    assert said[3:5] == [
        "codes: 3 places, most often AB (60%)",
        "orders: two paths on two operations, most often C then A (40%)",
    ]
    panels = [{text.get_text() for text in axes.texts} for axes in picture.graph.axes]
    assert {"60%", "20%"} <= panels[2] and {"40%", "20%", "0%"} <= panels[4] and len(panels) == 6


def test_the_picture_of_the_estimators_tells_bias_from_chance():
    rng, exact = np.random.default_rng(0), np.array([0.1, -0.1, 0.0])
    fair = [exact + scale * rng.standard_normal((4000, 3)) for scale in (1.0, 0.1)]
    short = [0.5 * exact + 0.01 * rng.standard_normal((4000, 3)) for _ in range(2)]
    picture = estimators_picture([0.1, 10.0], {"fair": fair, "short": short}, exact)
    said = re.match(
        r"From temperature 0.1 to 10: fair: no bias that can be told from chance, noise ([\d.]+) to ([\d.]+); "
        r"short: bias ([\d.]+) to ([\d.]+), noise ([\d.]+) to ([\d.]+). The exact gradient has length 0.141.",
        picture.sentence,
    )
    expected = [3**0.5, 0.1 * 3**0.5, 0.5 * 0.1414, 0.5 * 0.1414, 0.01 * 3**0.5, 0.01 * 3**0.5]
    assert [float(one) for one in said.groups()] == pytest.approx(expected, rel=0.05, abs=6e-4)
    fills = [line.get_markerfacecolor() for line in picture.graph.axes[0].lines if line.get_marker() in ("o", "D")]
    shown = [len(line.get_xdata()) for line in picture.graph.axes[0].lines if line.get_marker() in ("o", "D")]
    assert [(fill == "white", n) for fill, n in zip(fills, shown)] == [(False, 0), (True, 2), (False, 2), (True, 0)]
