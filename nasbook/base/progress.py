"""Signs of life during a long loop.

One switch, ``$NASBOOK_PROGRESS``, never a guess about the front end inside the loop: ``bar`` (a widget
that disappears when done), ``lines`` (one printed line an epoch), ``file:PATH`` (the same lines appended
to a file, which ``nasbook run`` follows on the terminal while the notebook stays clean) or ``off``.
Unset, a Jupyter kernel gets the bar and everything else the lines.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nasbook.base.errors import one_of


@contextmanager
def reporter(label: str, total: int, done: int = 0) -> Iterator[Callable[[str], None]]:
    """Yield ``report(text)``, to be called once for each of ``total`` units, ``done`` of them already over."""
    mode = os.environ.get("NASBOOK_PROGRESS") or ("bar" if "ipykernel" in sys.modules else "lines")
    name, _, path = mode.partition(":")
    one_of(name, ["bar", "lines", "file", "off"], "NASBOOK_PROGRESS")
    if name == "bar":
        from tqdm.auto import tqdm

        with tqdm(total=total, initial=done, desc=label, leave=False) as bar:
            yield lambda text: (bar.set_postfix_str(text, refresh=False), bar.update())
        return

    count = done

    def report(text: str) -> None:
        nonlocal count
        count += 1
        line = f"{label}  {count}/{total}  {text}"
        if name == "lines":
            print(line, flush=True)
        elif name == "file":
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(line + "\n")

    yield report
