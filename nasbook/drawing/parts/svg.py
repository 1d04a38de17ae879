"""Small pieces of SVG text, for frames that must be drawn in a few milliseconds.

Positions and sizes are pixels, y grows downwards; each function returns one element.
"""

from collections.abc import Iterable, Sequence
from html import escape
from math import hypot
from typing import NamedTuple

from nasbook.drawing.parts import style


class Frame(NamedTuple):
    """One state of an explanation: ``svg`` text and the ``sentence`` that says what it shows."""

    svg: str
    sentence: str


def page(width: float, height: float, sentence: str, parts: Iterable[str]) -> str:
    """A white page, named by ``sentence`` for screen readers, that shrinks with its column."""
    name = escape(sentence)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{name}" font-family="{style.FONTS}" '
        f'font-size="12" fill="{style.INK}" style="max-width:100%;height:auto;background:white">'
    )
    ground = f'<rect width="{width:g}" height="{height:g}" fill="white"/>'
    return "\n".join([opening, f"<title>{name}</title>", ground, *parts, "</svg>"])


def stack(frames: Sequence[Frame], height: float, width: float = 900) -> Frame:
    """Frames of one size, each made by :func:`page`, one below the other on one page."""
    said, parts = " ".join(frame.sentence for frame in frames), []
    for place, frame in enumerate(frames):
        inner = frame.svg.splitlines()[3:-1]  # without the page's own tags, title and ground
        parts += [f'<g transform="translate(0 {place * height:g})">', *inner, "</g>"]
    return Frame(page(width, len(frames) * height, said, parts), said)


def text(
    x: float, y: float, words: str, size: float = 12, anchor: str = "start", ink: str = "", turn: float = 0
) -> str:
    """Words whose baseline begins, has its middle or ends (``anchor``) at (x, y), turned by degrees."""
    more = (f' fill="{ink}"' if ink else "") + (f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def rect(x: float, y: float, wide: float, tall: float, fill: str, title: str = "", **line) -> str:
    """A box; ``title`` shows when the pointer rests on it."""
    shape = f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{fill}"{_line(**line)}'
    return f"{shape}><title>{escape(title)}</title></rect>" if title else f"{shape}/>"


def circle(x: float, y: float, radius: float, fill: str = style.INK, **line) -> str:
    """A disc or, with fill "none", a ring."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}"{_line(**line)}/>'


def dots(points: Iterable[tuple[float, float]], radius: float, fill: str, **look) -> str:
    """Many discs of one look, in a few letters each."""
    inner = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>' for x, y in points)
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in look.items())
    return f'<g fill="{fill}"{more}>{inner}</g>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = "#E2E2E2", **more) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{_line(stroke=stroke, **more)}/>'


def polyline(points: Iterable[tuple[float, float]], stroke: str, fill: str = "none", **more) -> str:
    """A line through points; with a ``fill``, the area that it encloses."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="{fill}"{_line(stroke=stroke, **more)}/>'


def band(xs: Sequence[float], ends: Sequence[float], back: Sequence[float], fill: str, opacity: float) -> str:
    """The area over ``xs`` (n,) between two curves (n,)."""
    return polyline([*zip(xs, ends), *zip(xs[::-1], back[::-1])], "none", fill=fill, opacity=opacity)


def arrow(
    x1: float, y1: float, x2: float, y2: float, stroke: str = style.INK, width: float = 1.5, head: float = 7
) -> str:
    """A straight arrow from (x1, y1) to its tip at (x2, y2); nothing if it has no length."""
    length = hypot(x2 - x1, y2 - y1)
    if length < 1e-6:
        return ""
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    size = min(head, length)
    bx, by = x2 - ux * size, y2 - uy * size
    tip = [(x2, y2), (bx - uy * size / 2, by + ux * size / 2), (bx + uy * size / 2, by - ux * size / 2)]
    return line(x1, y1, bx, by, stroke, width=width) + polyline(tip, "none", fill=stroke)


def path(d: str, stroke: str = style.INK, fill: str = "none", **more) -> str:
    """A path in SVG's own words."""
    return f'<path d="{d}" fill="{fill}"{_line(stroke=stroke, **more)}/>'


def _line(stroke: str = "", width: float = 0, dash: str = "", opacity: float = 1) -> str:
    look = f' stroke="{stroke}"' if stroke else ""
    look += f' stroke-width="{width:g}"' if width else ""
    look += f' stroke-dasharray="{dash}"' if dash else ""
    return look + (f' opacity="{opacity:g}"' if opacity != 1 else "")
