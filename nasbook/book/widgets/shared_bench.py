"""The shared-weights bench: two cells inside one network, what they share, and what sharing does to the ranking."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nasbook.analysis.measures import kendall
from nasbook.drawing.parts import axes, style, svg
from nasbook.drawing.parts.shell import Frame, Shell, choice, steps
from nasbook.spaces.edges.cells import EDGES, read_cell

WIDTH, HEIGHT = 900, 430
A, B, BOTH = "#0072B2", "#D55E00", "#1A1A1A"
NODES = ((60.0, 250.0), (185.0, 100.0), (290.0, 360.0), (420.0, 250.0))
"""Where the four nodes of a cell lie."""
NAMES = {"skip_connect": "skip", "nor_conv_3x3": "3x3", "nor_conv_1x1": "1x1", "avg_pool_3x3": "avg", "none": "none"}


@dataclass(frozen=True)
class Bench:
    """``cells`` (n,) by string; ``shared`` (n,) their accuracy in one network of shared weights, ``apart`` (n,) that
    of a short training each for itself, ``truth`` (n,) what they are worth; fractions. ``meaning``: what the truth is.
    """

    cells: tuple[str, ...]
    shared: np.ndarray
    apart: np.ndarray
    truth: np.ndarray
    meaning: str = "accuracy, trained alone to the end"

    def __post_init__(self) -> None:
        for name in ("shared", "apart", "truth"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=float))

    @cached_property
    def taus(self) -> dict[bool, float]:
        """Kendall's tau with the truth, with shared weights and without."""
        return {True: kendall(self.shared, self.truth), False: kendall(self.apart, self.truth)}

    def scores(self, share: bool) -> np.ndarray:
        """(n,): the scores with shared weights or without."""
        return self.shared if share else self.apart


def render(bench: Bench, first: int, second: int, share: bool) -> Frame:
    """The cells number ``first`` and ``second`` in the network, and every cell's score against the truth."""
    one, other = (read_cell(bench.cells[place]) for place in (first, second))
    own = [{edge for edge, name in enumerate(cell) if name != "none"} for cell in (one, other)]
    common = [edge for edge in own[0] & own[1] if one[edge] == other[edge]]
    weights = sum(one[edge].startswith("nor_conv") for edge in common)
    tau = bench.taus[share]
    scores = bench.scores(share)
    agree = (scores[first] - scores[second]) * (bench.truth[first] - bench.truth[second]) > 0
    order = "as the truth does" if agree else "not as the truth does"
    if first == second:
        order = "alike, for they are one cell"
    held = "held once" if share else "held twice, since each cell keeps its own"
    who = "Shared weights" if share else "Short trainings"
    sentence = (
        f"A has {len(own[0])} operations and B {len(own[1])}, and in common, the same on the same edge, {len(common)}: "
        f"{weights} with weights, {held}. {who} rank A and B {order}. "
        f"Over {len(bench.cells)} cells Kendall's tau with the truth is {tau:.2f}."
    )
    parts = [
        svg.text(20, 26, "one network, two cells", 15),
        *_legend(share),
        *_edges(one, other, share),
        *_nodes(),
        *_scatter(bench, first, second, share, tau),
    ]
    return Frame(svg.page(WIDTH, HEIGHT, sentence, parts), sentence)


def explore(bench: Bench, first: int = 0, second: int = 1) -> Shell:
    """The widget: which cells are A and B, and whether they share their weights."""
    last = len(bench.cells) - 1
    controls = {
        "first": steps("cell A", first, 0, last),
        "second": steps("cell B", second, 0, last),
        "share": choice("weights", [("shared by all cells", True), ("of its own for each cell", False)]),
    }
    return Shell(lambda **values: render(bench, **values), controls, HEIGHT)


def _legend(share: bool) -> list[str]:
    words = ((A, "", "A alone"), (B, "7 4", "B alone"), (BOTH, "", "both: " + ("one set" if share else "two sets")))
    parts = []
    for place, (colour, dash, label) in enumerate(words):
        width = 5 if colour == BOTH and share else 2.5
        parts += axes.key(20 + 130 * place, 52, label, colour, width=width, dash=dash)
    return parts


