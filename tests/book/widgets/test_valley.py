"""The bilevel valley: its closed forms against the package's gradient, its frames against their data."""

import itertools
import re
import time
from statistics import median

import numpy as np
import pytest
import torch

from nasbook.book.widgets import valley
from nasbook.book.widgets.valley import (
    BENDS,
    HIGH,
    INNER,
    LOW,
    MOST_XI,
    RADII,
    START,
    STEPS,
    render,
    settles,
    slopes,
    walk,
)
from nasbook.training import architecture_gradient

POINTS = [(2.0, -2.0), (-1.5, 0.5), (0.3, 1.9)]
CORNERS = list(itertools.product((-START, START), (-START, START)))


def gradient(alpha, w, xi, bend, method, radius=0.01):
    def train(weights, alphas):
        gap = weights[0] - alphas[0]
        return gap**2 + bend * gap**4

    def valid(weights, alphas):
        return alphas[0] * weights[0] - 2 * alphas[0] + 1

    weight, logit = torch.tensor(w, dtype=torch.float64), torch.tensor(alpha, dtype=torch.float64)
    return float(architecture_gradient(train, valid, [weight], [logit], xi=xi, method=method, radius=radius)[0])


@pytest.mark.parametrize("bend", BENDS)
@pytest.mark.parametrize("xi", [0.0, 0.1, 0.5, 0.7])
@pytest.mark.parametrize(("alpha", "w"), POINTS)
def test_the_slopes_are_those_of_the_package(alpha, w, xi, bend):
    for radius in RADII:
        found = slopes(alpha, w, xi, bend, radius)
        assert found.first == pytest.approx(gradient(alpha, w, xi, bend, "first-order"), abs=1e-9)
        assert found.exact == pytest.approx(gradient(alpha, w, xi, bend, "exact"), abs=1e-9)
        published = gradient(alpha, w, xi, bend, "finite-difference", radius)
        assert found.difference == pytest.approx(published, abs=1e-9 / radius)


@pytest.mark.parametrize(("xi", "by_hand"), [(0.0, -4), (0.1, -2.8), (0.25, -1), (0.5, 2), (0.7, 4.4)])
def test_the_values_worked_out_by_hand(xi, by_hand):
    found = slopes(2.0, -2.0, xi)
    assert found.exact == pytest.approx(by_hand) and found.difference == pytest.approx(by_hand)
    assert (found.first, found.truth) == (-4, 2)


def test_the_difference_is_off_by_the_square_of_the_radius_and_only_where_l_train_is_no_parabola():
    errors = [slopes(1.0, -1.0, 0.5, 0.1, radius) for radius in (0.5, 1.0, 2.0)]
    assert [one.difference - one.exact for one in errors] == pytest.approx([0.05, 0.2, 0.8])
    flat = slopes(1.0, -1.0, 0.5, 0.0, 2.0)
    assert flat.difference == flat.exact


@pytest.mark.parametrize("bend", BENDS)
@pytest.mark.parametrize(("xi", "point"), [(0.0, 2), (0.1, 5 / 3), (0.25, 4 / 3), (0.5, 1)])
def test_a_path_settles_where_the_closed_form_says_however_many_steps_w_takes(xi, point, bend):
    assert settles(xi, bend, 0.0) == pytest.approx(point)
    for inner in INNER:
        end = walk(1.0, -1.0, xi, inner, bend, 0.01)[-1]
        assert end == pytest.approx((point, point), abs=0.06)


def test_a_wide_difference_moves_the_place_where_a_path_settles():
    rest = settles(0.5, 0.1, 2.0)
    assert rest == pytest.approx(2 / 2.8)
    assert walk(1.0, 1.0, 0.5, 5, 0.1, 2.0)[-1] == pytest.approx((rest, rest), abs=1e-3)


def test_a_path_is_one_step_on_alpha_then_the_steps_on_w():
    (alpha, w), after = (1.0, -1.0), walk(1.0, -1.0, 0.25, 2)[1]
    alpha -= 0.05 * slopes(alpha, w, 0.25).difference
    for _ in range(2):
        w -= 0.05 * 2 * (w - alpha)
    assert after == pytest.approx((alpha, w))
    assert walk(1.0, -1.0, 0.25, 2).shape == (STEPS + 1, 2)


@pytest.mark.parametrize("bend", BENDS)
def test_no_path_leaves_the_plane(bend):
    for xi, inner, (alpha, w), radius in itertools.product((0.0, 0.2, MOST_XI), INNER, CORNERS, (0.01, 2.0)):
        path = walk(alpha, w, xi, inner, bend, radius)
        assert path.min() > LOW and path.max() < HIGH
        assert LOW < settles(xi, bend, radius) < HIGH


@pytest.mark.parametrize("setting", [(0.0, 1, 2.0, -2.0, 0.0, 0.01), (0.5, 20, -1.0, 1.5, 0.1, 1.0)])
def test_the_sentence_says_what_the_data_hold(setting):
    xi, inner, alpha, w, bend, radius = setting
    said = render(*setting).sentence
    numbers = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", said)]
    here, end = slopes(alpha, w, xi, bend, radius), walk(alpha, w, xi, inner, bend, radius)[-1, 0]
    rest = settles(xi, bend, radius)
    assert numbers == pytest.approx(
        [alpha, w, xi, radius, bend, *here, STEPS, valley.RATE, inner, end, rest, 1], abs=6e-4
    )


