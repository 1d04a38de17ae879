"""The bilevel valley: two alternating descents on a toy, and four answers to "which way is down in alpha?".

    L_train = (w - alpha)^2 + bend (w - alpha)^4        L_valid = alpha w - 2 alpha + 1

The weight w follows L_train to the valley floor w = alpha, whatever ``bend`` is; along the floor L_valid is
(alpha - 1)^2. The gradient in alpha is DARTS's (Liu et al., 2019, arXiv 1806.09055, equations 6 to 8): everything
here is a closed form.
"""

import math
from typing import NamedTuple

import numpy as np

from nasbook.drawing.parts import axes, style, svg
from nasbook.drawing.parts.shell import Frame, Shell, choice, slider

WIDTH, HEIGHT = 900, 500
LOW, HIGH = -2.5, 3.5
START = 2.0
"""Starts lie between -START and START in both directions; no path from there leaves the plane, LOW to HIGH."""
PLANE = (50.0, 40.0, 390.0)
BARS, CURVE = (500.0, 64.0), (520.0, 290.0, 350.0, 140.0)
_x = axes.scale(LOW, HIGH, PLANE[0], PLANE[0] + PLANE[2])
_y = axes.scale(LOW, HIGH, PLANE[1] + PLANE[2], PLANE[1])
STEPS, RATE = 120, 0.05
"""Steps on alpha that a path has, and the learning rate of both descents."""
LEVELS = (-5.0, -2.0, 0.0, 1.0, 2.0, 4.0, 7.0)
PATH, TRUTH = "#0072B2", "#000000"
LOOKS = {
    "first order": ("#D55E00", "9 4"),
    "unrolled, exact": ("#0072B2", ""),
    "unrolled, difference": ("#009E73", "3 3"),
    "truth": (TRUTH, ""),
}
INNER = (1, 2, 5, 20)
BENDS = (0.0, 0.1)
RADII = (0.01, 0.5, 1.0, 2.0)
MOST_XI = 0.7
STILLS = ({"xi": 0.0}, {"xi": 0.25}, {"xi": 0.5})


class Slopes(NamedTuple):
    """The gradient in alpha at one point, by each of the four."""

    first: float
    exact: float
    difference: float
    truth: float


def slopes(alpha: float, w: float, xi: float, bend: float = 0.0, radius: float = 0.01) -> Slopes:
    """``first`` order: dL_valid/dalpha at w. ``exact``: through one step of ``xi`` on L_train. ``difference``: the
    same with the mixed derivative from a central difference at w +- ``radius``. ``truth``: along the floor.
    """
    gap = w - alpha
    virtual = w - xi * (2 * gap + 4 * bend * gap**3)
    mixed = -2 - 12 * bend * gap**2  # of L_train in alpha and w
    apart = mixed - 4 * bend * radius**2  # what a central difference makes of it
    exact, difference = (virtual - 2 - xi * alpha * one for one in (mixed, apart))  # alpha is dL_valid/dw
    return Slopes(w - 2, exact, difference, 2 * alpha - 2)


def walk(alpha: float, w: float, xi: float, inner: int, bend: float = 0.0, radius: float = 0.01) -> np.ndarray:
    """(STEPS + 1, 2): (alpha, w) before and after each step on alpha, by its ``difference``, and ``inner`` on w."""
    path = [(alpha, w)]
    for _ in range(STEPS):
        alpha -= RATE * slopes(alpha, w, xi, bend, radius).difference
        for _ in range(inner):
            gap = w - alpha
            w -= RATE * (2 * gap + 4 * bend * gap**3)
        path.append((alpha, w))
    return np.array(path)


def settles(xi: float, bend: float = 0.0, radius: float = 0.01) -> float:
    """The alpha = w at which neither descent moves; the best is 1."""
    return 2 / (1 + 2 * xi + 4 * bend * radius**2 * xi)


def render(xi: float, inner: int, alpha: float, w: float, bend: float = 0.0, radius: float = 0.01) -> Frame:
    """The frame of a virtual step ``xi``, ``inner`` steps on w for each on alpha, and a start (alpha, w)."""
    here, path = slopes(alpha, w, xi, bend, radius), walk(alpha, w, xi, inner, bend, radius)
    end, rest = path[-1, 0], settles(xi, bend, radius)
    sentence = (
        f"Start alpha {alpha:.2f}, w {w:.2f}; xi {xi:.2f}, radius {radius:g}, bend {bend:g}: the gradient in alpha is "
        f"{here.first:.3f} at first order, {here.exact:.3f} unrolled exactly, {here.difference:.3f} by the finite "
        f"difference, {here.truth:.3f} in truth; after {STEPS} steps of rate {RATE:g}, with {inner} on w each, alpha "
        f"is {end:.3f}, on its way to {rest:.3f}; the best is 1."
    )
    parts = [
        svg.text(PLANE[0], 24, f"xi {xi:.2f}: validation loss (contours) and the way down", 15),
        *_plane(),
        *_path(path, rest),
        svg.text(BARS[0], 24, "gradient in alpha at the start", 15),
        *_bars(here),
        svg.text(BARS[0], CURVE[1] - 26, f"alpha over {STEPS} steps: it settles at {rest:.3f}, best is 1", 15),
        *_curve(path, rest),
    ]
    return Frame(svg.page(WIDTH, HEIGHT, sentence, parts), sentence)


def explore() -> Shell:
    """The widget: the virtual step, steps on w, the start, the shape of L_train and the radius of the difference."""
    controls = {
        "xi": slider("virtual step xi", 0.0, 0.0, MOST_XI, 0.05),
        "inner": choice("steps on w", [(str(one), one) for one in INNER], 1),
        "alpha": slider("start alpha", 2.0, -START, START, 0.1),
        "w": slider("start w", -2.0, -START, START, 0.1),
        "bend": choice("bend of L_train", [("0: a parabola", BENDS[0]), ("0.1: no parabola", BENDS[1])]),
        "radius": choice("radius", [(f"{one:g}", one) for one in RADII]),
    }
    return Shell(render, controls, HEIGHT, stills=STILLS)


