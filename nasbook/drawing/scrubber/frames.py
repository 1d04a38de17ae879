"""One or two searches, epoch by epoch: probabilities, the cell they would give now, entropy and skips.

``story.prepare`` computes once what every frame needs; ``render`` is a pure function of the epoch, the kind of
cell and the edge that the reader chose, and writes a frame as SVG text in a few milliseconds.
"""

from collections.abc import Sequence

from nasbook.base.errors import NasbookError
from nasbook.drawing.parts import style, svg
from nasbook.drawing.parts.svg import Frame
from nasbook.drawing.scrubber import panels
from nasbook.drawing.scrubber.panels import Box, Column, Curve
from nasbook.drawing.scrubber.story import Story, pretty, sentence, when

WIDTH = 900
TITLE = 24
LEGEND = 42
CURVES = 132
COLOURS = (("#0072B2", ""), ("#D55E00", "6 3"))
SIGNS = (
    "dot: the derived cell keeps it; ring and +: new since the snapshot before; \u00d7 and \u2212: gone since then; "
    "an arrow runs from an edge's input to its node"
)


def kinds(stories: Sequence[Story]) -> list[str]:
    """The kinds of cell that any of the stories searches, the first story's first."""
    return list(dict.fromkeys(kind for story in stories for kind in story.kinds))


def edges(stories: Sequence[Story]) -> list[str]:
    """The edges of the largest cell, node by node."""
    return list(max((story.edges for story in stories), key=len))


def span(stories: Sequence[Story]) -> tuple[int, int]:
    """The first and the last epoch of all. Raises NasbookError unless there are one or two stories."""
    if not 1 <= len(stories) <= 2:
        raise NasbookError(f"the scrubber shows one search or two side by side: it got {len(stories)}")
    return min(story.steps[0] for story in stories), max(story.steps[-1] for story in stories)


def telling_edge(stories: Sequence[Story]) -> str:
    """The edge whose largest probability is the largest at the end of the first story."""
    story = stories[0]
    # (kinds, edges, operations) -> (edges,) of the first kind
    return story.edges[int(story.chance[-1, 0].max(axis=-1).argmax())]


def height(stories: Sequence[Story]) -> float:
    """Height of every frame, in pixels: always the same, so that nothing below it jumps."""
    return _top_of_areas(stories) + _area(stories) + (CURVES if len(stories) > 1 else 0)


def render(stories: Sequence[Story], epoch: int, kind: str, edge: str) -> Frame:
    """The frame of ``epoch``: heat map and derived cell of ``kind``, the area of ``edge``, entropy and skips.

    ``stories``: one search, or two that share epochs, colours and axes; where one ended earlier its last snapshot
    stays.
    """
    return _strip(stories, [epoch], kind, edge, told=True)


