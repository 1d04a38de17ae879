"""The one door from a thing to its picture, so that nothing below the drawings imports them.

A thing asks for a picture by its name in ``nasbook.drawing.pictures`` and hands over plain data; the module is looked
up when the picture is wanted, not before.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol


class Picture(Protocol):
    """What a drawing gives: it shows itself, says one sentence and can be saved."""

    sentence: str

    def save(self, path: str | Path) -> Path:
        """Write it as a file."""


class Shown:
    """A thing that shows itself by the picture that its ``draw`` gives."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.draw()._repr_mimebundle_()

    @staticmethod
    def _drawn(name: str, *plain: Any) -> Any:
        """What the drawing called ``name`` makes of ``plain`` data."""
        return import_module("nasbook.drawing.pictures").drawn(name, *plain)
