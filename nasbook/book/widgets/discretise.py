"""Discretise it: the probabilities of a search, the cell that a rule cuts out of them, and what the cut costs.

The accuracies are measured beforehand, one for each cell.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasbook.drawing.parts import style, svg
from nasbook.drawing.parts.describe import Kinds
from nasbook.drawing.parts.shell import Frame, Shell, choice
from nasbook.spaces.names import cell_edges, state_name

WIDTH, LEFT, HEAD, ROW, WIDE = 900, 92, 112, 24, 42
CELL = LEFT + 8 * WIDE + 50
DASHES = {"solid": "", "dashed": "8 4", "dotted": "2 3"}
LOST = "#B5B5B5"

Key = tuple[str, float, bool]


class Discretising(NamedTuple):
    """What the frames share.

    ``chance``: kind of cell to probabilities (E, O) of ``operations``, at most eight. ``cells``: (rule, threshold,
    exclude none?) to kind to nodes; ``accuracy``: the same keys to the cell's accuracy with the search's weights.
    ``searched``: that of architectures as the search draws them, ``guess`` that of a guess, ``images`` how many were
    judged.
    """

    chance: Mapping[str, np.ndarray]
    operations: Sequence[str]
    cells: Mapping[Key, Kinds]
    accuracy: Mapping[Key, float]
    searched: float
    guess: float
    images: int

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(node, input) of each row of the probabilities."""
        rows = len(next(iter(self.chance.values())))
        return cell_edges(next(nodes for nodes in range(1, rows + 1) if len(cell_edges(nodes)) >= rows))

    @property
    def thresholds(self) -> list[float]:
        """The thresholds, rising."""
        return sorted({threshold for _, threshold, _ in self.cells})

    def cuts(self, rule: str) -> bool:
        """Does the threshold change what ``rule`` keeps?"""
        cells, first = self.cells, self.thresholds[0]
        return any(cells[name, t, none] != cells[name, first, none] for name, t, none in cells if name == rule)

    @property
    def middle(self) -> int:
        """Height of the upper part of each frame, in pixels."""
        return HEAD + max(ROW * len(self.edges), 200) + 20

    @property
    def height(self) -> int:
        """Of each frame, in pixels."""
        return self.middle + 112


prepare = Discretising


def render(story: Discretising, rule: str, threshold: float, exclude_none: bool, kind: str) -> Frame:
    """The frame of one rule and one kind of cell."""
    key = (rule, threshold, exclude_none)
    kept = _kept(story, key, kind)
    said = _sentence(story, key, kind, kept)
    parts = [*_matrix(story, kind, kept), *_graph(story, kept), *_bars(story, key)]
    return Frame(svg.page(WIDTH, story.height, said, parts), said)


