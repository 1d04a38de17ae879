"""How large is a search space? Its size on a logarithmic scale, and 24 cells drawn from it, repeated ones marked."""

from collections import Counter
from collections.abc import Mapping
from itertools import product
from math import log10
from string import ascii_uppercase
from typing import NamedTuple

import numpy as np

from nasbook.drawing.parts import axes, style, svg
from nasbook.drawing.parts.shell import Frame, Shell, choice, steps
from nasbook.spaces.counting import LANDMARKS, CellFamily, Edges

WIDTH, HEIGHT = 900, 440
OPERATIONS = ("skip_connect", "nor_conv_3x3", "none", "nor_conv_1x1", "avg_pool_3x3")
"""The candidates, in the order in which they are added."""
LOOKS = {name: style.look(name.removeprefix("nor_")) for name in OPERATIONS}
DASHES = {"dotted": "1.5 3", "dashed": "5 3", "solid": ""}
NODES, COUNTS, ALL = (3, 4, 5, 6), (2, 3, 4, 5), 9
INPUTS = (1, 2, ALL)
DRAWN = 24
MARKS = ("#CC79A7", "#009E73", "#D55E00", "#0072B2", "#E69F00", "#332288", "#882255", "#56B4E9")


class SpaceCounts(NamedTuple):
    """Of one space, the ``size`` counts strings, ``unique`` cells up to naming (None: not counted); ``cells`` are the
    drawn ones, ``strings`` and ``names`` a number for each, equal for two that are equal as strings, or up to naming.
    """

    size: int
    unique: int | None
    cells: tuple[Edges, ...]
    strings: tuple[int, ...]
    names: tuple[int, ...]


Story = Mapping[tuple[int, int, int], SpaceCounts]
"""What the frames share, by (nodes, operations, inputs)."""


def prepare(rng: np.random.Generator) -> Story:
    """Count every space of the widget and draw ``DRAWN`` cells from each."""
    story = {}
    for nodes, count, inputs in product(NODES, COUNTS, INPUTS):
        family = CellFamily(nodes, OPERATIONS[:count], inputs)
        cells = tuple(family.draw(rng) for _ in range(DRAWN))
        # up to so many cells, those that differ in more than naming are counted one by one
        unique = family.unique() if len(family) <= 1000 else None
        strings, names = _numbered(cells), _numbered([family.form(cell) for cell in cells])
        story[nodes, count, inputs] = SpaceCounts(len(family), unique, cells, strings, names)
    return story


def render(story: Story, nodes: int, operations: int, inputs: int, naming: bool) -> Frame:
    """The frame of one space; ``naming`` marks cells that are the same up to naming, else equal strings."""
    size, unique, cells, strings, names = story[nodes, operations, inputs]
    groups = names if naming else strings
    counted = f"{unique:,} up to naming" if unique is not None else "too many here to count them up to naming"
    rule = "up to naming" if naming else "as strings"
    read = "all earlier nodes" if inputs == ALL else f"{inputs} earlier node{'s' * (inputs > 1)}"
    sentence = (
        f"{nodes} nodes that read {read}, {operations} operations: {size:,} cells as strings (10^{log10(size):.1f}), "
        f"{counted}; at a minute each, training all takes {lasting(size)}; of {DRAWN} drawn, {len(set(groups))} are "
        f"different {rule}."
    )
    parts = [
        svg.text(20, 26, f"{size:,} strings, {counted}", 15),
        svg.text(20, 46, f"a minute of training each: {lasting(size)}"),
        *_axis(size),
        svg.text(20, 176, f"{DRAWN} cells drawn at random: {len(set(groups))} different {rule}", 15),
        svg.text(20, 196, "the same letter marks the same cell; the input is left, the output right"),
        *_thumbnails(cells, groups, nodes),
        *_legend(operations),
    ]
    return Frame(svg.page(WIDTH, HEIGHT, sentence, parts), sentence)


