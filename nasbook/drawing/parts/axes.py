"""Axes of a panel in SVG: scales from values to pixels, round ticks, named grid lines, and keys of legends."""

from collections.abc import Callable, Iterable

import numpy as np

from nasbook.drawing.parts import style, svg

Scale = Callable[[float], float]
"""Where a value stands, in pixels; of an array, where each of its values does."""
Words = Callable[[float], str]
PLAIN = "{:g}".format


def scale(low: float, high: float, begin: float, end: float, bend: Callable | None = None, clip: bool = False) -> Scale:
    """``low`` stands at pixel ``begin`` and ``high`` at ``end``, what is between them evenly.

    ``bend``: what the axis is even in instead, such as ``np.log10``; with ``clip`` what lies beyond stands at the end.
    """
    even = bend or (lambda value: value)
    first, last = even(low), even(high)

    def at(value: float) -> float:
        within = np.clip(value, low, high) if clip else value
        return begin + (end - begin) * (even(within) - first) / (last - first)

    return at


def ticks(low: float, high: float) -> np.ndarray:
    """Three to seven round numbers between the ends."""
    step = 10.0 ** np.floor(np.log10((high - low) / 3))
    step *= next(times for times in (5, 2, 1) if (high - low) / (step * times) >= 3)
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step + 0.0  # no negative zero


def rows(
    y: Scale, values: Iterable[float], left: float, right: float | None = None, words: Words = PLAIN, size: float = 12
) -> list[str]:
    """What each value is called, before ``left`` at its height; with ``right``, also its grid line up to there."""
    parts = []
    for value in values:
        at = float(y(value))
        parts += [svg.line(left, at, right, at)] if right is not None else []
        parts.append(svg.text(left - 8, at + 4, words(value), size, "end"))
    return parts


def columns(
    x: Scale, values: Iterable[float], bottom: float, top: float | None = None, words: Words = PLAIN, size: float = 12
) -> list[str]:
    """What each value is called, below ``bottom`` at its place; with ``top``, also its grid line up to there."""
    parts = []
    for value in values:
        at = float(x(value))
        parts += [svg.line(at, top, at, bottom)] if top is not None else []
        parts.append(svg.text(at, bottom + 17, words(value), size, "middle"))
    return parts


def frame(left: float, top: float, wide: float, tall: float, fill: str = "none") -> str:
    """The thin box around a panel."""
    return svg.rect(left, top, wide, tall, fill, stroke=style.QUIET, width=1)


def key(x: float, y: float, words: str, colour: str, wide: float = 30, size: float = 12, **look) -> list[str]:
    """One entry of a legend: a piece of the line, ``wide`` pixels from ``x`` on, and ``words`` beside it."""
    return [svg.line(x, y - 4, x + wide, y - 4, colour, **look), svg.text(x + wide + 6, y, words, size)]
