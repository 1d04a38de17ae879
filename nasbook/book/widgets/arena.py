"""The tabular arena: searches with equal budgets on a table of truth, seed by seed, against random search.

A method that ran elsewhere joins by ``contest.joined(name, evaluations)``.
"""

from collections.abc import Collection

import ipywidgets
import numpy as np

from nasbook.analysis.intervals import Summary, half_widths
from nasbook.arena.contests import ENTRANTS, LEVEL, NOISES, RANDOM, Contest, Standing, prepare, standings
from nasbook.drawing.figures.comparison import stacked
from nasbook.drawing.figures.regret import LOOKS
from nasbook.drawing.figures.searches import NARROW, TICKS, narrowed
from nasbook.drawing.parts import axes, style, svg
from nasbook.drawing.parts.shell import Frame, Shell, choice, steps

__all__ = ["explore", "prepare", "render"]

WIDTH = 900
DASHES = ("", "8 4", "9 3 2 3", "2 3", "12 3 2 3 2 3", "4 4")
"""How lines are dashed in the order of ``LOOKS``, ``SHAPES`` the forms of dots: each method's, whoever is ticked."""
SHAPES = (
    ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    ((0, -1.3), (1.2, 1), (-1.2, 1)),
    ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
    ((0, 1.3), (1.2, -1), (-1.2, -1)),
    ((-0.5, -1.3), (0.5, -1.3), (0.5, 1.3), (-0.5, 1.3)),
    ((-1.2, -1.2), (1.2, -1.2), (-1.2, 1.2), (1.2, 1.2)),
)
LEFT, RIGHT, TOP, BOTTOM = 64.0, 540.0, 74.0, 300.0
STRIP = (572.0, 884.0)
"""Left and right end of the strip of final regrets."""
TABLE, ROW = 360, 25


def render(contest: Contest, budget: int, noise: str, seeds: int, methods: Collection[str]) -> Frame:
    """The frame after ``budget`` evaluations that show ``noise``, with the first ``seeds`` seeds of each method."""
    table = standings(contest, noise, methods, budget=budget, seeds=seeds)
    sentence = _sentence(table, budget, noise, seeds)
    counted = "one seed" if seeds == 1 else f"{seeds} seeds"
    key = "line: mean regret of the best so far by score; band: its 95% interval; right: all seeds, where they end"
    if seeds == 1:
        key = "line: regret of the best so far by score; dot: where it ends; one seed has no interval"
    parts = [
        svg.text(20, 26, f"regret after {budget} evaluations, each of which shows {noise}; {counted}", 15),
        svg.text(20, 50, key),
        *_axes(contest, budget),
        *(part for standing in table for part in _curve(contest, standing, budget, noise, seeds)),
        *_strip(contest, table),
        *_table(contest, table, seeds),
    ]
    return Frame(svg.page(WIDTH, height(contest), sentence, parts), sentence)


def explore(contest: Contest, budget: int | None = None, methods: Collection[str] = tuple(ENTRANTS)) -> Shell:
    """The widget: budget, noise, seeds, and a box to tick for each method, ``methods`` ticked at first."""
    least = min(5, contest.budget)
    controls = {
        "budget": steps("evaluations", contest.budget if budget is None else budget, least, contest.budget),
        "noise": choice("an evaluation shows", list(NOISES)),
        "seeds": steps("seeds", len(contest.seeds), 1, len(contest.seeds)),
    }
    for method in contest.methods:
        look = {"indent": False, "layout": {"width": f"{9 * len(method) + 50}px"}}
        controls[method] = ipywidgets.Checkbox(value=method in methods, description=method, **look)

    def frame(budget: int, noise: str, seeds: int, **ticked: bool) -> Frame:
        return render(contest, budget, noise, seeds, [method for method, on in ticked.items() if on])

    return Shell(frame, controls, height(contest))


