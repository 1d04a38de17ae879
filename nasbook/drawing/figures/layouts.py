"""Where the parts of a Markov model lie: its states on a ring, or one step unrolled from left to right.

A actions, S states, O observations. What cannot happen has no line.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasbook.drawing.figures import board
from nasbook.drawing.figures.board import PLATE, Board, End
from nasbook.drawing.parts import style

INKS = ("#0072B2", "#A84A00", "#007A59", "#A0457A", "#332288", "#6B6200")
"""One for each action in turn; the name in its square tells actions apart as well."""
SHOWN, BOX = {"color": "#666666", "style": "dashed"}, {"style": "filled,dashed"}
"""The looks of the lines to an observation and of its box."""

Way = tuple[End, Sequence[str], Mapping[str, str]]
"""Where a line ends, what is written on it, and its look."""


class Actions(NamedTuple):
    """Action ``names`` (A,) and ``below``: what stands under the name of a in state s, [a][s], or nothing."""

    names: Sequence[str]
    below: Sequence[Sequence[str]] = ()


class Seen(NamedTuple):
    """Observation ``names`` (O,) and the ``lines`` written on the way from state s to observation o, [s][o]."""

    names: Sequence[str]
    lines: Sequence[Sequence[Sequence[str]]]


def chance(value: float) -> str:
    """A probability in three digits, as the book writes it: .75."""
    if 0 < value < 0.0005 or 0.9995 <= value < 1:
        return "<.001" if value < 0.5 else ">.999"
    return f"{value:.3f}".rstrip("0").rstrip(".").removeprefix("0") or "0"


def ring(steps: np.ndarray, states: Sequence[str], below: Sequence[str], seen: Seen | None = None) -> Board:
    """States on a circle, transitions (S, S) as curves; what is seen, for two states only, in a row below."""
    page, count = Board(), len(states)
    radius = board.radius(states, below)
    reach = (2 * radius + 80) / (2 * np.sin(np.pi / max(count, 2)))
    angles = np.pi / 2 - 2 * np.pi * np.arange(count) / count if count > 2 else np.array([np.pi, 0.0])[:count]
    outwards = angles if count > 2 else np.full(count, np.pi / 2)
    places = reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)  # (S,) -> (S, 2)
    now = [page.circle(place, radius, *said) for place, *said in zip(places, states, below)]
    ways = [(int(i), int(j)) for i, j in np.argwhere(steps > 0)]
    curves = [
        board.loop(places[i], radius, outwards[i])
        if i == j
        else board.arc(places[i], places[j], radius, _bow(i, j, count, np.hypot(*(places[j] - places[i]))))
        for i, j in ways
    ]
    for (i, j), points, spot in zip(ways, curves, board.plate_places(curves, places, radius)):
        page.curve(now[i], now[j], points, penwidth=_thick(steps[i, j]))
        page.plate(spot, [chance(steps[i, j])])
    if seen:
        _row(page, now, seen)
    return page


def unrolled(
    steps: np.ndarray,
    states: Sequence[str],
    below: Sequence[str],
    actions: Actions | None = None,
    seen: Seen | None = None,
) -> Board:
    """One step from left to right: state, action, next state, observation; ``steps`` (A, S, S).

    Without actions (A = 1) the present state shows the observation, which stands to its left.
    """
    page = Board()
    radius, small = board.radius(states, below), board.radius(states)
    texts = [*actions.names, *(text for row in actions.below for text in row)] if actions else []
    wide = max((board.width(text, 12) for text in texts), default=0.0)
    tall = 13.0 * (2 if actions.below else 1) + 8 if actions else 0.0
    rooms = np.maximum((steps > 0).sum(axis=2) * PLATE, tall) + 8  # (A, S, S) -> (A, S)
    shown = np.array([sum(map(len, row)) * PLATE for row in seen.lines]) if seen else 0
    blocks = np.maximum(np.maximum(rooms.sum(axis=0), shown), 2 * radius) + 16  # (A, S) -> (S,)
    middles = blocks / 2 - np.cumsum(blocks)
    squares = radius + 40 + wide / 2 if actions else radius
    plates = squares + wide / 2 + 40
    after = plates + 22 + min(40 + 0.17 * blocks.sum(), 220) + small
    now = [page.circle((0, y), radius, *said) for y, *said in zip(middles, states, below)]
    then = [page.circle((after, y), small, name) for y, name in zip(middles, states)]
    heads = [(0, "state"), *([(squares, "action")] if actions else []), (after, "next state")]
    for s, state in enumerate(now):
        for a, y in enumerate(middles[s] + rooms[:, s].sum() / 2 - np.cumsum(rooms[:, s]) + rooms[:, s] / 2):
            start, ink = state, INKS[a % len(INKS)] if actions else style.INK
            if actions:
                lines = [actions.names[a], *([actions.below[a][s]] if actions.below else [])]
                square, half = page.box((squares, y), (wide, tall), lines, ink), np.array([wide / 2, 0])
                way = board.between(state.place, square.place - half, state.radius)
                page.curve(state, square, way, False, color=ink)
                start = square._replace(place=square.place + half)
            ways = [
                (then[j], [chance(steps[a, s, j])], {"penwidth": _thick(steps[a, s, j]), "color": ink})
                for j in np.flatnonzero(steps[a, s])
            ]
            _fan(page, start, np.array([plates, y]), ways, ink)
    if seen:
        side = 1 if actions else -1
        heads.append((_column(page, then if actions else now, seen, blocks.sum(), side), "observation"))
    for x, text in heads:
        page.heading((x, 12), text)
    return page


def _bow(start: int, end: int, count: int, length: float) -> float:
    """How far the curve between two of ``count`` places on a ring bows to its left, in shares of its length.

    The two directions take two ways; beyond neighbours both stay inside, where no circle stands.
    """
    ahead = (end - start) % count
    if ahead in (1, count - 1) or 2 * ahead == count:
        return 0.16 + 9 / length
    return -0.04 if 2 * ahead < count else 0.24


def _fan(page: Board, start: End, middle: np.ndarray, ways: Sequence[Way], ink: str = style.INK) -> None:
    """Lines from ``start`` to several ends through plates that stand one above another around ``middle``."""
    top = middle[1] + sum(len(lines) for _, lines, _ in ways) * PLATE / 2
    side = np.sign(middle[0] - start.place[0])
    for end, lines, look in ways:
        place = np.array([middle[0], top - len(lines) * PLATE / 2])
        top -= len(lines) * PLATE
        half = side * np.array([max(board.width(line, 12) for line in lines) / 2, 0])
        plate = page.plate(place, lines, ink)
        page.curve(start, plate, board.between(start.place, place - half, start.radius), False, **look)
        page.curve(plate, end, board.between(place + half, end.place, 0, end.radius), **look)


def _column(page: Board, sources: Sequence[End], seen: Seen, tall: float, side: int) -> float:
    """Observations to the right (``side`` 1) or left (-1) of their states; where the column stands."""
    wide = max(board.width(line, 12) for row in seen.lines for lines in row for line in lines)
    at = sources[0].place[0] + side * (sources[0].radius + 30 + wide / 2)
    count, size = len(seen.names), _box_size(seen)
    far = at + side * (wide / 2 + min(36 + 0.14 * tall, 160) + size[0] / 2)
    heights = max(tall / (count + 1), size[1] + 12) * ((count - 1) / 2 - np.arange(count)) - tall / 2
    boxes = [page.box((far, y), size, [name], style.INK, **BOX) for y, name in zip(heights, seen.names)]
    boxes = [box._replace(place=box.place - (side * size[0] / 2, 0)) for box in boxes]
    for source, row in zip(sources, seen.lines):
        ways = [(box, lines, SHOWN) for box, lines in zip(boxes, row) if lines]
        _fan(page, source, np.array([at, source.place[1]]), ways)
    return far


def _row(page: Board, sources: Sequence[End], seen: Seen) -> None:
    """Observations in a row below two states."""
    size = _box_size(seen)
    reach = max(sources[-1].place[0] - sources[0].place[0], (len(seen.names) - 1) * (size[0] + 20))
    middle = (sources[0].place[0] + sources[-1].place[0]) / 2
    y = -sources[0].radius - 80
    xs = np.linspace(middle - reach / 2, middle + reach / 2, len(seen.names))
    boxes = [page.box((x, y), size, [name], style.INK, **BOX) for x, name in zip(xs, seen.names)]
    pairs = [(i, o) for i, row in enumerate(seen.lines) for o, lines in enumerate(row) if lines]
    tips = [box.place + np.array([0, size[1] / 2]) for box in boxes]
    lines = [board.between(sources[i].place, tips[o], sources[i].radius) for i, o in pairs]
    for (i, o), points, spot in zip(pairs, lines, board.plate_places(lines, np.array(tips))):
        page.curve(sources[i], boxes[o], points, **SHOWN)
        page.plate(spot, seen.lines[i][o])


def _box_size(seen: Seen) -> tuple[float, float]:
    return max(36.0, *(board.width(name, 12) + 6 for name in seen.names)), 24.0


def _thick(value: float) -> str:
    return f"{0.8 + 1.8 * value:.2f}"
