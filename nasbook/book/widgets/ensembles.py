"""The ensemble knob: which codes a union of M draws gives on an edge, how far its gradient's pretence is from it."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasbook.book.widgets.gumbel_knob import temperature
from nasbook.drawing.figures.simplex import COLOURS, LETTERS
from nasbook.drawing.parts import axes, style, svg
from nasbook.drawing.parts.describe import probabilities as softmax
from nasbook.drawing.parts.shell import Frame, Shell, choice, steps

WIDTH, HEIGHT = 900, 430
MOST_DRAWS = 9
SHOWN = 120
STRIPS = (520.0, 92.0, 340.0)
"""Left, top and width of the strips of the operations."""
PROBABILITIES = {"one ahead": (0.5, 0.3, 0.2), "almost even": (0.36, 0.33, 0.31), "nearly sure": (0.85, 0.1, 0.05)}

Code = tuple[int, ...]


class EnsembleLaws(NamedTuple):
    """What the frames share: ``noise`` (M, n, 3), standard Gumbel, and the exact ``laws`` of the codes.

    A law is {code: probability} for every code of three operations, under (name of the probabilities, M).
    """

    noise: np.ndarray
    laws: Mapping[tuple[str, int], Mapping[Code, float]]


def prepare(
    rng: np.random.Generator, law: Callable[[Sequence[float], int], Mapping[Code, float]], draws: int = 2_000
) -> EnsembleLaws:
    """Draw the noise, and ask ``law(p, M)`` (``relaxations.code_probabilities``) for the law of every setting."""
    laws = {(name, m): dict(law(p, m)) for name, p in PROBABILITIES.items() for m in range(1, MOST_DRAWS + 1)}
    return EnsembleLaws(rng.gumbel(size=(MOST_DRAWS, draws, 3)), laws)


def unions(story: EnsembleLaws, probabilities: str, draws: int, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n, 3) of zeros and ones, and what straight-through takes for them, the soft union (n, 3).

    The code is the largest of ``draws`` one-hot vectors. Its gradient is that of the soft sample of the first
    vector that attains the maximum: of the first that drew the operation, or of the first of all where none did.
    """
    noisy = np.log(PROBABILITIES[probabilities]) + story.noise[:draws]  # (M, n, 3)
    soft = softmax(noisy / tau)
    hard = np.eye(3)[noisy.argmax(axis=-1)]  # (M, n) -> (M, n, 3)
    first = hard.argmax(axis=0)  # (M, n, 3) -> (n, 3); 0 where no draw hit
    return hard.max(axis=0), np.take_along_axis(soft, first[None], axis=0)[0]


def render(story: EnsembleLaws, probabilities: str, draws: int, tau: float) -> Frame:
    """The frame of one setting."""
    p, law = np.array(PROBABILITIES[probabilities]), story.laws[probabilities, draws]
    inclusion = np.array([sum(chance for code, chance in law.items() if k in code) for k in range(3)])
    codes, soft = unions(story, probabilities, draws, tau)
    gap = np.abs(codes - soft).mean(axis=0)  # (n, 3) -> (3,)
    likeliest = max(law, key=lambda code: (round(law[code], 12), -len(code)))
    several = sum(chance for code, chance in law.items() if len(code) > 1)
    reachable = sum(chance > 0 for chance in law.values())
    named = " and ".join(LETTERS[k] for k in likeliest)
    sentence = (
        f"M = {draws}, p = ({', '.join(f'{one:g}' for one in p)}): {reachable} of {len(law)} codes can be drawn, "
        f"the likeliest is {named} with {law[likeliest]:.3f}; an edge runs {inclusion.sum():.2f} of 3 "
        f"operations on average and more than one with probability {several:.3f}. At temperature {tau:.3g} what the "
        f"gradient takes for the code is {gap.mean():.2f} away from it."
    )
    left = STRIPS[0] - 40
    parts = [
        svg.text(20, 26, f"Which code does a union of {draws} draw{'s' if draws > 1 else ''} give?", 15),
        svg.text(20, 46, f"{reachable} of {len(law)} can be drawn; more than one operation: {several:.3f}"),
        *_codes(law, likeliest),
        svg.text(left, 26, f"How often does an operation run? {inclusion.sum():.2f} of 3 on average", 15),
        svg.text(left, 46, f"bar: in the code, tick: p; dots: the soft union at temperature {tau:.3g},"),
        svg.text(left, 64, f"full if the operation was drawn; mean gap to 1 or 0: {gap.mean():.2f}"),
        *_strips(p, inclusion, codes[:SHOWN], soft[:SHOWN], gap),
    ]
    return Frame(svg.page(WIDTH, HEIGHT, sentence, parts), sentence)


def explore(story: EnsembleLaws) -> Shell:
    """The widget: number of draws M, temperature, probabilities of the three operations."""
    controls = {
        "draws": steps("draws M", 2, 1, MOST_DRAWS),
        "tau": temperature(),
        "probabilities": choice("p", [(f"{name} {p}", name) for name, p in PROBABILITIES.items()]),
    }
    return Shell(lambda **values: render(story, **values), controls, HEIGHT)


def _codes(law: Mapping[Code, float], likeliest: Code) -> list[str]:
    """A row a code: its operations as letters in boxes, its probability as a bar."""
    left, top, width = 40.0, 92.0, 205.0
    parts = []
    for row, (code, chance) in enumerate(law.items()):
        y, chosen = top + 45 * row, code == likeliest
        for k, (letter, colour) in enumerate(zip(LETTERS, COLOURS)):
            x, full = left + 26 * k, k in code
            parts.append(svg.rect(x, y, 22, 22, colour if full else "white", stroke=colour if full else "#CCCCCC"))
            parts.append(svg.text(x + 11, y + 16, letter, 12, "middle", "white" if full else style.QUIET))
        parts.append(svg.rect(left + 90, y + 2, width * chance, 18, style.INK if chosen else style.QUIET))
        said = "cannot be drawn" if not chance else "below 0.001" if chance < 0.001 else f"{chance:.3f}"
        parts.append(svg.text(left + 96 + width * chance, y + 16, said + (", the likeliest" if chosen else "")))
    return parts


def _strips(p, inclusion, codes, soft, gap) -> list[str]:
    """An operation's share of codes as a bar with a tick at p, its soft unions as dots on the same axis."""
    left, top, width = STRIPS
    x, parts = axes.scale(0, 1, left, left + width), []
    for k, (letter, colour) in enumerate(zip(LETTERS, COLOURS)):
        y = top + 105 * k
        parts += [svg.line(x(at), y, x(at), y + 86) for at in (0, 0.5, 1)]
        parts.append(svg.text(left - 40, y + 18, letter, 15, ink=colour))
        parts.append(svg.rect(left, y + 4, width * inclusion[k], 18, colour, opacity=0.55))
        parts.append(svg.line(x(p[k]), y, x(p[k]), y + 26, style.INK, width=2.5))
        inside = inclusion[k] > 0.15
        place = x(inclusion[k]) + (-4 if inside else 6)
        parts.append(svg.text(place, y + 18, f"{inclusion[k]:.3f}", 12, "end" if inside else "start"))
        for number, (code, value) in enumerate(zip(codes[:, k], soft[:, k])):
            drop = y + 36 + 46 * (0.618034 * number % 1)
            parts.append(svg.circle(x(value), drop, 2.6, colour if code else "white", stroke=colour))
        parts += [svg.text(left - 40, y + 52, "gap", 11), svg.text(left - 40, y + 66, f"{gap[k]:.2f}", 11)]
    return parts + axes.columns(x, (0, 0.5, 1), top + 299)