def height(contest: Contest) -> int:
    """Of every frame, in pixels."""
    return TABLE + ROW * len(contest.methods) + 48


def _sentence(table: list[Standing], budget: int, noise: str, seeds: int) -> str:
    if not table:
        return "No method is ticked: there is nothing to compare."
    if seeds == 1:
        said = ", ".join(f"{one.method} {one.finals[0]:.2%}" for one in table)
        return f"{budget} evaluations, {noise}, one seed: regret {said}. One seed gives no interval and no test."
    said = ", ".join(f"{one.method} {one.regret.mean:.2%}" for one in table)
    begun = f"{budget} evaluations, {noise}, {seeds} seeds: mean regret {said}."
    compared = [one for one in table if one.test is not None]
    if not compared:
        missing = "" if RANDOM in [one.method for one in table] else f": {RANDOM} is not ticked"
        return f"{begun} Nothing is compared{missing}."
    groups = {
        word: [f"{one.method} (p {one.p_text})" for one in compared if one.verdict == word]
        for word in ("better", "worse", "not shown")
    }
    named = {"better": "better", "worse": "worse", "not shown": "no difference shown for"}
    ends = "; ".join(f"{named[word]} {', '.join(who)}" for word, who in groups.items() if who)
    return f"{begun} Against {RANDOM} at {LEVEL:.0%} over all comparisons: {ends}."


def _scales(contest: Contest) -> tuple[axes.Scale, axes.Scale]:
    """The highest regret of the whole contest is at the top, so that frames can be compared."""
    x = axes.scale(1, max(contest.budget, 2), LEFT, RIGHT)
    return x, axes.scale(0, max(contest.highest, NARROW), BOTTOM, TOP, narrowed)


def _axes(contest: Contest, budget: int) -> list[str]:
    x, y = _scales(contest)
    shown = [tick for tick in TICKS if y(tick) >= TOP - 1]
    marks = sorted({1, *range(20, contest.budget + 1, 20), contest.budget})
    here = x(budget)
    return [
        *axes.rows(y, shown, LEFT, RIGHT, lambda tick: f"{100 * tick:g}%"),
        *(svg.line(STRIP[0], y(tick), STRIP[1], y(tick)) for tick in shown),
        *axes.columns(x, marks, BOTTOM),
        svg.line(here, TOP - 8, here, BOTTOM, style.QUIET, dash="2 3"),
        svg.text((LEFT + RIGHT) / 2, BOTTOM + 36, "evaluations", 12, "middle"),
    ]


def _curve(contest: Contest, standing: Standing, budget: int, noise: str, seeds: int) -> list[str]:
    """Mean and band up to the budget, and the method's mark where they end."""
    place = contest.methods.index(standing.method)
    values = contest.regrets[noise, standing.method][:seeds, :budget]
    mean = values.mean(axis=0)  # (seeds, budget) -> (budget,)
    along, scale = _scales(contest)
    x, y, parts = along(np.arange(1, budget + 1)), scale(mean), []
    if seeds > 1:
        half = half_widths(values)
        above, below = scale(mean + half).clip(TOP), scale(np.maximum(mean - half, 0))
        parts.append(svg.band(x, above, below, LOOKS[place][0], 0.15))
    parts.append(svg.polyline(zip(x, y), LOOKS[place][0], width=2, dash=DASHES[place]))
    return [*parts, _mark(place, x[-1], y[-1], 5)]


def _strip(contest: Contest, table: list[Standing]) -> list[str]:
    left, right = STRIP
    parts = [svg.text((left + right) / 2, BOTTOM + 36, "last regret of every seed, and its mean", 12, "middle")]
    wide, (_, y) = (right - left) / len(contest.methods), _scales(contest)
    for standing in table:
        place = contest.methods.index(standing.method)
        middle, heights = left + (place + 0.5) * wide, y(standing.finals)
        if standing.regret:
            mean = y(standing.regret.mean)
            parts.append(svg.line(middle - 0.42 * wide, mean, middle + 0.42 * wide, mean, style.INK, width=2))
        for at, aside in zip(heights, stacked(heights, 7)):
            parts.append(_mark(place, middle + aside * wide, at, 3.2))
    return parts