def _place(alpha: float, w: float) -> tuple[float, float]:
    return _x(alpha), _y(w)


def _plane() -> list[str]:
    left, top, side = PLANE
    whole = range(int(LOW), int(HIGH) + 1)
    parts = [
        axes.frame(left, top, side, side, "#FCFCFC"),
        *(part for level in LEVELS for part in _contour(level)),
        *axes.columns(_x, whole, top + side),
        *axes.rows(_y, whole, left),
        svg.text(left + side / 2, top + side + 34, "alpha", 13, "middle"),
        svg.text(18, top + side / 2, "w", 13, "middle"),
        svg.line(*_place(LOW, LOW), *_place(HIGH, HIGH), style.QUIET, width=3, dash="2 4"),
        svg.text(*_place(-1.9, -1.35), "floor of L_train: w = alpha", 12, turn=-45, ink="#555555"),
    ]
    x, y = _place(1, 1)
    return [*parts, svg.path(f"M{x - 7:.1f} {y - 7:.1f}l14 14m0-14l-14 14", TRUTH, width=3)]


def _contour(level: float) -> list[str]:
    """Where alpha w - 2 alpha + 1 is ``level``: w = 2 + (level - 1) / alpha."""
    if level == 1:
        ends = ((0, LOW), (0, HIGH)), ((LOW, 2), (HIGH, 2))
        lines = [svg.line(*_place(*a), *_place(*b), "#C8C8C8", width=1) for a, b in ends]
        return [*lines, svg.text(*_place(2.75, 2.05), "1", 11, ink="#6A6A6A")]
    parts = []
    for begin, end, last, anchor, aside in ((LOW, -0.01, 0, "start", 4), (0.01, HIGH, -1, "end", -4)):
        alphas = np.linspace(begin, end, 2000)
        curve = 2 + (level - 1) / alphas
        inside = (curve >= LOW) & (curve <= HIGH)
        alphas, curve = alphas[inside], curve[inside]
        if len(alphas):
            # 23 points, equally far from each other along the curve: its steep end needs as many as its flat one
            far = np.concatenate([[0], np.hypot(np.diff(alphas), np.diff(curve)).cumsum()])
            kept = np.searchsorted(far, np.linspace(0, far[-1], 23))
            points = [_place(*point) for point in zip(alphas[kept], curve[kept])]
            x, y = points[last]
            parts.append(svg.polyline(points, "#C8C8C8", width=1))
            parts.append(svg.text(x + aside, y - 3, f"{level:g}", 11, anchor, ink="#6A6A6A"))
    return parts


def _path(path: np.ndarray, rest: float) -> list[str]:
    points = [_place(*point) for point in path]
    (x, y), words = points[0], "cross: the best; ring: where the path settles; dots: every 4th step"
    return [
        svg.polyline(points, PATH, width=2),
        svg.dots(points[::4], 2.2, PATH),
        svg.circle(x, y, 6, "white", stroke=PATH, width=2.5),
        svg.text(x + 10, y + 4, "start", 12),
        svg.circle(*points[-1], 5, PATH),
        svg.circle(*_place(rest, rest), 9, "none", stroke="#D55E00", width=2.5),
        svg.text(PLANE[0], HEIGHT - 10, words, 12),
    ]


def _bars(here: Slopes) -> list[str]:
    """One arrow a row, from zero; all to one scale."""
    left, top = BARS
    reach = max(2.0, *map(abs, here))
    middle, unit = left + 285, 85 / reach
    parts = [svg.line(middle, top - 12, middle, top + 4 * 36 - 16, style.QUIET, width=1)]
    parts.append(svg.text(middle, top + 4 * 36, "0", 12, "middle"))
    for row, (value, (name, (colour, dash))) in enumerate(zip(here, LOOKS.items())):
        y = top + 36 * row
        parts += [svg.text(left, y + 4, name, 13), svg.text(left + 188, y + 4, f"{value:+.2f}", 13, "end")]
        tip = middle + unit * value
        if abs(tip - middle) < 2:
            parts.append(svg.circle(middle, y, 4, colour))
            continue
        back = tip - math.copysign(min(10, abs(tip - middle)), value)
        parts.append(svg.line(middle, y, back, y, colour, width=4, dash=dash))
        parts.append(svg.polyline([(tip, y), (back, y - 7), (back, y + 7)], "none", fill=colour))
    return parts


def _curve(path: np.ndarray, rest: float) -> list[str]:
    left, top, wide, tall = CURVE
    y = axes.scale(min(0.0, path[:, 0].min()), max(2.2, path[:, 0].max()), top + tall, top)
    x = axes.scale(0, STEPS, left, left + wide)
    shown = np.arange(0, STEPS + 1, 3)  # of 121 steps, 41: the last is among them
    return [
        axes.frame(left, top, wide, tall, "#FCFCFC"),
        svg.line(left, y(1), left + wide, y(1), TRUTH, width=1.5),
        svg.line(left, y(rest), left + wide, y(rest), "#D55E00", width=1.5, dash="6 4"),
        svg.polyline(zip(x(shown), y(path[shown, 0])), PATH, width=2.5),
        *axes.rows(y, (0, 1, 2), left),
        *axes.columns(x, (0, STEPS), top + tall),
        svg.text(left + wide / 2, top + tall + 17, f"step on alpha (rate {RATE:g}, and so for w)", 12, "middle"),
    ]
