"""The belief explorer: the alpha-vectors of a POMDP with two states, and what they say at one belief (chapter 04)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasbook.base.errors import NasbookError
from nasbook.decisions.envelopes import line_envelope
from nasbook.drawing.parts import axes, style, svg
from nasbook.drawing.parts.shell import Frame, Shell, choice, slider

WIDTH, LEFT, WIDE, TOP, TALL, PANEL = 900, 62, 500, 48, 250, 600
STRIP, ROWS, ROW = TOP + TALL + 24, TOP + TALL + 100, 24
LINES = (
    ("#0072B2", ""),
    ("#D55E00", "9 4"),
    ("#007A59", "2 3"),
    ("#A0457A", "12 3 2 3"),
    ("#8A5F00", "5 2"),
    ("#1A1A1A", "1 2"),
)
"""Colour and dashes of an action's lines, in the order of actions."""

_x = axes.scale(0, 1, LEFT, LEFT + WIDE)


class Envelope(NamedTuple):
    """One value function: ``vectors`` (K, 2), ``actions`` (K,); its envelope's ``lines`` (L,), ``ends`` (L + 1,)."""

    vectors: np.ndarray
    actions: np.ndarray
    lines: np.ndarray
    ends: np.ndarray


class Beliefs(NamedTuple):
    """What the frames share: named ``layers``, the model, names, and the ``low`` and ``high`` end of the values."""

    layers: Mapping[str, Envelope]
    transitions: np.ndarray
    observations: np.ndarray
    states: Sequence[str]
    actions: Sequence[str]
    observation_names: Sequence[str]
    low: float
    high: float

    @property
    def height(self) -> int:
        """Of each frame, in pixels."""
        return ROWS + ROW * len(self.observation_names) + 10

    @property
    def y(self) -> axes.Scale:
        """Where a value stands."""
        return axes.scale(self.low, self.high, TOP + TALL, TOP)


def prepare(
    values: Mapping[str, tuple[np.ndarray, np.ndarray]],
    transitions: np.ndarray,
    observations: np.ndarray,
    states: Sequence[str],
    actions: Sequence[str],
    observation_names: Sequence[str],
) -> Beliefs:
    """``values``: name to vectors (K, 2) and actions (K,); ``transitions`` (A, 2, 2), ``observations`` (A, 2, O).

    Raises NasbookError for another number of states, and without a value function.
    """
    if len(states) != 2 or not values:
        raise NasbookError(f"the explorer draws value functions of 2 states: it got {len(values)}, of {len(states)}")
    layers, heights = {}, []
    for name, (vectors, first) in values.items():
        layers[name] = Envelope(vectors, first, *line_envelope(vectors))
        ends = layers[name].ends
        heights.append((np.stack([ends, 1 - ends], axis=1) @ vectors.T).max(axis=1))  # (L + 1, 2) -> (L + 1,)
    seen = np.concatenate(heights)
    room = 0.08 * (float(np.ptp(seen)) or 1.0)
    low, high = float(seen.min()) - room, float(seen.max()) + room
    return Beliefs(layers, transitions, observations, states, actions, observation_names, low, high)


def render(story: Beliefs, value: str, belief: float) -> Frame:
    """The frame of value function ``value`` at ``belief``, the probability of the first state."""
    layer = story.layers[value]
    scores = layer.vectors @ (belief, 1 - belief)  # (K, 2) -> (K,)
    best = int(scores.argmax())
    action = int(layer.actions[best])
    joint = ((belief, 1 - belief) @ story.transitions[action])[:, None] * story.observations[action]  # (2, O)
    chances = joint.sum(axis=0)  # (2, O) -> (O,)
    after = np.divide(joint[0], chances, out=np.full(len(chances), np.nan), where=chances > 0)
    said = _sentence(story, layer, best, belief, scores[best], chances, after)
    x, below = _x(belief), STRIP + 20
    parts = [
        *_axes(story),
        *_vectors(story, layer, best),
        *_strip(story, layer),
        svg.line(x, TOP, x, TOP + TALL, style.INK, width=1.5, dash="4 3"),
        svg.polyline([(x, below), (x - 6, below + 10), (x + 6, below + 10)], "none", fill=style.INK),
        svg.circle(x, story.y(scores[best]), 6, "white", stroke=style.INK, width=2.5),
        *_panel(story, layer, best, belief, scores[best]),
        *_next(story, action, belief, chances, after),
    ]
    return Frame(svg.page(WIDTH, story.height, said, parts), said)


def explore(values, transitions, observations, states, actions, observation_names) -> Shell:
    """The widget over ``prepare``'s arguments: drag the belief, choose the value function."""
    story = prepare(values, transitions, observations, states, actions, observation_names)
    controls = {
        "belief": slider(f"belief in {states[0]}", 0.5, 0, 1),
        "value": choice("value function", list(values), list(values)[-1]),
    }
    return Shell(lambda belief, value: render(story, value, belief), controls, story.height)


def _sentence(story, layer, best, belief, worth, chances, after) -> str:
    moves = [
        f"{name} ({chance:.2f}) would move the belief to {to:.2f}"
        for name, chance, to in zip(story.observation_names, chances, after)
        if chance > 0
    ]
    return (
        f"At belief {belief:.2f} in {story.states[0]} vector {best + 1} of {len(layer.vectors)} is the largest, worth "
        f"{worth:.2f}: {story.actions[layer.actions[best]]}; {', '.join(moves)}."
    )


