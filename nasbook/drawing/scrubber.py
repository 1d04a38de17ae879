"""A search, snapshot by snapshot: the probabilities, the cell they would give now, entropy and skips so far.

``prepare`` computes once what every frame needs, drawn cells included; ``render`` is a pure function that
writes one frame as SVG text, in a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nasbook.drawing import cells, describe, style, svg
from nasbook.drawing.describe import Kinds
from nasbook.drawing.render import nested, render_all
from nasbook.errors import NasbookError
from nasbook.spaces.names import state_name

WIDTH = 900
LEFT = 350
HEAD = 62
ROW = 13
CURVE = 120
GRID = "#E2E2E2"
ABOVE, BELOW = (179, 88, 6), (84, 39, 136)


@dataclass(frozen=True)
class Story:
    """What the frames of one search share.

    ``chance`` (snapshots, kinds, edges, operations) probabilities; ``entropy`` (snapshots, kinds) mean nats
    per edge; ``skips`` (snapshots, kinds) skip_connects in the cell derived then; ``drawn`` its SVG by
    (snapshot, kind); ``chosen`` the (edge, operation) pairs that it keeps.
    """

    steps: tuple[int, ...]
    kinds: tuple[str, ...]
    operations: tuple[str, ...]
    chance: np.ndarray
    entropy: np.ndarray
    skips: np.ndarray
    drawn: Mapping[tuple[int, str], str]
    chosen: Mapping[tuple[int, str], frozenset[tuple[int, int]]]

    @property
    def band(self) -> int:
        """Height of one cell kind's part of a frame, in pixels."""
        return HEAD + ROW * self.chance.shape[2] + 14

    @property
    def height(self) -> int:
        """Height of a frame, in pixels: the same for each, so that nothing below it jumps."""
        return 30 + self.band * len(self.kinds) + CURVE


def prepare(
    alphas: np.ndarray,
    steps: Sequence[int],
    kinds: Sequence[str],
    operations: Sequence[str],
    genotype_at: Sequence[Kinds] | Callable[[np.ndarray], Kinds],
) -> Story:
    """Compute what every frame needs.

    ``alphas`` (snapshots, cell kinds, edges, operations). ``genotype_at``: the cells derived at each
    snapshot, or a function that derives them from its alphas (kinds, edges, operations). Raises
    NasbookError if the shapes do not agree or no Graphviz works.
    """
    describe.check_alphas(alphas, steps, kinds, operations)
    found = [genotype_at(one) for one in alphas] if callable(genotype_at) else list(genotype_at)
    if len(found) != len(steps):
        raise NasbookError(f"there are {len(steps)} snapshots and {len(found)} derived genotypes: give one for each")
    names = {(index, kind): _source(found, index, kind) for index in range(len(steps)) for kind in kinds}
    sources = sorted(set(names.values()))
    pictures = dict(zip(sources, (raw.decode("utf-8") for raw in render_all(sources, "svg"))))
    ends = describe.edge_ends(np.shape(alphas)[2]) or []
    return Story(
        steps=tuple(steps),
        kinds=tuple(kinds),
        operations=tuple(operations),
        chance=describe.probabilities(alphas),
        # (snapshots, kinds, edges) -> (snapshots, kinds)
        entropy=describe.entropy(alphas).mean(axis=-1),
        skips=np.array([[_skips(one[kind][0]) for kind in kinds] for one in found]),
        drawn={key: pictures[source] for key, source in names.items()},
        chosen={(index, kind): _chosen(found[index][kind][0], ends, operations) for index, kind in names},
    )


