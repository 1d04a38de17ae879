"""A picture with its sentence: what every drawing function of the book hands to a notebook."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from nasbook.base.errors import NasbookError, one_of
from nasbook.base.files import write_atomically
from nasbook.drawing.parts import render, style

if TYPE_CHECKING:
    import graphviz
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

DPI = 110

Bundle = tuple[dict[str, str], dict[str, dict[str, str]]]
"""What a notebook shows: data and, where there is any, what is to be known of it, both by MIME type."""


@dataclass(frozen=True)
class Picture:
    """A graph (``svg`` given) or a figure (``png`` given), and one ``sentence`` computed from its data.

    ``.graph`` is the ``graphviz.Digraph`` (of a chart of several, a tuple of them) or the
    ``matplotlib.figure.Figure`` it was made from, for whoever wants to change it.
    """

    sentence: str
    graph: graphviz.Digraph | tuple[graphviz.Digraph, ...] | Figure
    svg: str | None = None
    png: bytes | None = None

    @classmethod
    def of_figure(cls, figure: Figure, sentence: str) -> Picture:
        """A matplotlib figure as PNG at ``DPI`` dots an inch, the same bytes each time on one machine."""
        return cls(sentence=sentence, graph=figure, png=figure_bytes(figure, "png"))

    def __repr__(self) -> str:
        return self.sentence

    def _repr_mimebundle_(self, include=None, exclude=None) -> Bundle:
        data, about = {"text/plain": self.sentence}, {}
        if self.svg is not None:
            data["image/svg+xml"] = self.svg
        if self.png is not None:
            data["image/png"] = base64.b64encode(self.png).decode()
            about["image/png"] = {"alt": self.sentence}
        return data, about

    def save(self, path: str | Path) -> Path:
        """Write the picture as ``.svg``, ``.png`` or ``.pdf`` (a chart of several graphs as ``.svg`` only), whole
        or not at all.

        Raises NasbookError for another suffix or a folder that cannot be written.
        """
        target = Path(path)
        forms = ("svg",) if isinstance(self.graph, tuple) else render.FORMATS
        form = one_of(target.suffix.lower().lstrip("."), forms, "picture format")
        if self.svg is None:
            content = figure_bytes(self.graph, form)
        else:
            content = self.svg if form == "svg" else render.render(self.graph.source, form)
        write_atomically(target, content)
        return target


def bundle(sentence: str, draw: Callable[[], Picture]) -> Bundle:
    """What a notebook shows of a picture; where it cannot be drawn, ``sentence`` and why not."""
    try:
        return draw()._repr_mimebundle_()
    except NasbookError as error:
        return {"text/plain": f"{sentence}\n(not drawn: {error})"}, {}


@contextmanager
def panels(
    wide: float, tall: float, rows: int = 1, columns: int = 1, **more
) -> Iterator[tuple[Figure, Axes | np.ndarray]]:
    """A figure of so many inches in the book's look, made without pyplot, and its axes: of several panels an array."""
    from matplotlib.figure import Figure

    with style.rc():
        figure = Figure(figsize=(wide, tall), layout="constrained")
        yield figure, figure.subplots(rows, columns, **more)


def percent(*sides: Axis) -> None:
    """Write the fractions along these sides of a panel as per cent."""
    from matplotlib.ticker import PercentFormatter

    for side in sides:
        side.set_major_formatter(PercentFormatter(1.0))


def figure_bytes(figure: Figure, form: str) -> bytes:
    """A matplotlib figure as bytes of ``form`` (png, svg or pdf), without date and version of its maker.

    A PNG is reduced to 256 colours: a third of the bytes, and a notebook with its outputs has 300 KB.
    """
    stream = io.BytesIO()
    with style.rc():
        if form != "png":
            nothing = {"Date": None, "Creator": None} if form == "svg" else {"CreationDate": None}
            figure.savefig(stream, format=form, metadata=nothing)
            return stream.getvalue()
        figure.savefig(stream, format="png", dpi=DPI)
    reduced = Image.open(stream).convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    reduced.save(stream, format="png", optimize=True)
    return stream.getvalue()
