"""The panels of the scrubber: a heat map whose rows run on into the derived cell, areas, and curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasbook.drawing.figures import cells
from nasbook.drawing.parts import axes, style, svg
from nasbook.drawing.scrubber.story import Story, label, pretty

LINE, CLOSE = 16, 14
"""Height of an edge's row, and of each line of a row that holds several."""

GLYPH = 6.9
"""Width of a letter of 11 pixels."""

HEAD = 70
"""Height of the names over heat map and cell, which are turned by ``TURN`` degrees."""

TURN = -62

ABOVE, BELOW = (179, 88, 6), (84, 39, 136)
"""Orange for more than uniform, violet for less, as in the heat maps over time."""


class Column:
    """Where the panels of one run stand, in pixels: it is ``width`` wide from ``left`` on.

    The heat map begins at ``heat``, its cells are ``cell`` wide; ``lanes`` are the places of the derived cell's
    states, ``words`` that of its operations' names, ``slots`` of them on a line, each ``slot`` wide. An edge's row has
    one of ``heights``, heat map and cell together that of ``band``.
    """

    def __init__(self, story: Story, left: float, width: float):
        roomy = width > 600  # for one run; tight where two share the page
        names, heat, span = (76, 250, 240) if roomy else (58, 116, 92)
        first = left + names + heat + (36 if roomy else 20)
        self.left, self.width, self.heat = left, width, left + names
        self.cell = heat / len(story.operations)
        self.lanes = np.linspace(first, first + span, story.states).tolist()
        self.words, self.slot = first + span + (24 if roomy else 10), GLYPH * story.letters + 18
        self.slots = max(1, int((left + width - self.words) / self.slot))
        lines = (-(-count // self.slots) for count in story.busiest.tolist())
        self.heights = [LINE if each == 1 else CLOSE * each + 4 for each in lines]
        self.band = HEAD + sum(self.heights) + LINE + 8


def heat(
    story: Story, column: Column, epoch: int, kind: str, edge: str, top: float, reach: float, told: bool
) -> list[str]:
    """Rows are edges, columns operations; a dot on what the derived cell keeps, a ring about what is new.

    ``reach``: the distance from uniform that has the fullest colour; ``told``: numbers show under the pointer.
    """
    index, first = story.at(epoch), top + HEAD
    chance = story.chance[index, story.kinds.index(kind)].tolist()
    new, gone = story.changes(epoch, kind)
    parts, signs = ['<g stroke="#E2E2E2" stroke-width="0.5">'], []
    for place, operation in enumerate(story.operations):
        x, ink = column.heat + (place + 0.6) * column.cell, style.look(operation).ink
        signs.append(svg.text(x, first - 6, label(operation), 11, ink=ink, turn=TURN))
    y = first
    for row, (name, tall) in enumerate(zip(story.edges, column.heights)):
        signs.append(svg.text(column.heat - 6, y + tall / 2 + 4, pretty(name), 11, "end"))
        for place, operation in enumerate(story.operations):
            x, value, pair = column.heat + place * column.cell, chance[row][place], (row, operation)
            share, said = (value - 1 / len(story.operations)) / reach, f"{operation} on {name}: {value:.3f}"
            colour = style.tint(ABOVE if share > 0 else BELOW, abs(share))
            parts.append(svg.rect(x, y, column.cell, tall, colour, said if told else ""))
            middle = x + column.cell / 2, y + tall / 2
            if pair in story.kept[index, kind]:
                signs.append(svg.circle(*middle, 2.6, stroke="white", width=0.8))
            if pair in new:
                signs.append(svg.circle(*middle, 5.6, "none", stroke=style.INK, width=1.4))
            if pair in gone:
                signs.append(svg.text(middle[0], middle[1] + 4, "\u00d7", 12, "middle"))
        if name == edge:
            wide = column.heat - column.left + column.cell * len(story.operations)
            signs.append(svg.rect(column.left, y, wide, tall, "none", stroke=style.INK, width=1.8))
        y += tall
    return [*parts, "</g>", *signs]


def cell(story: Story, column: Column, epoch: int, kind: str, top: float) -> list[str]:
    """The derived cell beside its heat map: states are upright lines, each kept edge an arrow in its own row.

    Places never change over a search, so that what moves is the cell. Of several operations on an edge each has
    an arrow and a name. What is new is named on a framed plate with a plus; what is gone, struck through.
    """
    index, heights = story.at(epoch), column.heights
    new, gone = story.changes(epoch, kind)
    first, last = top + HEAD, top + HEAD + sum(heights)
    left, right = column.lanes[0], column.left + column.width
    parts = [svg.text(left + 4, top + 15, "derived cell", 12)]
    for row in range(1, len(heights), 2):
        parts.append(svg.rect(left, first + sum(heights[:row]), right - left, heights[row], "#F5F5F5"))
    for state, x in enumerate(column.lanes):
        parts.append(svg.line(x, first, x, last + LINE, "#D5D5D5", width=1.2))
        name, turn = (cells.INPUTS[state], TURN) if state < 2 else (str(state - 2), 0)
        parts.append(svg.text(x, first - 8, name, 12, "start" if turn else "middle", turn=turn))
    y = first
    for row, ((node, source), tall) in enumerate(zip(story.ends, heights)):
        if source == 0 and node:
            parts.append(svg.line(left, y, right, y, "#B5B5B5", width=1))
        here = [(name, 1 if (row, name) in new else 0) for name in story.named(row, story.kept[index, kind])]
        here += [(name, -1) for name in story.named(row, gone)]
        ends = column.lanes[source], column.lanes[node + 2]
        for place, (name, mark) in enumerate(here):
            middle = y + tall * (place + 0.5) / len(here)
            parts += _arrow(*ends, middle, name, mark, len(here) > 1)
            x = column.words + place % column.slots * column.slot
            parts += _plate(x, y + place // column.slots * CLOSE, name, mark)
        y += tall
    out = [column.lanes[state] for state in story.outputs[index, kind]]
    parts.append(svg.line(out[0], last + LINE / 2, column.words - 4, last + LINE / 2, style.QUIET, width=1.2))
    parts += [svg.rect(x - 3, last + LINE / 2 - 3, 6, 6, style.INK) for x in out]
    return [*parts, svg.text(column.words, last + 12, f"{cells.OUTPUT}: these joined", 11)]


def area(story: Story, column: Column, epoch: int, kind: str, edge: str, box: Box, span: tuple[int, int]) -> list[str]:
    """The probabilities of one edge stacked over the whole search, named and with their values now at the right."""
    if edge not in story.edges:
        return [svg.text(box.left, box.top + 40, f"no edge {pretty(edge)} in this cell", 12)]
    index, row, place = story.at(epoch), story.kinds.index(kind), story.edges.index(edge)
    taken = _thinned(len(story.steps))
    xs = box.xs([story.steps[one] for one in taken], span)
    # (snapshots, operations) -> (snapshots, operations + 1), from 0 to 1
    tops = np.pad(np.cumsum(story.chance[taken, row, place], axis=-1), ((0, 0), (1, 0)))
    ys = box.bottom - np.minimum(tops, 1) * (box.bottom - box.top)
    if len(xs) == 1:
        xs, ys = np.array([box.left, box.right]), np.repeat(ys, 2, axis=0)
    # baselines of the names, the last on top as in the stack
    heights = np.linspace(box.bottom, box.top + 8, len(story.operations))
    law, ends, parts = story.chance[index, row, place], ys[-1], []
    for number, operation in enumerate(story.operations):
        look, y = style.look(operation), heights[number]
        # (points, 2) lower rim, then (points, 2) upper rim back
        rim = np.r_[np.c_[xs, ys[:, number]], np.c_[xs, ys[:, number + 1]][::-1]].tolist()
        parts.append(svg.polyline(rim, "white", look.colour, width=0.8, opacity=0.85))
        middle = (ends[number] + ends[number + 1]) / 2
        parts.append(svg.line(xs[-1] + 1, middle, box.right + 12, y - 4, look.ink, width=0.8))
        parts.append(svg.text(box.right + 15, y, f"{law[number]:.3f} {label(operation)}", 11, ink=look.ink))
        if (place, operation) in story.kept[index, kind]:
            parts.append(svg.circle(box.right + 22 + 6.4 * (6 + len(label(operation))), y - 4, 2.6))
    return [*parts, *box.frame(span, ("1", "0")), *box.cursor(epoch, span)]


class Curve(NamedTuple):
    """A curve over the epochs of ``story``: what it is called, its colour and dash, its values (snapshots,)."""

    name: str
    colour: str
    dash: str
    story: Story
    values: np.ndarray


class Box(NamedTuple):
    """The frame of a panel's axes, in pixels."""

    left: float
    right: float
    top: float
    bottom: float

    def xs(self, steps: Sequence[int], span: tuple[int, int]) -> np.ndarray:
        """Where epochs (n,) stand, (n,)."""
        return axes.scale(span[0], max(span[1], span[0] + 1), self.left, self.right, clip=True)(np.asarray(steps))

    def frame(self, span: tuple[int, int], levels: tuple[str, str]) -> list[str]:
        """Lines at top and bottom with what they stand for, and the first and the last epoch."""
        words = dict(zip((1, 0), levels))
        parts = axes.rows(axes.scale(0, 1, self.bottom, self.top), words, self.left, self.right, words.get, 11)
        for place, anchor in ((0, "start"), (1, "end")):
            words = f"epoch {span[place]}" if not place else str(span[place])
            parts.append(svg.text(self[place], self.bottom + 15, words, 11, anchor))
        return parts

    def cursor(self, epoch: int, span: tuple[int, int]) -> list[str]:
        """The line of the present epoch."""
        x = float(self.xs([epoch], span)[0])
        return [svg.line(x, self.top - 5, x, self.bottom + 5, style.INK, width=1.4, dash="4 2")]


def curves(found: Sequence[Curve], box: Box, epoch: int, span: tuple[int, int], least: float, form: str) -> list[str]:
    """Curves over all snapshots with a cursor and their values now; the axis spans at least ``least``."""
    low, high = min(float(one.values.min()) for one in found), max(float(one.values.max()) for one in found)
    high = max(high, low + least)
    parts = [*box.frame(span, (format(high, form), format(low, form))), *box.cursor(epoch, span)]
    for place, one in enumerate(found):
        taken = _thinned(len(one.values))
        xs = box.xs([one.story.steps[each] for each in taken], span)
        ys = axes.scale(low, high, box.bottom, box.top)(one.values)
        parts.append(svg.polyline(zip(xs.tolist(), ys[taken].tolist()), one.colour, width=2, dash=one.dash))
        now = one.story.at(epoch)
        x, y = float(box.xs([one.story.steps[now]], span)[0]), float(ys[now])
        parts.append(svg.rect(x - 4, y - 4, 8, 8, one.colour) if place else svg.circle(x, y, 4.5, one.colour))
    return parts


def key(found: Sequence[Curve], epoch: int, left: float, top: float, wide: float, form: str) -> list[str]:
    """The curves' names with their values now, each ``wide`` pixels from the last."""
    parts = []
    for place, one in enumerate(found):
        words = f"{one.name}: {format(one.values[one.story.at(epoch)], form)}"
        parts += axes.key(left + place * wide, top, words, one.colour, 12, 11, width=2, dash=one.dash)
    return parts


def _arrow(start: float, end: float, y: float, operation: str, mark: int, thin: bool) -> list[str]:
    look = style.look(operation)
    if mark < 0:
        return [svg.line(start, y, end, y, style.QUIET, width=1, dash="2 3")]
    dash = {"dashed": "6 3", "dotted": "2 2"}.get(look.dash, "")
    width = min(look.width, 1.4 if thin else 2.4)
    tip = 5 if thin else 7
    head = svg.arrow(end - tip, y, end, y, look.colour, width, tip)
    return [svg.line(start, y, end - tip, y, look.colour, width=width, dash=dash), svg.circle(start, y, 2), head]


def _plate(x: float, y: float, operation: str, mark: int) -> list[str]:
    words = ("", "+ ", "\u2212 ")[mark] + label(operation)  # kept, new, gone
    wide = GLYPH * len(words) + 2
    parts = []
    if mark > 0:
        parts.append(svg.rect(x - 3, y + 1.5, wide + 4, LINE - 3, "#FFF2B3", stroke=style.INK, width=1))
    parts.append(svg.text(x, y + 12, words, 11, ink="#666666" if mark < 0 else style.look(operation).ink))
    if mark < 0:
        parts.append(svg.line(x + 13, y + 8, x + wide - 2, y + 8, "#666666", width=1))
    return parts


def _thinned(count: int) -> np.ndarray:
    """At most 60 of ``count`` snapshots, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, 60)).round().astype(int))