def still(stories: Sequence[Story], kind: str, edge: str, most: int = 90_000) -> Frame:
    """What remains without a kernel: cells at the start, in the middle and at the end above the whole curves.

    Of more than ``most`` letters, the middle is left out, then the start.
    """
    first, last = span(stories)
    shown = sorted({first, (first + last) // 2, last})
    while len((frame := _strip(stories, shown, kind, edge)).svg) > most and len(shown) > 1:
        shown.pop(len(shown) - 2)
    return frame


def _strip(stories: Sequence[Story], epochs: Sequence[int], kind: str, edge: str, told: bool = False) -> Frame:
    band = _top_of_areas(stories) - LEGEND
    parts = []
    for place, epoch in enumerate(epochs):
        parts += _bands(stories, epoch, kind, edge, place * band, told)
    parts += _below(stories, epochs[-1], kind, edge, len(epochs) * band + LEGEND)
    said = ". ".join(sentence(story, epoch, kind, edge) for epoch in epochs for story in stories)
    return Frame(svg.page(WIDTH, height(stories) + (len(epochs) - 1) * band, said, parts), said)


def _columns(stories: Sequence[Story]) -> list[Column]:
    if len(stories) == 1:
        return [Column(stories[0], 8, WIDTH - 16)]
    return [Column(story, left, WIDTH / 2 - 18) for story, left in zip(stories, (8, WIDTH / 2 + 10))]


def _top_of_areas(stories: Sequence[Story]) -> float:
    return TITLE + max(column.band for column in _columns(stories)) + LEGEND


def _area(stories: Sequence[Story]) -> float:
    return 52 + max(110, 14 * max(len(story.operations) for story in stories))


def _bands(stories: Sequence[Story], epoch: int, kind: str, edge: str, top: float, told: bool) -> list[str]:
    """Heat maps and derived cells from ``top`` on, and what their signs mean."""
    parts, reach = [], _reach(stories)
    for story, column in zip(stories, _columns(stories)):
        who = f"{story.name}: " * bool(story.name)
        parts.append(svg.text(column.left, top + 17, f"{who}{kind} cell, {when(story, epoch)}", 14))
        if kind in story.kinds:
            parts += panels.heat(story, column, epoch, kind, edge, top + TITLE, reach, told)
            parts += panels.cell(story, column, epoch, kind, top + TITLE)
        else:
            parts.append(svg.text(column.left, top + 60, f"its {kind} cell is fixed, not searched"))
    return parts


def _reach(stories: Sequence[Story]) -> float:
    """The probability that has the fullest colour, as a distance from uniform: one scale for all frames."""
    return max(1e-3, *(story.farthest for story in stories))


def _below(stories: Sequence[Story], epoch: int, kind: str, edge: str, top: float) -> list[str]:
    """The areas of one edge, and the curves: beside it for one search, below for two."""
    limits, tall = span(stories), _area(stories)
    colours = f"white is uniform, orange more, violet less, full colour {_reach(stories):.3f} away"
    parts = [
        svg.text(8, top - 28, f"colour: softmax(alpha), {colours}; frame: the edge drawn below", 11),
        svg.text(8, top - 12, SIGNS, 11),
    ]
    for story, column in zip(stories, _columns(stories)):
        box = Box(column.left + 18, column.left + 300, top + 28, top + tall - 24)
        parts.append(svg.text(column.left, top + 14, f"softmax(alpha) on {pretty(edge)}, {kind} cell"))
        if kind in story.kinds:
            parts += panels.area(story, column, epoch, kind, edge, box, limits)
    alone = len(stories) == 1
    upper, deep = (top, tall) if alone else (top + tall, CURVES)
    for place, (title, values, least, form) in enumerate(
        (("entropy (nats per edge)", "entropy", 0.02, ".3f"), ("skips in the derived cell", "skips", 1, ".0f"))
    ):
        left = (450 + place * 224) if alone else 8 + place * (WIDTH / 2 + 2)
        found = _found(stories, kind, values)
        box = Box(left + 40, left + (208 if alone else 420), upper + 46, upper + deep - 24)
        parts.append(svg.text(left, upper + 14, title))
        parts += panels.key(found, epoch, left, upper + 32, 108 if alone else 210, form)
        parts += panels.curves(found, box, epoch, limits, least, form)
    return parts


def _found(stories: Sequence[Story], kind: str, values: str) -> list[Curve]:
    """Every kind of one search, or the chosen kind of each of two."""
    if len(stories) == 1:
        story = stories[0]
        looks = [style.KINDS.get(name, (style.INK, "-")) for name in story.kinds]
        return [
            Curve(name, look[0], "6 3" if look[1] == "--" else "", story, getattr(story, values)[:, row])
            for row, (name, look) in enumerate(zip(story.kinds, looks))
        ]
    return [
        Curve(story.name, *look, story, getattr(story, values)[:, story.kinds.index(kind)])
        for story, look in zip(stories, COLOURS)
        if kind in story.kinds
    ]
