"""The chain walker: a token on a graph, its visits beside the stationary distribution, and how p_t gets there."""

from collections.abc import Sequence
from functools import lru_cache
from math import atan2, cos, hypot, log10, pi, sin
from typing import NamedTuple

import ipywidgets
import numpy as np

from nasbook.decisions import chains
from nasbook.drawing.figures.layouts import chance
from nasbook.drawing.parts import axes, shell, style, svg

WIDTH, HEIGHT = 900, 400
MIDDLE = (205, 210)
NODE = 28
TOKEN, BAR, LIMIT = "#D55E00", "#56B4E9", style.INK
SHARE = (86, 180, 233)
"""A state in which the chain surely is: light enough for black letters."""
FLOOR = 1e-6
CHAINS = {
    "two states": None,
    "a ring of three": [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    "two ends that keep": [[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0, 0, 0, 1]],
    "two pairs, a weak bridge": [
        [0.4, 0.6, 0, 0],
        [0.6, 0.37, 0.03, 0],
        [0, 0.03, 0.37, 0.6],
        [0, 0, 0.6, 0.4],
    ],
}
"""The chains on offer; the sliders set the first."""


class ChainWalk(NamedTuple):
    """What the frames of one walk share; T + 1 points of time, S states.

    ``ahead`` (T + 1, S): the distributions p_t. ``path`` (T + 1,): where the token is. ``visits`` (T + 1, S):
    its share of time in each state so far. ``limit`` (S,): the long-run share from this start. ``distance``
    (T + 1,): half the sum of |p_t - limit|, the largest error in the probability of any event. ``rate``: by
    what a step multiplies the distance in the end, the largest eigenvalue below those of the closed classes.
    """

    transitions: np.ndarray
    states: tuple[str, ...]
    ahead: np.ndarray
    path: np.ndarray
    visits: np.ndarray
    limit: np.ndarray
    distance: np.ndarray
    rate: float
    closed: int
    period: int


def prepare(transitions: np.ndarray, start: int, uniforms: np.ndarray) -> ChainWalk:
    """The story of a chain (S, S) begun in state ``start``, whose moves ``uniforms`` (T,) in [0, 1) choose."""
    rows = np.asarray(transitions, dtype=np.float64)
    begin = np.eye(len(rows))[start]
    path = chains.walk(rows, begin, np.concatenate([[0], uniforms]))
    ahead = chains.distributions(rows, begin, len(uniforms))
    limit = chains.long_run(rows, begin)
    found = [one for one in chains.communicating_classes(rows) if one.closed]
    values = np.linalg.eigvals(rows)
    others = values[np.argsort(abs(values - 1))[len(found) :]]
    return ChainWalk(
        transitions=rows,
        states=tuple(f"S{state + 1}" for state in range(len(rows))),
        ahead=ahead,
        path=path,
        # (T + 1,) -> (T + 1, S)
        visits=np.cumsum(np.eye(len(rows))[path], axis=0) / np.arange(1, len(path) + 1)[:, None],
        limit=limit,
        distance=abs(ahead - limit).sum(axis=1) / 2,  # (T + 1, S) -> (T + 1,)
        rate=float(max(abs(others), default=0)),
        closed=len(found),
        period=max(one.period for one in found),
    )


def render(story: ChainWalk, step: int) -> shell.Frame:
    """Frame ``step``, 0 to T: the graph with the token, the bars, the distance."""
    said = sentence(story, step)
    parts = [*_graph(story, step), *_bars(story, step), *_curve(story, step)]
    return shell.Frame(svg.page(WIDTH, HEIGHT, said, parts), said)


def sentence(story: ChainWalk, step: int) -> str:
    """What frame ``step`` shows."""
    off = int(abs(story.visits[step] - story.limit).argmax())
    place, begun = story.states[story.path[step]], story.states[story.path[0]]
    parts = [
        f"Step {step} from {begun}: the token is in {place}",
        f"its share of visits to {story.states[off]} is {chance(story.visits[step, off])}, "
        f"in the long run {chance(story.limit[off])}",
        f"p_t is {_small(story.distance[step])} away from the long run" if story.distance[step] >= FLOOR else
        "p_t has reached the long run",
    ]  # fmt: skip
    if story.period > 1:
        parts.append(f"the period is {story.period}, so p_t never settles")
    elif story.closed > 1:
        parts.append(f"{story.closed} closed classes, so the long run depends on the start")
    parts.append(
        f"a step multiplies the distance by {_small(story.rate)} in the end" if story.rate >= FLOOR else
        f"the long run is {_reached(story)}"
    )  # fmt: skip
    return "; ".join(parts)


def _small(value: float) -> str:
    """Two digits that count, as the book writes them: .67, .0002."""
    return f"{value:.2g}".removeprefix("0") or "0"


def _reached(story: ChainWalk) -> str:
    """When p_t comes closer to the long run than the chart can show; for chains that do so within S steps."""
    after = int(np.argmax(story.distance < FLOOR))
    return f"reached after {after} step{'s' * (after != 1)}" if after else "reached from the start"


def _graph(story: ChainWalk, step: int) -> list[str]:
    places = _places(len(story.states))
    moved = (int(story.path[step - 1]), int(story.path[step])) if step else None
    ways = sorted(zip(*map(np.ndarray.tolist, np.nonzero(story.transitions))), key=lambda way: way == moved)
    parts = [svg.text(8, 20, f"t = {step}", 15), svg.text(70, 20, "blue: p_t; orange: token, its last move", 12)]
    drawn = [_edge(places, *way, story.transitions[way], way == moved) for way in ways]
    parts += [line for line, _ in drawn]
    for state, (x, y) in enumerate(places):
        parts.append(svg.circle(x, y, NODE, style.tint(SHARE, story.ahead[step, state]), stroke=style.INK, width=1.5))
        parts.append(svg.text(x, y - 3, story.states[state], 14, "middle"))
        if state == story.path[step]:
            parts.append(svg.circle(x, y + 13, 7, TOKEN, stroke=style.INK, width=1.5))
    return [*parts, *(label for _, label in drawn)]


def _edge(places: Sequence[tuple[float, float]], begin: int, end: int, share: float, last: bool) -> tuple[str, str]:
    """The arrow of one transition and its label."""
    (x1, y1), (x2, y2) = places[begin], places[end]
    if begin == end:
        out = atan2(y1 - MIDDLE[1], x1 - MIDDLE[0])
        a, b = out - 0.5, out + 0.5
        start, tip = _at(x1, y1, NODE, a), _at(x1, y1, NODE + 1, b)
        bends = [_at(x1, y1, NODE + 48, a), _at(x1, y1, NODE + 48, b)]
        label = _at(x1, y1, NODE + 46, out)
    else:
        way = atan2(y2 - y1, x2 - x1)
        bend = _at((x1 + x2) / 2, (y1 + y2) / 2, 46, way - pi / 2)
        start, tip = (_at(x, y, NODE + 1, atan2(bend[1] - y, bend[0] - x)) for x, y in (places[begin], places[end]))
        bends = [bend]
        label = _at((x1 + x2) / 2, (y1 + y2) / 2, 25, way - pi / 2)
    colour = TOKEN if last else "#6E6E6E"
    (tx, ty), (bx, by) = tip, bends[-1]
    ux, uy = (tx - bx) / hypot(tx - bx, ty - by), (ty - by) / hypot(tx - bx, ty - by)
    neck = (tx - 9 * ux, ty - 9 * uy)
    curve = ("C" if len(bends) == 2 else "Q") + " ".join(f"{x:.1f} {y:.1f}" for x, y in [*bends, neck])
    head = [tip, (neck[0] - 5 * uy, neck[1] + 5 * ux), (neck[0] + 5 * uy, neck[1] - 5 * ux)]
    line = svg.path(f"M{start[0]:.1f} {start[1]:.1f}{curve}", colour, width=(1 + 3 * share) * (1.5 if last else 1))
    plate = svg.rect(label[0] - 14, label[1] - 8, 28, 15, "white")
    words = svg.text(label[0], label[1] + 4, chance(share), 12, "middle")
    return line + svg.polyline(head, colour, fill=colour), plate + words


def _bars(story: ChainWalk, step: int) -> list[str]:
    left, right, top, bottom = 470, 888, 62, 180
    parts = [
        svg.text(left - 30, 20, "share of visits so far"),
        svg.rect(left + 105, 10, 14, 11, BAR, stroke=style.INK),
        svg.text(left + 140, 20, "p_t"),
        svg.circle(left + 170, 16, 4, "white", stroke=style.INK, width=1.5),
        svg.text(left + 195, 20, "long run (\N{GREEK SMALL LETTER PI} where it is one)"),
        svg.line(left + 370, 16, left + 395, 16, LIMIT, width=3.5),
    ]
    y = axes.scale(0, 1, bottom, top)
    parts += axes.rows(y, (0, 0.5, 1), left, right, chance, 11)
    wide = (right - left) / len(story.states)
    for state, name in enumerate(story.states):
        centre = left + (state + 0.5) * wide
        visit, now, limit = (y(part[state]) for part in (story.visits[step], story.ahead[step], story.limit))
        said = f"{name}: visits {chance(story.visits[step, state])}, long run {chance(story.limit[state])}"
        parts += [
            svg.rect(centre - 20, visit, 40, bottom - visit, BAR, said, stroke=style.INK),
            svg.line(centre - 30, limit, centre + 30, limit, LIMIT, width=3.5),
            svg.circle(centre, now, 4, "white", stroke=style.INK, width=1.5),
            svg.text(centre, bottom + 16, f"{name}: {chance(story.visits[step, state])}", 12, "middle"),
        ]
    return parts


def _curve(story: ChainWalk, step: int) -> list[str]:
    left, right, top, bottom = 470, 888, 246, 364
    last = len(story.path) - 1
    # a distance below FLOOR lies on the lower edge
    x, y = axes.scale(0, last, left, right), axes.scale(FLOOR, 1, bottom, top, np.log10, clip=True)
    now, falls, said = story.distance[step], story.rate >= FLOOR, f"below {FLOOR:g}"
    parts = [
        svg.text(left - 30, 230, f"distance of p_t from the long run: {_small(now) if now >= FLOOR else said}"),
        svg.text(right, 230, f"dashed: \u00d7 {_small(story.rate)} a step" if falls else _reached(story), anchor="end"),
        svg.text((left + right) / 2, HEIGHT - 6, "step t", 12, "middle"),
    ]
    parts += axes.rows(y, (1, 0.01, 0.0001, FLOOR), left, right, _small, 11)
    parts += axes.columns(x, (0, last // 2, last), bottom, size=11)
    points = [*zip(x(np.arange(last + 1)), y(story.distance))]
    parts += [
        svg.polyline(points, "#0072B2", width=2),
        svg.polyline(points[: step + 1], "#0072B2", width=5),
        svg.line(x(step), top - 4, x(step), bottom, style.QUIET, width=1.5),
    ]
    begun = story.distance[0]
    if falls and begun >= FLOOR:
        reach = min(last, log10(FLOOR / begun) / min(log10(story.rate), -1e-12))
        (x1, y1), (x2, y2) = (x(0), y(begun)), (x(reach), y(begun * story.rate**reach))
        # beside the curve, which would hide it wherever one rate rules from the start
        aside = 7 * (y2 - y1) / hypot(x2 - x1, y2 - y1), 7 * (x1 - x2) / hypot(x2 - x1, y2 - y1)
        ends = [(along + aside[0], up + aside[1]) for along, up in ((x1, y1), (x2, y2))]
        parts.append(svg.polyline(ends, LIMIT, dash="6 4", width=1.5))
    return [*parts, svg.circle(x(step), y(now), 4.5, "#0072B2", stroke=style.INK, width=1)]


def _places(count: int) -> list[tuple[float, float]]:
    """Centres of the nodes: two side by side, more on a circle that begins at the upper left."""
    if count == 2:
        return [_at(*MIDDLE, 95, angle) for angle in (pi, 0)]
    return [_at(*MIDDLE, 102, 2 * pi * (state - 0.5) / count - pi / 2) for state in range(count)]


def _at(x: float, y: float, radius: float, angle: float) -> tuple[float, float]:
    return x + radius * cos(angle), y + radius * sin(angle)


def explore(rng: np.random.Generator, steps: int = 60, walks: int = 5) -> shell.Shell:
    """The widget: choose a chain, its probabilities, the start and a walk; then step or play.

    ``rng`` draws the numbers that move the token once, so that a changed probability keeps the same luck.
    """
    uniforms = rng.random((walks, steps))

    @lru_cache(maxsize=64)
    def story(chain: str, leave_1: float, leave_2: float, stay: float, start: int, walk: int) -> ChainWalk:
        rows = np.array(CHAINS[chain] or [[1 - leave_1, leave_1], [leave_2, 1 - leave_2]])
        return prepare(stay * np.eye(len(rows)) + (1 - stay) * rows, start, uniforms[walk - 1])

    def frame(step: int, **values) -> shell.Frame:
        return render(story(**values), step)

    controls = {
        "step": shell.steps("step", min(5, steps), 0, steps),
        "walk": shell.steps("walk", 1, 1, walks),
        "chain": shell.choice("chain", list(CHAINS)),
        "start": shell.choice("start", _starts(2)),
        "stay": shell.slider("stay anyway", 0, 0, 0.9),
        "leave_1": shell.slider("S1 to S2", 0.5, 0, 1),
        "leave_2": shell.slider("S2 to S1", 0.3, 0, 1),
    }

    def adapt(change) -> None:
        rows = CHAINS[controls["chain"].value]
        controls["leave_1"].disabled = controls["leave_2"].disabled = rows is not None
        controls["start"].options = _starts(len(rows or "12"))
        controls["start"].value = 0 if rows is None else 1

    # before the shell observes the chain, so that no frame sees a start that the chain does not have
    controls["chain"].observe(adapt, names=["value"])
    play = ipywidgets.Play(min=0, max=steps, value=controls["step"].value, interval=250, description="walk")
    ipywidgets.jslink((play, "value"), (controls["step"], "value"))
    for control in (play, *controls.values()):
        control.layout.width = "294px"  # three in a row above the frame
    return shell.Shell(frame, controls, HEIGHT, extra=(play,))


def _starts(count: int) -> list[tuple[str, int]]:
    return [(f"S{state + 1}", state) for state in range(count)]
