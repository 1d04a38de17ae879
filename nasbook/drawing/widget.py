"""The scrubber as a widget: a slider and a play button over the frames of scrubber.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets
import numpy as np

from nasbook.drawing import scrubber, shell
from nasbook.drawing.describe import Kinds


class Scrubber(shell.Shell):
    """A search to move through; ``.slider``, ``.play``, ``.frame`` and ``.errors`` are its parts.

    Without a kernel its last frame remains, wherever the slider stands.
    """

    def __init__(self, story: scrubber.Story):
        last = len(story.steps) - 1
        self.story = story
        self.slider = shell.steps("snapshot", last, 0, last)
        self.slider.layout.width = "520px"
        self.play = ipywidgets.Play(min=0, max=last, value=last, interval=400, description="play the search")
        ipywidgets.jslink((self.play, "value"), (self.slider, "value"))

        def render(index: int) -> shell.Frame:
            return shell.Frame(scrubber.render(story, index), scrubber.sentence(story, index))

        super().__init__(render, {"index": self.slider}, story.height, extra=(self.play,))

    def _repr_mimebundle_(self, **kwargs) -> dict:
        end = self.render(len(self.story.steps) - 1)
        return {**super()._repr_mimebundle_(**kwargs), "image/svg+xml": end.svg, "text/plain": end.sentence}


def explore(
    alphas: np.ndarray,
    steps: Sequence[int],
    kinds: Sequence[str],
    operations: Sequence[str],
    genotype_at: Sequence[Kinds] | Callable[[np.ndarray], Kinds],
) -> Scrubber:
    """The scrubber over the snapshots of a search; arguments and errors as in ``scrubber.prepare``."""
    return Scrubber(scrubber.prepare(alphas, steps, kinds, operations, genotype_at))