def _table(contest: Contest, table: list[Standing], seeds: int) -> list[str]:
    """A row for each method that is ticked: regret, difference to random search, test, verdict, seeds it would take."""
    heads = (
        (62, "method", "start"),
        (186, "regret in % (interval)", "start"),
        (334, f"minus that of {RANDOM}, seed by seed", "start"),
        (676, "less / same / more", "middle"),
        (752, "p", "middle"),
        (812, "verdict", "middle"),
        (884, "seeds", "end"),
    )
    parts = [svg.text(x, TABLE, words, 12, anchor, "#555555") for x, words, anchor in heads]
    parts.append(svg.line(20, TABLE + 7, 884, TABLE + 7, style.QUIET))
    ends = [abs(end) for one in table if one.gap for end in (one.gap.low, one.gap.high)]
    scale = max(ends, default=0.0) or 1.0
    for row, standing in enumerate(table):
        parts += _row(contest, standing, TABLE + 26 + ROW * row, scale)
    compared = sum(one.test is not None for one in table)
    y = TABLE + ROW * len(contest.methods) + 34
    if not table:
        note = "no method is ticked"
    elif seeds == 1:
        note = "one seed: no interval, no test, no verdict"
    elif not compared:
        note = f"nothing is compared: tick {RANDOM} and another method"
    else:
        note = (
            f"p: permutation test, Holm-corrected ({compared} here; with {seeds} seeds never below "
            f"{min(1, compared * 2 / 2**seeds):.2g}); last: seeds that would show such a difference, corrected"
        )
    return [*parts, svg.text(20, y, note, 12, ink="#555555")]


def _row(contest: Contest, standing: Standing, y: float, scale: float) -> list[str]:
    place = contest.methods.index(standing.method)
    colour, ink, _ = LOOKS[place]
    regret = _interval(standing.regret, "") if standing.regret else f"{100 * standing.finals[0]:.2f} (none)"
    parts = [
        svg.line(20, y - 4, 54, y - 4, colour, width=2, dash=DASHES[place]),
        _mark(place, 37, y - 4, 5),
        svg.text(62, y, standing.method, 12, ink=ink),
        svg.text(186, y, regret),
    ]
    if standing.test is None:
        return parts
    gap, test = standing.gap, standing.test
    middle, half = 558, 58  # of the column in which the differences are drawn
    needed = "-" if standing.needed is None else "> 999" if standing.needed > 999 else str(standing.needed)
    return [
        *parts,
        svg.text(334, y, _interval(gap, "+")),
        svg.line(middle, y - 16, middle, y + 8, style.QUIET),
        svg.line(middle + gap.low / scale * half, y - 4, middle + gap.high / scale * half, y - 4, colour, width=3),
        _mark(place, middle + gap.mean / scale * half, y - 4, 4),
        svg.text(676, y, f"{test.lower} / {test.n - test.lower - test.higher} / {test.higher}", 12, "middle"),
        svg.text(752, y, standing.p_text, 12, "middle"),
        svg.text(812, y, standing.verdict, 12, "middle"),
        svg.text(884, y, needed, 12, "end"),
    ]


def _interval(found: Summary, sign: str) -> str:
    """Mean and interval in percent."""
    mean, low, high = (f"{100 * value:{sign}.2f}" for value in (found.mean, found.low, found.high))
    return f"{mean} ({low} to {high})"


def _mark(place: int, x: float, y: float, size: float) -> str:
    points = [(x + size * dx, y + size * dy) for dx, dy in SHAPES[place]]
    return svg.polyline([*points, points[0]], "white", fill=LOOKS[place][0], width=0.7)
