"""The scrubber as a widget: a slider, a play button and a frame of fixed height around scrubber.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import ipywidgets
import numpy as np

from nasbook.drawing import scrubber
from nasbook.drawing.describe import Kinds


class Scrubber(ipywidgets.VBox):
    """Slider, play button and frame; ``.slider``, ``.frame`` and ``.errors`` are its parts.

    Without a kernel its last frame and sentence remain, as SVG and text beside the widget.
    """

    def __init__(self, story: scrubber.Story):
        last = len(story.steps) - 1
        self.story = story
        self.slider = ipywidgets.IntSlider(
            value=last,
            min=0,
            max=last,
            description="snapshot",
            continuous_update=True,
            layout={"width": "520px"},
        )
        self.play = ipywidgets.Play(min=0, max=last, value=last, interval=400, description="play the search")
        self.frame = ipywidgets.HTML()
        self.errors = ipywidgets.Output()
        ipywidgets.jslink((self.play, "value"), (self.slider, "value"))
        self.slider.observe(self._show, names=["value"])
        hold = ipywidgets.Box([self.frame], layout={"height": f"{story.height + 70}px", "overflow": "hidden"})
        super().__init__([ipywidgets.HBox([self.play, self.slider]), hold, self.errors])
        self._show({"new": last})

    def _show(self, change: dict) -> None:
        with self.errors:
            said = escape(scrubber.sentence(self.story, change["new"]))
            self.frame.value = f'{scrubber.render(self.story, change["new"])}<p aria-live="polite">{said}</p>'

    def _repr_mimebundle_(self, **kwargs) -> dict:
        last = len(self.story.steps) - 1
        still = {
            "image/svg+xml": scrubber.render(self.story, last),
            "text/plain": scrubber.sentence(self.story, last),
        }
        return {**super()._repr_mimebundle_(**kwargs), **still}


def explore(
    alphas: np.ndarray,
    steps: Sequence[int],
    kinds: Sequence[str],
    operations: Sequence[str],
    genotype_at: Sequence[Kinds] | Callable[[np.ndarray], Kinds],
) -> Scrubber:
    """The scrubber over the snapshots of a search; arguments and errors as in ``scrubber.prepare``."""
    return Scrubber(scrubber.prepare(alphas, steps, kinds, operations, genotype_at))