def explore(story: Story) -> Shell:
    """The widget: nodes, operations, inputs of a node, and what counts as the same cell."""
    controls = {
        "nodes": steps("nodes", 4, NODES[0], NODES[-1]),
        "operations": steps("operations", 3, COUNTS[0], COUNTS[-1]),
        "inputs": choice("inputs of a node", [("1", 1), ("2", 2), ("all earlier nodes", ALL)], ALL),
        "naming": choice("the same cell", [("the same string", False), ("the same up to naming", True)], True),
    }
    return Shell(lambda **values: render(story, **values), controls, HEIGHT)


def lasting(minutes: float) -> str:
    """So many minutes in days or years."""
    days, years = minutes / 1440, minutes / 525_960
    if days < 730:
        return f"{days:.2g} days" if days < 1 else f"{days:,.0f} days"
    return f"{years:,.0f} years" if years < 1e6 else f"10^{log10(years):.0f} years"


def _numbered(keys) -> tuple[int, ...]:
    seen: dict = {}
    return tuple(seen.setdefault(key, len(seen)) for key in keys)


def _axis(size: int) -> list[str]:
    left, right, end = 30, 870, 60  # in pixels, and the power of ten at the right end
    along = axes.scale(0, end, left, right)
    here, powers = along(log10(size)), range(0, end + 1, 10)
    clear = [power for power in powers if abs(along(power) - here) > 26]
    parts = [
        svg.line(left, 112, right, 112, style.QUIET, width=1.5),
        *(svg.line(along(power), 108, along(power), 116, style.QUIET) for power in powers),
        *axes.columns(along, clear, 114, words="10^{}".format),
    ]
    for row, (name, count) in enumerate(LANDMARKS):
        x = along(log10(count))
        # the first three are close: their names stand on two levels, the others' over their marks
        y, anchor = ((96, "end"), (80, "start"), (96, "start"), (96, "middle"), (96, "end"))[row]
        shift = (8, 0, 6, 0, 8)[row]
        parts += [svg.line(x, y + 4, x, 112, "#555555"), svg.text(x + shift, y, name, 12, anchor, "#555555")]
    mark = [(here, 114), (here - 7, 128), (here + 7, 128)]
    return [*parts, svg.polyline(mark, "none", fill="#D55E00"), svg.text(here, 146, "here", 12, "middle", "#A84A00")]


def _thumbnails(cells: tuple[Edges, ...], groups: tuple[int, ...], nodes: int) -> list[str]:
    """Two rows of cells, nodes in a line and edges as arcs, letters under those that appear more than once."""
    many = [group for group, times in Counter(groups).items() if times > 1]
    parts = []
    for place, (cell, group) in enumerate(zip(cells, groups)):
        x, y = 22 + 72 * (place % 12), 262 + 92 * (place // 12)
        gap = 54 / (nodes - 1)
        for name, node, source in cell:
            begin, end, look = x + gap * source, x + gap * node, LOOKS[name]
            high = y - 88 * (node - source) / (nodes - 1)
            d = f"M{begin:.1f},{y:.1f} Q{(begin + end) / 2:.1f},{high:.1f} {end:.1f},{y:.1f}"
            parts.append(svg.path(d, look.colour, width=look.width * 0.8, dash=DASHES[look.dash]))
        parts += [svg.circle(x + gap * node, y, 2.6) for node in range(nodes)]
        if group in many:
            colour, letter = MARKS[many.index(group) % len(MARKS)], ascii_uppercase[many.index(group)]
            parts.append(svg.rect(x - 6, y - 48, 66, 74, "none", stroke=colour, width=1.6))
            parts.append(svg.text(x + 27, y + 21, letter, 13, "middle"))
    return parts


def _legend(operations: int) -> list[str]:
    parts = []
    for place, name in enumerate(OPERATIONS[:operations]):
        look, words = LOOKS[name], name.removeprefix("nor_").replace("_", " ")
        parts += axes.key(22 + 150 * place, 428, words, look.colour, width=look.width, dash=DASHES[look.dash])
    return parts
