"""The scrubber as a widget: an epoch slider with a play button, the kind of cell, the edge, and their frame."""

import ipywidgets

from nasbook.drawing.parts import shell
from nasbook.drawing.scrubber import frames
from nasbook.drawing.scrubber.story import Story


class Scrubber(shell.Shell):
    """One search to move through, or two; ``.slider``, ``.play``, ``.menus``, ``.frame`` and ``.errors`` are its parts.

    A menu of one choice is not shown. Without a kernel start, middle and end remain, wherever the slider stands.
    """

    def __init__(self, *stories: Story):
        first, last = frames.span(stories)
        kinds = frames.kinds(stories)
        self.stories = stories
        self.slider = shell.steps("epoch", last, first, last)
        self.slider.layout.width = "330px"
        # milliseconds: a long search plays for twelve seconds, a short one takes .4 an epoch
        pace = max(60, min(400, 12_000 // (last - first + 1)))
        self.play = ipywidgets.Play(min=first, max=last, value=last, interval=pace, description="play the search")
        ipywidgets.jslink((self.play, "value"), (self.slider, "value"))
        self.menus = {
            "kind": shell.choice("cell", kinds),
            "edge": shell.choice("edge", frames.edges(stories), frames.telling_edge(stories)),
        }
        for menu in self.menus.values():
            menu.layout.width = "190px"
        shown = {name: menu for name, menu in self.menus.items() if len(menu.options) > 1}

        def render(epoch: int, kind: str = kinds[0], edge: str = self.menus["edge"].value) -> shell.Frame:
            return frames.render(stories, epoch, kind, edge)

        # a run's sentence takes 44 pixels beyond the place that a shell has for one, a further run's 70
        room = frames.height(stories) + 44 + 70 * (len(stories) - 1)
        super().__init__(render, {"epoch": self.slider, **shown}, room, extra=(self.play,))

    def left(self) -> shell.Frame:
        return frames.still(self.stories, self.menus["kind"].value, self.menus["edge"].value)


def explore(*stories: Story) -> Scrubber:
    """The scrubber over one search, or over two side by side, each made by ``story.prepare``.

    Two searches may differ in method, length, nodes and operations: they share epochs, colours and axes.
    Raises NasbookError for more than two.
    """
    return Scrubber(*stories)