def render(story: Story, index: int) -> str:
    """Frame ``index`` of ``story`` as SVG text of fixed size. Raises NasbookError if there is none."""
    if not 0 <= index < len(story.steps):
        raise NasbookError(f"there is no snapshot {index}: valid are 0 to {len(story.steps) - 1}")
    parts = [
        svg.text(8, 19, f"epoch {story.steps[index]} of {story.steps[-1]}", 15),
        svg.text(LEFT + 12, 19, "the cell derived now (yellow: new since the snapshot before)"),
    ]
    for row, kind in enumerate(story.kinds):
        top = 30 + row * story.band
        parts += _heat(story, index, row, top)
        parts.append(nested(story.drawn[index, kind], LEFT + 8, top, WIDTH - LEFT - 16, story.band - 6))
    top = 30 + story.band * len(story.kinds)
    parts += _curve(story, index, story.entropy, "entropy (nats per edge)", 8, top, ".3f")
    parts += _curve(story, index, story.skips, "skips in the cell", WIDTH // 2 + 8, top, ".0f")
    return svg.page(WIDTH, story.height, sentence(story, index), parts)


def sentence(story: Story, index: int) -> str:
    """What frame ``index`` says: entropy and skips of each cell kind."""
    parts = [
        f"{kind} cell: entropy {story.entropy[index, row]:.3f} nats per edge, largest probability "
        f"{story.chance[index, row].max():.3f}, {story.skips[index, row]} skips in its derived cell"
        for row, kind in enumerate(story.kinds)
    ]
    return f"epoch {story.steps[index]}: {'; '.join(parts)}"


def _source(found: Sequence[Kinds], index: int, kind: str) -> str:
    before, now = _triples(found[max(index - 1, 0)][kind][0]), _triples(found[index][kind][0])
    return cells.cell_graph(*found[index][kind], name=kind, changed=now - before).source


def _triples(nodes: describe.Nodes) -> set[tuple[int, str, int]]:
    return {(index, operation, source) for index, node in enumerate(nodes) for operation, source in node}


def _skips(nodes: describe.Nodes) -> int:
    return sum(operation == "skip_connect" for node in nodes for operation, _ in node)


def _chosen(
    nodes: describe.Nodes, ends: list[tuple[int, int]], operations: Sequence[str]
) -> frozenset[tuple[int, int]]:
    places = {end: place for place, end in enumerate(ends)}
    return frozenset(
        (places[index, source], list(operations).index(operation))
        for index, operation, source in _triples(nodes)
        if (index, source) in places and operation in operations
    )


def _heat(story: Story, index: int, row: int, top: int) -> list[str]:
    """Rows are edges, columns operations, one scale for all snapshots; dots mark what the cell keeps."""
    kind, chance = story.kinds[row], story.chance[index, row]
    uniform = 1 / len(story.operations)
    reach = max(float(np.abs(story.chance - uniform).max()), 1e-3)
    left, first, wide = 70, top + HEAD, (LEFT - 110) / len(story.operations)
    parts = [svg.text(8, top + 14, f"{kind}: softmax(alpha); white {uniform:.3f}; dot: kept")]
    for column, operation in enumerate(story.operations):
        look = style.look(operation)
        parts.append(svg.text(left + (column + 0.45) * wide, first - 5, look.label, 11, ink=look.ink, turn=-42))
    for edge, name in enumerate(describe.edge_names(chance.shape[0])):
        y = first + edge * ROW
        parts.append(svg.text(left - 5, y + ROW - 3, _pretty(name), 10.5, "end"))
        for column, operation in enumerate(story.operations):
            value, x = chance[edge, column], left + column * wide
            said = f"{operation} on {name}: {value:.3f}"
            parts.append(svg.rect(x, y, wide, ROW, _colour((value - uniform) / reach), said, stroke=GRID, width=0.5))
            if (edge, column) in story.chosen[index, kind]:
                parts.append(svg.circle(x + wide / 2, y + ROW / 2, 2.6))
    return parts


def _curve(story: Story, index: int, values: np.ndarray, title: str, left: int, top: int, form: str) -> list[str]:
    """Small curves over all snapshots with a cursor at this one; ``values`` (snapshots, kinds)."""
    right, upper, lower = left + WIDTH // 2 - 40, top + 34, top + CURVE - 14
    low, high = float(values.min()), float(values.max())
    xs = np.interp(story.steps, (story.steps[0], max(story.steps[-1], story.steps[0] + 1)), (left + 44, right))
    now = ", ".join(f"{kind} {format(values[index, row], form)}" for row, kind in enumerate(story.kinds))
    parts = [svg.text(left, top + 16, f"{title}: {now}")]
    for y, value in ((upper, high), (lower, low)):
        parts.append(svg.line(left + 44, y, right, y, GRID, width=1))
        parts.append(svg.text(left + 38, y + 4, format(value, form), 10.5, "end"))
    for row, kind in enumerate(story.kinds):
        colour, dash, _ = style.KINDS.get(kind, (style.INK, "-", "o"))
        ys = upper + (high - values[:, row]) / max(high - low, 1e-9) * (lower - upper)
        parts.append(svg.polyline(zip(xs, ys), colour, width=2, dash="6 3" if dash == "--" else ""))
        parts.append(svg.circle(xs[index], ys[index], 4, colour))
    return [*parts, svg.line(xs[index], upper - 6, xs[index], lower + 6, style.QUIET)]


def _colour(share: float) -> str:
    """White at 0, orange towards 1, violet towards -1, as in the heat maps over time."""
    end = ABOVE if share > 0 else BELOW
    return "#" + "".join(f"{round(255 + (channel - 255) * min(abs(share), 1)):02X}" for channel in end)


def _pretty(edge: str) -> str:
    for plain, written in zip((state_name(0), state_name(1)), cells.INPUTS):
        edge = edge.replace(plain, written)
    return edge.replace("<-", "\u2190")
