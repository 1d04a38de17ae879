"""Graphs whose nodes and lines lie where they are put, so that Graphviz draws and lays out nothing.

Positions and sizes are points, y grows upwards. A probability stands on a plate on its line: a label beside
a curve can be taken for its neighbour's.
"""

import textwrap
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from nasbook.drawing.parts import style

PLATE = 16.0


class End(NamedTuple):
    """Where a line ends: at ``radius`` from ``place``, on the node ``name``."""

    name: str
    place: np.ndarray
    radius: float = 0.0


class Board:
    """``graph`` with what has been put on it; a node's method returns it as the end of lines."""

    def __init__(self):
        import graphviz

        self.count, self.graph = 0, graphviz.Digraph()
        look = {"layout": "nop2", "bgcolor": "white", "margin": "0", "pad": "0.1", "outputorder": "edgesfirst"}
        self.graph.attr(**look, **style.TEXT)
        self.graph.attr("node", color=style.INK, margin="0", **style.TEXT)
        self.graph.attr("edge", arrowsize="0.7", color=style.INK)

    def circle(self, place: Sequence[float], radius: float, name: str, below: str = "") -> End:
        """A state: its name and, smaller, what else is to be known of it."""
        lines = [f'<FONT POINT-SIZE="14">{escape(line)}</FONT>' for line in _name_lines(name)]
        lines += [f'<FONT POINT-SIZE="11">{escape(below)}</FONT>'] * bool(below)
        node = self._node(place, 2 * radius, 2 * radius, f"<{'<BR/>'.join(lines)}>", shape="circle")
        return node._replace(radius=radius)

    def box(self, place: Sequence[float], size: Sequence[float], lines: Sequence[str], ink: str, **look: str) -> End:
        """An action or an observation, of width and height ``size``."""
        label = "<BR/>".join(escape(line) for line in lines)
        look = {"shape": "box", "color": ink, "fontcolor": ink, "fillcolor": "white", "style": "filled"} | look
        return self._node(place, *size, f"<{label}>", fontsize="12", **look)

    def plate(self, place: np.ndarray, lines: Sequence[str], ink: str = style.INK) -> End:
        """What is written on a line, such as its probability."""
        size = (max(width(line, 12) for line in lines), PLATE * len(lines))
        return self.box(place, size, lines, ink, penwidth="0")

    def heading(self, place: Sequence[float], text: str) -> None:
        """Quiet words over a column."""
        self._node(place, width(text, 11), 16, f"<{escape(text)}>", shape="none", fontsize="11", fontcolor="#666666")

    def curve(self, start: End, end: End, points: np.ndarray, arrow: bool = True, **look: str) -> None:
        """A cubic curve through control ``points`` (4, 2), with its arrowhead's tip at the last one."""
        last, tip = points[-1], ""
        if arrow:
            back = points[2] - last
            tip = f"e,{_at(last)} "
            points = np.vstack([points[:3], last + 8 * back / max(np.hypot(*back), 1e-9)])
        pos = tip + " ".join(map(_at, points))
        self.graph.edge(start.name, end.name, pos=pos, arrowhead="normal" if arrow else "none", **look)

    def _node(self, place: Sequence[float], wide: float, tall: float, label: str, **look: str) -> End:
        self.count += 1
        name = f"n{self.count}"
        size = {"width": f"{wide / 72:.3f}", "height": f"{tall / 72:.3f}", "fixedsize": "true"}
        self.graph.node(name, label=label, pos=_at(place), **size, **look)
        return End(name, np.array(place, dtype=float))


def width(text: str, size: float) -> float:
    """Room for one line of text at ``size`` points, on the generous side."""
    return 0.62 * size * len(text) + 6


def radius(names: Iterable[str], below: Iterable[str] = ()) -> float:
    """The radius of circles in which each name and what stands below it find room."""
    lines = [_name_lines(name) for name in names]
    wide = [width(line, 14) for found in lines for line in found] + [width(text, 11) for text in below]
    tall = 17 * max(map(len, lines)) + 13 * any(below)
    return max(20.0, float(np.hypot(0.92 * max(wide), 0.75 * tall)) / 2)


def between(start: np.ndarray, end: np.ndarray, first: float = 0, last: float = 0) -> np.ndarray:
    """Control points (4, 2) of a straight line that begins ``first`` after start and ends ``last`` before end."""
    begin, stop = towards(start, end, first), towards(end, start, last)
    return begin + (stop - begin) * np.array([[0], [1 / 3], [2 / 3], [1]])


def towards(start: np.ndarray, end: np.ndarray, by: float) -> np.ndarray:
    """The point at distance ``by`` from ``start`` on the way to ``end``."""
    way = end - start
    return start + by * way / max(np.hypot(*way), 1e-9)


def arc(start: np.ndarray, end: np.ndarray, gap: float, bow: float) -> np.ndarray:
    """Control points (4, 2) of a curve between two circles of radius ``gap``; ``bow``: how far to its left."""
    way = end - start
    corner = (start + end) / 2 + np.array([-way[1], way[0]]) * bow
    first, last = towards(start, corner, gap), towards(end, corner, gap)
    return np.array([first, first + (corner - first) * 2 / 3, last + (corner - last) * 2 / 3, last])


def loop(place: np.ndarray, gap: float, angle: float) -> np.ndarray:
    """Control points (4, 2) of a curve from a circle of radius ``gap`` to itself, at ``angle``."""
    turned = [angle + 0.42, angle + 0.62, angle - 0.62, angle - 0.42]
    reach = [gap, gap + 52, gap + 52, gap]
    return np.array([place + by * np.array([np.cos(at), np.sin(at)]) for at, by in zip(turned, reach)])


def along(points: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T, 2) points of a cubic curve at ``times`` in [0, 1]."""
    t = np.asarray(times)[:, None]  # (T,) -> (T, 1)
    first, second, third, last = points
    return (1 - t) ** 3 * first + 3 * t * (1 - t) ** 2 * second + 3 * t**2 * (1 - t) * third + t**3 * last


def plate_places(curves: Sequence[np.ndarray], circles: np.ndarray, gap: float = 0) -> list[np.ndarray]:
    """Where on each curve its plate lies: far from other curves, plates and circles (N, 2) of radius ``gap``."""
    times = np.array([0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73, 0.2, 0.8])
    sampled = [along(points, np.linspace(0.05, 0.95, 25)) for points in curves]
    placed: list[np.ndarray] = []
    for index, points in enumerate(curves):
        others = np.reshape([one for place, one in enumerate(sampled) if place != index], (-1, 2))
        spots = along(points, times)
        room = np.minimum(_nearest(spots, others), 18)
        room += 2 * np.minimum(_nearest(spots, np.reshape(placed, (-1, 2))), 26)
        room += 4 * np.minimum(_nearest(spots, np.reshape(circles, (-1, 2))) - gap, 12)
        placed.append(spots[int(np.argmax(room.round(1) - 4 * np.abs(times - 0.5)))])
    return placed


def _nearest(spots: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(T,) distance of each spot to the nearest of the others; widths count half, since plates are wide."""
    apart = (spots[:, None, :] - others[None, :, :]) * np.array([0.6, 1.0])  # (T, 2), (N, 2) -> (T, N, 2)
    return np.hypot(apart[..., 0], apart[..., 1]).min(axis=1, initial=np.inf)  # (T, N, 2) -> (T,)


def _name_lines(name: str) -> list[str]:
    return textwrap.wrap(name, 9, break_long_words=False) or [name]


def _at(point: np.ndarray) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
