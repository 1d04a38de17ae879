"""Shows the code of the package in a notebook, so that it is never pasted there."""

import inspect
import re
from dataclasses import dataclass

from nasbook.base.errors import NasbookError


@dataclass(frozen=True)
class Listing:
    """The source ``text`` of ``name``, shown as a highlighted block headed by its name and length."""

    name: str
    text: str

    @property
    def heading(self) -> str:
        """Dotted name and number of lines: nothing that changes with the machine or with code elsewhere."""
        count = len(self.text.splitlines())
        return f"{self.name} ({count} line{'s' * (count != 1)})"

    def __repr__(self) -> str:
        return f"{self.heading}\n\n{self.text}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        longest = max((len(run) for run in re.findall("`+", self.text)), default=0)
        fence = "`" * max(3, longest + 1)
        name, _, count = self.heading.partition(" ")
        return {
            "text/markdown": f"**`{name}`** {count}\n\n{fence}python\n{self.text}\n{fence}",
            "text/plain": repr(self),
        }


def source(thing: object) -> Listing:
    """The source of a function, method, class or module.

    Raises NasbookError for anything else, and for what was not written in Python.
    """
    target = inspect.unwrap(thing) if callable(thing) else thing
    try:
        text = inspect.getsource(target)
    except (TypeError, OSError) as error:
        raise NasbookError(
            f"{thing!r} has no Python source to show: give a function, a class or a module of the package"
        ) from error
    module = getattr(target, "__module__", None)
    name = f"{module}.{target.__qualname__}" if module else target.__name__
    return Listing(name=name, text=inspect.cleandoc("\n" + text).rstrip())
