"""The triangle of three operations: every mixture of them is a point, every single one a corner.

Weights that do not sum to 1, such as a code of two operations, are drawn where their mean lies: on a side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasbook.base.errors import NasbookError
from nasbook.drawing.parts import style, svg
from nasbook.drawing.parts.picture import Picture, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTERS = "ABC"
COLOURS = ("#0072B2", "#D55E00", "#009E73")
FIVE = ("#000000", "#CC79A7", "#E69F00", "#56B4E9", "#009E73")
UNIT = np.array([[0.5, 3**0.5 / 2], [0.0, 0.0], [1.0, 0.0]])
"""Corners (3, 2) of a triangle of side 1 whose y grows upwards: A on top, B left, C right."""


def places(weights: np.ndarray, corners: np.ndarray = UNIT) -> np.ndarray:
    """Points (..., 2) of weights (..., 3), none negative, with any positive sum; ``corners`` (3, 2)."""
    return weights / weights.sum(axis=-1, keepdims=True) @ corners


def triangle(corners: np.ndarray, labels: Sequence[str]) -> list[str]:
    """The outline as SVG parts, with a label at each corner (3, 2): A above, B and C below."""
    parts = [svg.polyline([*corners, corners[0]], style.QUIET, fill="#FAFAFA", width=1.2)]
    for (x, y), label, anchor, ink, drop in zip(corners, labels, ("middle", "start", "end"), COLOURS, (-28, 36, 36)):
        parts.append(svg.text(x, y + drop, label, 13, anchor, ink))
    return parts


def samplers_picture(samples: Mapping[str, np.ndarray], p: Sequence[float]) -> Picture:
    """Draws of several samplers on the triangle of three operations, and one draw of all of them on one triangle.

    ``samples``: name -> paths (P, n, 3), n draws of P paths of weights, with the same n for all (n = 1: no draw at
    all, as of softmax); ``p`` (3,) the probabilities. Weights of zeros and ones are drawn as discs with their share
    of the draws; two paths as arrows from the first to the second. Raises NasbookError for other shapes.
    """
    found = {name: _paths(name, paths) for name, paths in samples.items()}
    rows = -(-(len(found) + 1) // 3)
    with panels(8.4, 2.75 * rows, rows, 3, squeeze=False) as (figure, grid):
        axes = grid.ravel()
        said = [_panel(one, name, paths) for one, (name, paths) in zip(axes, found.items())]
        _first_draws(axes[len(found)], found)
        for one in axes:
            one.set_axis_off()
            one.set(xlim=(-0.22, 1.22), ylim=(-0.18, 1.08), aspect="equal")
        for one in axes[: len(found) + 1]:
            one.plot(*places(np.asarray(p, dtype=float)), "+", color=style.INK, markersize=10, zorder=5)
    said.append("the last triangle holds one draw of each; the cross is p")
    return Picture.of_figure(figure, "; ".join(said))


def _paths(name: str, paths: np.ndarray) -> np.ndarray:
    found = np.asarray(paths, dtype=float)
    if found.ndim != 3 or found.shape[2] != 3 or len(found) not in (1, 2) or not found.shape[1]:
        raise NasbookError(f"{name} has the shape {found.shape}: wanted are 1 or 2 paths, draws, 3 operations")
    return found


def _outline(axes: Axes) -> None:
    axes.plot(*UNIT[[0, 1, 2, 0]].T, color=style.QUIET, linewidth=1)
    for (x, y), letter, ink, (dx, dy) in zip(UNIT, LETTERS, COLOURS, ((0, 0.16), (-0.14, -0.1), (0.14, -0.1))):
        axes.text(x + dx, y + dy, letter, color=ink, ha="center", va="center", weight="bold")


def _panel(axes: Axes, name: str, paths: np.ndarray) -> str:
    """One sampler's draws; returns what is seen."""
    _outline(axes)
    axes.set_title(name, loc="left")
    if len(paths) == 2:
        return f"{name}: {_orders(axes, paths)}"
    values = paths[0]
    codes, counts = np.unique(values, axis=0, return_counts=True)
    if len(codes) == 1:
        axes.plot(*places(codes[0]), "o", color=COLOURS[0], markersize=8)
        return f"{name}: one point, {written(codes[0])}"
    if not np.isin(values, (0.0, 1.0)).all():
        for operation, colour in enumerate(COLOURS):
            axes.plot(*places(values[values.argmax(axis=1) == operation]).T, ".", color=colour, markersize=3, alpha=0.6)
        return f"{name}: a cloud whose mean is {written(values.mean(axis=0))}"
    shares = counts / counts.sum()
    for code, share in zip(codes, shares):
        x, y = places(code)
        axes.plot(x, y, "o", color="#56B4E9", markersize=42 * share**0.5, alpha=0.8)
        axes.text(x, y, f"{share:.0%}", ha="center", va="center", fontsize=9)
    most = "".join(letter for letter, one in zip(LETTERS, codes[shares.argmax()]) if one)
    return f"{name}: {len(codes)} places, most often {most} ({shares.max():.0%})"


def _orders(axes: Axes, paths: np.ndarray) -> str:
    """Arrows from the first path's operation to the second's, as wide as their share of the draws."""
    first, second = paths.argmax(axis=-1)  # (2, n, 3) -> (2, n)
    shares = {(i, j): float(np.mean((first == i) & (second == j))) for i in range(3) for j in range(3) if i != j}
    for (i, j), share in shares.items():
        way = UNIT[j] - UNIT[i]
        aside = 0.045 * np.array([-way[1], way[0]])
        begin, end = UNIT[i] + 0.1 * way + aside, UNIT[j] - 0.1 * way + aside
        look = {"arrowstyle": "-|>", "linewidth": 14 * share, "color": COLOURS[i], "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", end, begin, arrowprops=look)
        axes.text(*(UNIT[i] + 0.36 * way + 2.6 * aside), f"{share:.0%}", ha="center", va="center", fontsize=9)
    (i, j), most = max(shares.items(), key=lambda one: one[1])
    return f"two paths on two operations, most often {LETTERS[i]} then {LETTERS[j]} ({most:.0%})"


def _first_draws(axes: Axes, found: Mapping[str, np.ndarray]) -> None:
    _outline(axes)
    axes.set_title("one draw of each", loc="left")
    looks = [("o", 8, 0), ("D", 7, 0), ("s", 10, 0), ("o", 17, 2), ("^", 25, 2)]
    for (name, paths), (marker, size, ring), colour in zip(found.items(), looks, FIVE):
        x, y = places(paths[:, 0]).T  # (P, 3) -> (P, 2) -> (2, P)
        fill = {"markerfacecolor": "none", "markeredgewidth": ring} if ring else {}
        axes.plot(x, y, marker, color=colour, markersize=size, label=name, linestyle="none", clip_on=False, **fill)
    axes.legend(loc="upper right", bbox_to_anchor=(1.08, 1.1), fontsize=8, markerscale=0.4, labelspacing=0.7)


def written(weights: np.ndarray) -> str:
    """Weights as a point of the triangle, in two digits."""
    return f"({', '.join(f'{one:.2f}' for one in weights)})"