def _edges(one: Sequence[str], other: Sequence[str], share: bool) -> list[str]:
    """Each edge: idle in grey, A's and B's operation side by side, the common one as one thick line if it is shared."""
    parts = []
    for edge, (node, source) in enumerate(EDGES):
        (x1, y1), (x2, y2) = NODES[source], NODES[node]
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        across = (-(y2 - y1) / length, (x2 - x1) / length)
        mine, theirs = one[edge], other[edge]
        if mine == theirs == "none":
            parts.append(svg.line(x1, y1, x2, y2, "#D0D0D0", width=1.2, dash="2 4"))
        elif mine == theirs and share:
            parts += _lane(x1, y1, x2, y2, across, 0.0, BOTH, 5, "", NAMES[mine])
        else:
            for name, side, colour, dash in ((mine, -7.0, A, ""), (theirs, 7.0, B, "7 4")):
                if name != "none":
                    ink = BOTH if mine == theirs else colour
                    parts += _lane(x1, y1, x2, y2, across, side, ink, 2.5, dash, NAMES[name])
    return parts


def _lane(x1, y1, x2, y2, across, side, colour, width, dash, label) -> list[str]:
    """One operation on an edge, ``side`` pixels beside its middle line, with its name."""
    dx, dy = across[0] * side, across[1] * side
    begin, end = (x1 + dx, y1 + dy), (x2 + dx, y2 + dy)
    # names stand where no other edge crosses, at two fifths of the way
    at = tuple(p + 0.4 * (q - p) + across[k] * (13 if side >= 0 else -13) for k, (p, q) in enumerate(zip(begin, end)))
    return [
        svg.line(*begin, *end, colour, width=width, dash=dash),
        svg.text(at[0], at[1] + 4, label, 12, "middle", colour),
    ]


def _nodes() -> list[str]:
    parts = []
    for number, (x, y) in enumerate(NODES):
        parts.append(svg.circle(x, y, 17, "white", stroke=style.INK, width=1.5))
        parts.append(svg.text(x, y + 5, str(number), 14, "middle"))
    parts.append(svg.text(NODES[0][0], NODES[0][1] + 36, "input", 12, "middle"))
    parts.append(svg.text(NODES[3][0], NODES[3][1] + 36, "output", 12, "middle"))
    return parts


def _scatter(bench: Bench, first: int, second: int, share: bool, tau: float) -> list[str]:
    """Every cell's score over its truth; A and B as rings with their letters."""
    left, top, wide, tall = 550.0, 70.0, 320.0, 290.0
    scores = bench.scores(share)
    (low_x, high_x), (low_y, high_y) = _ends(bench.truth), _ends(scores)
    x, y = axes.scale(low_x, high_x, left, left + wide)(bench.truth), axes.scale(low_y, high_y, top + tall, top)(scores)
    label = "accuracy with shared weights" if share else "accuracy after a short training of its own"
    parts = [
        svg.text(left, 26, f"every cell against the truth: Kendall's tau {tau:.2f}", 15),
        svg.text(left, 52, label + " (upwards)"),
        axes.frame(left, top, wide, tall),
        svg.text(left, top + tall + 18, f"{low_x:.0%}"),
        svg.text(left + wide, top + tall + 18, f"{high_x:.0%}", anchor="end"),
        svg.text(left + wide / 2, top + tall + 36, bench.meaning, anchor="middle"),
        svg.text(left - 6, top + tall, f"{low_y:.0%}", anchor="end"),
        svg.text(left - 6, top + 10, f"{high_y:.0%}", anchor="end"),
    ]
    parts += [svg.circle(px, py, 2.6, style.QUIET) for px, py in zip(x, y)]
    for place, colour, letter, shift in ((first, A, "A", -14), (second, B, "B", 14)):
        parts.append(svg.circle(x[place], y[place], 7, "none", stroke=colour, width=2.5))
        parts.append(svg.text(x[place] + shift, y[place] + 5, letter, 14, "middle", colour))
    return parts


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Of an axis: a margin beyond the values (n,)."""
    margin = max(np.ptp(values) * 0.06, 1e-3)
    return values.min() - margin, values.max() + margin
