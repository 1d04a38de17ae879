"""A widget is a shell: controls, a pure function from their values to a frame, and a place of fixed height."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets

from nasbook.drawing.parts.svg import Frame, stack

CAPTION = 70
"""Pixels below a frame for its sentence, three lines, so that nothing below the widget jumps."""


class Shell(ipywidgets.VBox):
    """Controls over a frame; ``.controls``, ``.frame`` and ``.errors`` are its parts.

    ``render(**values)`` gets the value of each control by name and returns a ``Frame``. ``height``: that
    of the tallest frame, in pixels. ``extra``: further widgets beside the first control, such as a play
    button. Without a kernel the frame that was there when it was shown remains, as SVG and text, or one below the
    other a frame for each of ``stills``: values that replace those of the controls.
    """

    def __init__(
        self,
        render: Callable[..., Frame],
        controls: Mapping[str, ipywidgets.Widget],
        height: int,
        extra: tuple[ipywidgets.Widget, ...] = (),
        stills: Sequence[Mapping[str, Any]] = (),
    ):
        self.render, self.stills, self.height = render, stills, height
        self.controls = dict(controls)
        self.frame = ipywidgets.HTML()
        self.errors = ipywidgets.Output()
        for control in self.controls.values():
            control.observe(self._show, names=["value"])
        hold = ipywidgets.Box([self.frame], layout={"height": f"{height + CAPTION}px", "overflow": "hidden"})
        row = ipywidgets.Box([*extra, *self.controls.values()], layout={"flex_flow": "row wrap"})
        super().__init__([row, hold, self.errors])
        self._show()

    def now(self, **instead: Any) -> Frame:
        """The frame of the present values, or of those that stand ``instead``."""
        return self.render(**{name: control.value for name, control in self.controls.items()} | instead)

    def left(self) -> Frame:
        """What remains for a reader without a kernel."""
        return stack([self.now(**still) for still in self.stills], self.height) if self.stills else self.now()

    def _show(self, change: Mapping | None = None) -> None:
        with self.errors:
            svg, sentence = self.now()
            caption = f'<p aria-live="polite" style="margin:6px 0;line-height:19px">{escape(sentence)}</p>'
            self.frame.value = svg + caption

    def _repr_mimebundle_(self, **kwargs) -> dict:
        svg, sentence = self.left()
        return {**super()._repr_mimebundle_(**kwargs), "image/svg+xml": svg, "text/plain": sentence}


def slider(description: str, value: float, low: float, high: float, step: float = 0.01) -> ipywidgets.FloatSlider:
    """A slider over numbers, wide enough for its description, that reports while it is dragged."""
    return ipywidgets.FloatSlider(value=value, min=low, max=high, step=step, readout_format=".2f", **wide(description))


def steps(description: str, value: int, low: int, high: int) -> ipywidgets.IntSlider:
    """A slider over whole numbers, wide enough for its description, that reports while it is dragged."""
    return ipywidgets.IntSlider(value=value, min=low, max=high, **wide(description))


def choice(description: str, options, value=None) -> ipywidgets.Dropdown:
    """One of several values, the first without another ``value``; ``options`` are strings or pairs (name, value)."""
    first = {} if value is None else {"value": value}
    return ipywidgets.Dropdown(options=options, **first, **wide(description))


def wide(description: str) -> dict:
    """What makes a control wide enough for its ``description``."""
    label = 8 * len(description) + 12
    look = {"style": {"description_width": f"{label}px"}, "layout": {"width": f"{label + 240}px"}}
    return {"description": description, **look}
