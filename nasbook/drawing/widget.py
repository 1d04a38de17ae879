"""The scrubber as a widget: an epoch slider with a play button, the kind of cell, the edge, and their frame."""

from __future__ import annotations

import ipywidgets

from nasbook.drawing import scrubber, shell
from nasbook.drawing.story import Story

STORY = 64
"""Pixels that the sentence of a further run takes."""

SHOW = 12_000
"""Milliseconds that a long search plays; a short one takes ``FRAME`` an epoch."""

FRAME = 400


class Scrubber(shell.Shell):
    """One search to move through, or two; ``.slider``, ``.play``, ``.frame`` and ``.errors`` are its parts.

    Without a kernel its start, middle and end remain, wherever the slider stands.
    """

    def __init__(self, *stories: Story):
        first, last = scrubber.span(stories)
        kinds = scrubber.kinds(stories)
        self.stories = stories
        self.slider = shell.steps("epoch", last, first, last)
        pace = max(60, min(FRAME, SHOW // (last - first + 1)))
        self.play = ipywidgets.Play(min=first, max=last, value=last, interval=pace, description="play the search")
        ipywidgets.jslink((self.play, "value"), (self.slider, "value"))
        controls = {
            "epoch": self.slider,
            "kind": shell.choice("cell", kinds),
            "edge": shell.choice("edge", scrubber.edges(stories), scrubber.telling_edge(stories)),
        }
        for name in ("kind", "edge"):
            controls[name].layout.width = "190px"

        def render(epoch: int, kind: str, edge: str) -> shell.Frame:
            return scrubber.render(stories, epoch, kind, edge)

        super().__init__(render, controls, scrubber.height(stories) + STORY * (len(stories) - 1), extra=(self.play,))

    def _repr_mimebundle_(self, **kwargs) -> dict:
        left = scrubber.still(self.stories, self.controls["kind"].value, self.controls["edge"].value)
        return {**super()._repr_mimebundle_(**kwargs), "image/svg+xml": left.svg, "text/plain": left.sentence}


def explore(*stories: Story) -> Scrubber:
    """The scrubber over one search, or over two side by side, each made by ``story.prepare``.

    Two searches may differ in method, length, nodes and operations: they share epochs, colours and axes.
    Raises NasbookError for more than two.
    """
    return Scrubber(*stories)
