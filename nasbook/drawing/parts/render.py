"""DOT text -> SVG, PNG or PDF, by the ``dot`` program if there is one, else by pygraphviz's wheel.

``pip install graphviz`` brings no ``dot``, which breaks most notebooks that draw graphs; the wheel of
pygraphviz carries Graphviz itself, so installing this package is enough.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from pathlib import Path

from nasbook.base.errors import NasbookError

FORMATS = ("svg", "png", "pdf")
SECONDS = 20.0
POINT = 4 / 3  # pixels of a web page in a point of Graphviz
DPI = 160
OPTIONS = {"png": (f"-Gdpi={DPI}",)}
DOCTOR = "`nasbook doctor` says what to install"


def engines() -> dict[str, str]:
    """What may draw here: {"dot": its path, "pygraphviz": the Graphviz version of its wheel}, in order."""
    found = {}
    if path := shutil.which("dot"):
        found["dot"] = path
    try:
        import pygraphviz

        found["pygraphviz"] = getattr(pygraphviz, "__graphviz_version__", "?")
    except ImportError:
        pass
    return found


def render(source: str, form: str = "svg") -> bytes:
    """Draw DOT ``source`` as bytes of ``form`` (svg, png or pdf).

    Raises NasbookError if the text is no DOT or nothing here can draw it within ``SECONDS``.
    """
    return render_all([source], form)[0]


def render_all(sources: Sequence[str], form: str = "svg") -> list[bytes]:
    """Draw many DOT texts; by the wheel in one process, because starting one costs fifty times a drawing.

    Raises NasbookError as ``render`` does.
    """
    return list(_render(tuple(sources), form)[1])


def drawn(source: str, form: str = "svg") -> tuple[str, bytes]:
    """(name, picture): which of ``engines`` drew DOT ``source``, and its bytes. Raises as ``render`` does."""
    name, (raw,) = _render((source,), form)
    return name, raw


def svg(source: str, sentence: str) -> str:
    """The SVG text of DOT ``source`` fit for a page: sized to its column, named by ``sentence`` for screen readers.

    Titles of nodes ("normal_0") would pop up as tooltips; ids would clash between two pictures on a page.
    """
    name = escape(sentence)
    look = "max-width:100%;height:auto;background:white"
    head = f' role="img" aria-label="{name}" style="{look}">\n<title>{name}</title>'
    text = _bare(render(source).decode("utf-8"))
    return re.sub(r"<svg([^>]*)>", lambda found: f"<svg{found[1]}{head}", text, count=1)


def nested(text: str, x: float, y: float, width: float, height: float) -> str:
    """Graphviz's SVG as a part of a larger one, shrunk to ``width`` x ``height`` pixels if need be."""
    text = _bare(text)
    left, top, wide, tall = (float(number) for number in re.search(r'viewBox="([^"]*)"', text)[1].split())
    scale = min(1.0, width / (wide * POINT), height / (tall * POINT)) * POINT
    size = f'x="{x}" y="{y}" width="{wide * scale:.1f}" height="{tall * scale:.1f}"'
    return re.sub(r"<svg[^>]*>", f'<svg {size} viewBox="{left} {top} {wide} {tall}">', text, count=1)


def _bare(text: str) -> str:
    """Without comments, titles and ids; with dashes that still read as such where the line is thick."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"<title>.*?</title>\n?", "", text, flags=re.DOTALL)
    text = text.replace('stroke-dasharray="5,2"', 'stroke-dasharray="7,4"')
    text = text.replace('stroke-dasharray="1,5"', 'stroke-dasharray="2,4"')
    return re.sub(r' (?:id|xml:space)="[^"]*"', "", text)


@lru_cache(maxsize=64)
def _render(sources: tuple[str, ...], form: str) -> tuple[str, tuple[bytes, ...]]:
    """The engine that drew, and its pictures."""
    reasons = []
    for name in engines():
        try:
            return name, _by_dot(sources, form) if name == "dot" else _by_wheel(sources, form)
        except subprocess.TimeoutExpired:
            reasons.append(f"{name} took longer than {SECONDS:.0f} seconds")
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            reasons.append(f"{name} failed: {_last_line(error)}")
    why = "; ".join(reasons) or "neither dot nor pygraphviz is installed"
    raise NasbookError(f"no Graphviz can draw this: {why}; {DOCTOR}")


def _by_dot(sources: tuple[str, ...], form: str) -> tuple[bytes, ...]:
    command = [shutil.which("dot"), f"-T{form}", *OPTIONS.get(form, ())]
    return tuple(
        subprocess.run(command, input=source.encode(), capture_output=True, timeout=SECONDS, check=True).stdout
        for source in sources
    )


def _by_wheel(sources: tuple[str, ...], form: str) -> tuple[bytes, ...]:
    command = [sys.executable, "-P", str(Path(__file__).with_name("wheel.py"))]
    task = json.dumps([(source, form, " ".join(OPTIONS.get(form, ()))) for source in sources]).encode()
    done = subprocess.run(command, input=task, capture_output=True, timeout=SECONDS, check=True)
    return tuple(base64.b64decode(text) for text in json.loads(done.stdout))


def _last_line(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error).encode()
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else type(error).__name__