def test_every_frame_is_drawn_in_time_within_its_page_and_legibly():
    seconds = []
    for (alpha, w), xi, inner, bend in itertools.product([*CORNERS, (0.0, 0.0)], (0.0, 0.5), (1, 20), BENDS):
        start = time.perf_counter()
        frame = render(xi, inner, alpha, w, bend, 1.0)
        seconds.append(time.perf_counter() - start)
        assert frame == render(xi, inner, alpha, w, bend, 1.0)
        assert min(map(float, re.findall(r'font-size="([\d.]+)"', frame.svg))) >= 11
        assert "nan" not in frame.svg and "inf" not in frame.svg
        for points in re.findall(r'points="([^"]+)"', frame.svg):
            for x, y in (map(float, point.split(",")) for point in points.split()):
                assert 0 <= x <= valley.WIDTH and 0 <= y <= valley.HEIGHT
    assert median(seconds) < 0.05


def test_arrows_point_along_the_gradients_to_one_scale():
    frame = render(0.25, 1, 2.0, -2.0)
    tips = {}
    for name, (colour, _) in valley.LOOKS.items():
        (points,) = re.findall(rf'<polyline points="([\d., ]+)" fill="{colour}" stroke="none"', frame.svg)
        tips[name] = float(points.split(",")[0])
    here = slopes(2.0, -2.0, 0.25)
    middle = (tips["first order"] + 2 * tips["truth"]) / 3  # the gradients are -4 and 2
    scale = (tips["truth"] - middle) / here.truth
    assert scale > 5
    assert [(tip - middle) / scale for tip in tips.values()] == pytest.approx(list(here), abs=0.05)


def test_contours_join_points_of_one_loss():
    left, top, side = valley.PLANE
    unit = side / (HIGH - LOW)
    for level in set(valley.LEVELS) - {1.0}:
        lines = [part for part in valley._contour(level) if part.startswith("<polyline")]
        assert lines
        for line in lines:
            (points,) = re.findall(r'points="([^"]+)"', line)
            places = np.array([tuple(map(float, point.split(","))) for point in points.split()])
            alpha, w = LOW + (places[:, 0] - left) / unit, HIGH - (places[:, 1] - top) / unit
            assert np.abs(alpha * w - 2 * alpha + 1 - level).max() < 0.02


def test_the_widget_shows_the_frame_of_its_controls():
    widget = valley.explore()
    assert set(widget.controls) == {"xi", "inner", "alpha", "w", "bend", "radius"}
    before = widget.now().sentence
    for name, value in {"xi": 0.5, "inner": 5, "alpha": -1.0, "w": 1.0, "bend": 0.1, "radius": 1.0}.items():
        widget.controls[name].value = value
        assert widget.now().sentence != before
        assert widget.now().sentence in widget.frame.value
        before = widget.now().sentence
    assert widget.errors.outputs == ()
    for name in ("alpha", "w", "xi"):
        for edge in (widget.controls[name].min, widget.controls[name].max):
            widget.controls[name].value = edge
    assert widget.errors.outputs == ()


def test_without_a_kernel_three_virtual_steps_remain_one_below_the_other():
    widget = valley.explore()
    widget.controls["w"].value = 1.0
    left = widget._repr_mimebundle_()
    frames = [render(xi, 1, 2.0, 1.0) for xi in (0.0, 0.25, 0.5)]
    assert left["text/plain"] == " ".join(frame.sentence for frame in frames)
    drawn = left["image/svg+xml"]
    assert f'height="{3 * valley.HEIGHT}"' in drawn and drawn.count("<svg") == drawn.count("</svg>") == 1
    groups = re.findall(r'<g transform="translate\(0 (\d+)\)">\n(.+?)\n</g>', drawn, flags=re.DOTALL)
    assert [int(top) for top, _ in groups] == [0, valley.HEIGHT, 2 * valley.HEIGHT]
    for (_, inner), frame in zip(groups, frames):
        assert inner in frame.svg and frame.svg.count("<text") == inner.count("<text")


def test_a_contour_has_no_corner_that_can_be_seen():
    """Between two of its points it stays within half a pixel of the true curve."""
    left, top, side = valley.PLANE
    unit = side / (HIGH - LOW)
    for level in set(valley.LEVELS) - {1.0}:
        for line in (part for part in valley._contour(level) if part.startswith("<polyline")):
            (points,) = re.findall(r'points="([^"]+)"', line)
            places = np.array([tuple(map(float, point.split(","))) for point in points.split()])
            x, y = (places[1:] + places[:-1]).T / 2
            alpha, w = LOW + (x - left) / unit, HIGH - (y - top) / unit
            slope = np.hypot(alpha, w - 2)  # of alpha w - 2 alpha, in alpha and w
            assert (np.abs(alpha * w - 2 * alpha + 1 - level) / slope * unit).max() < 0.5