def explore(story: Discretising) -> Shell:
    """The widget: choose the rule, its threshold, whether ``none`` competes, and the kind of cell.

    Under a rule whose cells are the same at every threshold the menu of thresholds is switched off.
    """
    thresholds = [(f"{threshold:g}", threshold) for threshold in story.thresholds]
    controls = {
        "rule": choice("rule", list(dict.fromkeys(rule for rule, _, _ in story.cells))),
        "threshold": choice("threshold", thresholds, story.thresholds[len(thresholds) // 2]),
        "exclude_none": choice("none", [("competes", False), ("is excluded", True)], True),
        "kind": choice("cell", list(story.chance)),
    }
    rule, menu = controls["rule"], controls["threshold"]

    def switch(change: object = None) -> None:
        menu.disabled = not story.cuts(rule.value)

    rule.observe(switch, names=["value"])
    switch()
    return Shell(lambda **values: render(story, **values), controls, story.height)


def _kept(story: Discretising, key: Key, kind: str) -> set[tuple[int, int]]:
    """(edge, operation) of what the cell holds; ``none`` is nothing."""
    names = list(story.operations)
    return {
        (story.edges.index((index + 2, source)), names.index(name))
        for index, node in enumerate(story.cells[key][kind])
        for name, source in node
        if name != "none"
    }


def _sentence(story: Discretising, key: Key, kind: str, kept: set[tuple[int, int]]) -> str:
    rule, _, exclude = key
    after, edges = story.accuracy[key], len({edge for edge, _ in kept})
    change = after - story.searched
    moved = f"{abs(change):.1%} {'below' if change < 0 else 'above'} the searched super-net's {story.searched:.1%}"
    return (
        f"{rule}, none {'excluded' if exclude else 'competing'}: the {kind} cell keeps {len(kept)} of "
        f"{story.chance[kind].size} operations on {edges} of {len(story.edges)} edges; with the weights of the search "
        f"the network is right on {after:.1%} of {story.images} images, {moved}."
    )


def _matrix(story: Discretising, kind: str, kept: set[tuple[int, int]]) -> list[str]:
    """One row an edge, one column an operation: the probability; a frame in the operation's colour where it stays."""
    law, alive = story.chance[kind], {edge for edge, _ in kept}
    parts = [svg.text(12, 20, f"before: p of each operation, {kind} cell", 14)]
    for column, name in enumerate(story.operations):
        look, x = style.look(name), LEFT + (column + 0.5) * WIDE
        parts += [
            svg.text(x - 4, HEAD - 22, look.label, 12, ink=look.ink, turn=-40),
            svg.line(x - 14, HEAD - 9, x + 14, HEAD - 9, look.colour, width=3, dash=DASHES[look.dash]),
        ]
    high = float(max(one.max() for one in story.chance.values()))
    for edge, (target, source) in enumerate(story.edges):
        y, ink = HEAD + edge * ROW, style.INK if edge in alive else style.QUIET
        parts.append(svg.text(LEFT - 8, y + 17, f"{_name(target)} \u2190 {_name(source)}", 12, "end", ink))
        for column, name in enumerate(story.operations):
            p, x = float(law[edge, column]), LEFT + column * WIDE
            stays = (edge, column) in kept
            shade = style.tint((138, 196, 232), p / high) if edge in alive else "#F6F6F6"
            border = {"stroke": style.look(name).colour, "width": 3} if stays else {"stroke": "#E2E2E2", "width": 1}
            inset = 2 if stays else 0
            parts += [
                svg.rect(x + inset, y + inset, WIDE - 2 * inset, ROW - 2 * inset, shade, **border),
                svg.text(x + WIDE / 2, y + 16, f"{p:.2f}", 11, "middle", style.INK if stays else ink),
            ]
    return parts


def _graph(story: Discretising, kept: set[tuple[int, int]]) -> list[str]:
    """The cell: states on a line, an arc for each operation that stays, a thin grey one for each edge that is lost."""
    states = max(target for target, _ in story.edges) + 1
    line = (HEAD + story.middle) / 2 - 12
    places = np.linspace(CELL + 24, WIDTH - 34, states)
    reach = min(line - 44, story.middle - 26 - line)
    parts = [svg.text(CELL, 20, "after: what the rule keeps, left to right (grey: lost)", 14)]
    for edge, (target, source) in enumerate(story.edges):
        stays = sorted(op for at, op in kept if at == edge)
        side = 1 if target % 2 else -1
        far = (target - source) / (states - 1)
        for place, op in enumerate(stays or [None]):
            tall = reach * (0.22 + 0.6 * far) + 8 * place
            shape = {"stroke": LOST, "width": 1.2, "dash": "3 4"}
            if op is not None:
                look = style.look(story.operations[op])
                shape = {"stroke": look.colour, "width": 3, "dash": DASHES[look.dash]}
            # a quadratic curve reaches half of the height of its control point
            x1, x2 = places[source], places[target]
            bend = f"M {x1:.1f} {line:.1f} Q {(x1 + x2) / 2:.1f} {line + 2 * side * min(tall, reach):.1f} "
            parts.append(svg.path(f"{bend}{x2:.1f} {line:.1f}", **shape))
    alive = {story.edges[edge][0] for edge, _ in kept}
    for state, x in enumerate(places):
        empty = state > 1 and state not in alive
        parts += [
            svg.circle(x, line, 15, "white", stroke=LOST if empty else style.INK, width=2),
            svg.text(x, line + 4, _name(state), 12, "middle"),
        ]
    return parts


def _bars(story: Discretising, key: Key) -> list[str]:
    top, begin, wide = story.middle + 18, 230, 560
    parts = [svg.text(12, top - 6, f"accuracy on {story.images} images that trained nothing, same weights", 14)]
    rows = (("as searched", story.searched, "#0072B2", ""), ("this cell", story.accuracy[key], "#D55E00", "8 4"))
    for row, (name, value, colour, dash) in enumerate(rows):
        y = top + 8 + 30 * row
        parts += [
            svg.rect(begin, y, wide, 20, "none", stroke="#E2E2E2", width=1),
            svg.rect(begin, y, wide * value, 20, colour if not dash else "white", stroke=colour, width=2, dash=dash),
            svg.text(begin - 10, y + 15, name, 13, "end"),
            svg.text(begin + wide + 10, y + 15, f"{value:.1%}", 13),
        ]
    x = begin + wide * story.guess
    return [
        *parts,
        svg.line(x, top + 4, x, top + 62, style.INK, width=1.5, dash="4 3"),
        svg.text(x, top + 78, f"a guess, {story.guess:.0%}", 12, "middle"),
    ]


def _name(state: int) -> str:
    """A state's short name: k-2 and k-1 for the cells before, then 0, 1, ..."""
    return ("k-2", "k-1")[state] if state < 2 else state_name(state)