def _axes(story: Beliefs) -> list[str]:
    parts = [
        axes.frame(LEFT, TOP, WIDE, TALL),
        *axes.rows(story.y, axes.ticks(story.low, story.high), LEFT, LEFT + WIDE),
        *axes.columns(_x, (0, 0.25, 0.5, 0.75, 1), TOP + TALL),
        svg.text(16, TOP + TALL / 2, "value", 13, "middle", turn=-90),
    ]
    at = LEFT
    for action, name in enumerate(story.actions):
        colour, dash = _look(action)
        parts += axes.key(at, 31, name, colour, 34, 13, width=4, dash=dash)
        at += 62 + 8 * len(name)
    return parts


def _vectors(story: Beliefs, layer: Envelope, best: int) -> list[str]:
    """All vectors thin, the largest here wider, the envelope thick."""
    parts = []
    for index, (vector, action) in enumerate(zip(layer.vectors, layer.actions)):
        begin, end = _visible(story, *vector)
        if begin < end:
            colour, dash = _look(action)
            strength = {"width": 2.2} if index == best else {"width": 1, "opacity": 0.55}
            parts.append(_piece(story, vector, begin, end, stroke=colour, dash=dash, **strength))
    for line, begin, end in zip(layer.lines, layer.ends, layer.ends[1:]):
        colour, dash = _look(layer.actions[line])
        parts.append(_piece(story, layer.vectors[line], begin, end, stroke=colour, width=5, dash=dash))
    return parts


def _strip(story: Beliefs, layer: Envelope) -> list[str]:
    """Which action is the best at which belief; its name where there is room."""
    parts, edges = [], [0.0]
    first = layer.actions[layer.lines]
    for place, action in enumerate(first):
        if place + 1 < len(first) and first[place + 1] == action:
            continue
        edges.append(float(layer.ends[place + 1]))
        x, wide = _x(edges[-2]), _x(edges[-1]) - _x(edges[-2])
        name = story.actions[action]
        parts.append(svg.rect(x, STRIP, wide, 20, _look(action)[0], f"{name}: {edges[-2]:.4f} to {edges[-1]:.4f}"))
        if wide > 8 * len(name):
            parts.append(svg.text(x + wide / 2, STRIP + 14.5, name, 12, "middle", ink="white"))
        if edges[-1] < 1:
            parts.append(svg.line(x + wide, STRIP, x + wide, STRIP + 20, "white", width=2))
    words = f"belief: probability of {story.states[0]}; the best action at each"
    return [*parts, svg.text(LEFT + WIDE / 2, STRIP + 46, words, 13, "middle")]


def _panel(story: Beliefs, layer: Envelope, best: int, belief: float, worth: float) -> list[str]:
    parts = [svg.text(PANEL, TOP + 12, "the belief", 14)]
    for row, (name, share) in enumerate(zip(story.states, (belief, 1 - belief))):
        y = TOP + 24 + 28 * row
        parts += [
            svg.rect(PANEL + 110, y, 120, 18, "none", stroke=style.QUIET, width=1),
            svg.rect(PANEL + 110, y, 120 * share, 18, "#56B4E9"),
            svg.text(PANEL + 104, y + 14, name, 13, "end"),
            svg.text(PANEL + 238, y + 14, f"{share:.2f}", 13),
        ]
    first, second = layer.vectors[best]
    action = int(layer.actions[best])
    one, two = (f"{number:.2f}" if number >= 0 else f"({number:.2f})" for number in (first, second))
    words = [
        (f"vector {best + 1} of {len(layer.vectors)} is the largest", 14),
        (f"({first:.2f}, {second:.2f})", 13),
        (f"{belief:.2f} x {one} + {1 - belief:.2f} x {two} = {worth:.2f}", 13),
        (f"best action: {story.actions[action]}", 16),
    ]
    parts += [svg.text(PANEL, TOP + 116 + 26 * row, text, size) for row, (text, size) in enumerate(words)]
    colour, dash = _look(action)
    return [*parts, svg.line(PANEL, TOP + 206, PANEL + 200, TOP + 206, colour, width=4, dash=dash)]


def _next(story: Beliefs, action: int, belief: float, chances: np.ndarray, after: np.ndarray) -> list[str]:
    """One row an observation: an arrow from the belief to the next one."""
    parts = [svg.text(PANEL, ROWS - 14, f"after {story.actions[action]}", 14)]
    for row, (name, chance, to) in enumerate(zip(story.observation_names, chances, after)):
        y = ROWS + ROW * row + 6
        parts.append(svg.line(LEFT, y, LEFT + WIDE, y))
        words = f"{name}: chance {chance:.2f}"
        if chance > 0:
            words += f", belief {to:.2f}"
            parts += [
                svg.arrow(_x(belief), y, _x(to), y, width=1 + 3 * chance, head=11),
                svg.circle(_x(belief), y, 3.5, style.INK),
            ]
        parts.append(svg.text(PANEL, y + 4, words, 13))
    return parts


def _piece(story: Beliefs, vector: np.ndarray, begin: float, end: float, **look) -> str:
    y1, y2 = (story.y(vector @ (belief, 1 - belief)) for belief in (begin, end))
    return svg.line(_x(begin), y1, _x(end), y2, **look)


def _visible(story: Beliefs, first: float, second: float) -> tuple[float, float]:
    """Between which beliefs the line from ``second`` at 0 to ``first`` at 1 is within the picture."""
    slope = first - second
    if not slope:
        return (0.0, 1.0) if story.low <= second <= story.high else (1.0, 0.0)
    crossings = sorted(((story.low - second) / slope, (story.high - second) / slope))
    return max(0.0, crossings[0]), min(1.0, crossings[1])


def _look(action: int) -> tuple[str, str]:
    return LINES[int(action) % len(LINES)]
