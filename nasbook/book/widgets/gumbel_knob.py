"""The Gumbel knob: what temperature and logits do to the samples of one edge, and to the gradients they give.

One edge with operations A, B, C that put out ``OUTPUTS``; y is their weighted sum, the loss is log(1 + exp(-y)).
"""

from typing import NamedTuple

import ipywidgets
import numpy as np

from nasbook.drawing.figures.simplex import COLOURS, LETTERS, places, triangle, written
from nasbook.drawing.parts import axes, style, svg
from nasbook.drawing.parts.describe import probabilities as softmax
from nasbook.drawing.parts.shell import Frame, Shell, choice, slider, wide

WIDTH, HEIGHT = 900, 430
CORNERS = np.array([[215.0, 102.0], [45.0, 385.0], [385.0, 385.0]])
SHOWN = 500
OUTPUTS = np.array([2.0, 1.0, -1.0])
ESTIMATORS = {
    "REINFORCE, baseline E[L]": "both",
    "concrete, pathwise": "soft",
    "straight-through, all run": "hard",
    "straight-through, one runs": "hard",
    "scalar trick, one runs": "hard",
}
"""Name -> which of the two samples, "soft" or "hard", the estimator belongs to."""
MOST = 1.0
"""Where the bars end; a longer one is cut and its number tells."""
STILLS = ({"tau": 0.1}, {"tau": 1.0}, {"tau": 10.0})


class Measured(NamedTuple):
    """Gradients in the three logits: ``exact`` (3,), and for each estimator its ``bias`` (length of the mean's
    error) and ``noise`` (standard deviation of one draw: the root of the total variance)."""

    exact: np.ndarray
    bias: dict[str, float]
    noise: dict[str, float]


def prepare(rng: np.random.Generator, draws: int = 10_000) -> np.ndarray:
    """Standard Gumbel noise (draws, 3) that all frames share, so that a point moves when a control does."""
    return rng.gumbel(size=(draws, 3))


def loss(y: np.ndarray) -> np.ndarray:
    """log(1 + exp(-y)), element by element."""
    return np.logaddexp(0.0, -y)


def gradients(logits: np.ndarray, noise: np.ndarray, tau: float) -> dict[str, np.ndarray]:
    """Each estimator's gradient (n, 3) in the logits (3,) from each draw of ``noise`` (n, 3).

    Concrete: y = sum of z_k o_k. The others draw k and put out o_k; they differ in what stands for dL/dh. All run:
    L'(y) o_j for each j. One runs: that of the drawn operation alone. Scalar trick: L'(y) o_k for the drawn k and
    L'(y) for all others, as if these had put out ones.
    """
    p = softmax(logits)
    soft = softmax((logits + noise) / tau)
    drawn = np.eye(3)[(logits + noise).argmax(axis=1)]  # (n,) -> (n, 3)
    y = drawn @ OUTPUTS
    mixed, slope = (-1 / (1 + np.exp(weights @ OUTPUTS))[:, None] for weights in (soft, drawn))  # (n, 3) -> (n, 1)
    one = slope * drawn * OUTPUTS
    terms = (mixed * OUTPUTS, slope * OUTPUTS, one, one + slope * (1 - drawn))
    reinforced = (loss(y) - p @ loss(OUTPUTS))[:, None] * (drawn - p)
    through = [soft * (c - np.einsum("nk,nk->n", soft, c)[:, None]) / tau for c in terms]  # (n, 3) -> (n,) -> (n, 1)
    return dict(zip(ESTIMATORS, [reinforced, *through]))


def measure(logits: np.ndarray, noise: np.ndarray, tau: float) -> Measured:
    """Bias and noise of each estimator against enumeration; those of REINFORCE are enumerated, not measured."""
    p, losses = softmax(logits), loss(OUTPUTS)
    exact = p * (losses - p @ losses)
    bias, spread = {}, {}
    for name, sample in gradients(logits, noise, tau).items():
        mean = sample.mean(axis=0)
        bias[name] = float(np.linalg.norm(mean - exact))
        spread[name] = float(np.sqrt(np.vdot(sample, sample) / len(sample) - mean @ mean))
    first = next(iter(ESTIMATORS))
    square = p @ ((losses - p @ losses) ** 2 * (1 - 2 * p + (p**2).sum()))  # |e_k - p|^2 = 1 - 2 p_k + |p|^2
    return Measured(exact, bias | {first: 0.0}, spread | {first: float(np.sqrt(square - (exact**2).sum()))})


def render(noise: np.ndarray, logit_a: float, logit_b: float, tau: float, sample: str) -> Frame:
    """The frame for logits (a, b, 0), a temperature and ``sample`` "soft" or "hard"."""
    logits = np.array([logit_a, logit_b, 0.0])
    p = softmax(logits)
    soft = softmax((logits + noise[:SHOWN]) / tau)
    winners = (logits + noise[:SHOWN]).argmax(axis=1)
    shares = np.bincount(winners, minlength=3) / SHOWN
    found = measure(logits, noise, tau)
    length = float(np.linalg.norm(found.exact))
    mean = soft.mean(axis=0)
    shown = [name for name, kind in ESTIMATORS.items() if kind in (sample, "both")]
    clear = float(np.mean(soft.max(axis=1) > 0.95))
    place = f"their mean is {written(mean)}" if sample == "soft" else f"{written(shares)} of them fall on A, B, C"
    said = "; ".join(f"{name}: bias {found.bias[name]:.3f}, noise {found.noise[name]:.3f}" for name in shown)
    sentence = (
        f"Temperature {tau:.3g}, p = {written(p)}: {clear:.0%} of {SHOWN} soft samples lie in a corner, {place}. The "
        f"exact gradient has length {length:.3f}. {said}."
    )
    outputs = ", ".join(f"{one:g}" for one in OUTPUTS)
    labels = [f"{letter}: p {one:.2f}, drawn {share:.2f}" for letter, one, share in zip(LETTERS, p, shares)]
    parts = [
        svg.text(20, 26, f"{SHOWN} samples, temperature {tau:.3g}{': discs hard, dots soft' * (sample == 'hard')}", 15),
        svg.text(20, 46, f"{clear:.0%} of the soft samples lie in a corner (largest weight above .95)"),
        *triangle(CORNERS, labels),
        *_points(soft, winners, shares, sample),
        *_marks(p, mean),
        svg.text(450, 26, "the gradient of the expected loss, from one draw", 15),
        svg.text(450, 46, f"A, B, C put out {outputs}; loss log(1 + exp(-y))"),
        *_bars(found, shown, length),
    ]
    return Frame(svg.page(WIDTH, HEIGHT, sentence, parts), sentence)


def explore(noise: np.ndarray) -> Shell:
    """The widget: two logits (the third is 0: a common constant changes nothing), the temperature, soft or hard."""
    controls = {
        "logit_a": slider("logit of A", 0.9, -2.0, 2.0, 0.1),
        "logit_b": slider("logit of B", 0.4, -2.0, 2.0, 0.1),
        "tau": temperature(),
        "sample": choice("sample", [("hard (one-hot)", "hard"), ("soft (concrete)", "soft")], "hard"),
    }
    return Shell(lambda **values: render(noise, **values), controls, HEIGHT, stills=STILLS)


def temperature() -> ipywidgets.FloatLogSlider:
    """A slider from .05 to 10 whose steps are factors of ten to the .1."""
    return ipywidgets.FloatLogSlider(value=1.0, min=-1.3, max=1, step=0.1, readout_format=".2f", **wide("temperature"))


def _points(soft: np.ndarray, winners: np.ndarray, shares: np.ndarray, sample: str) -> list[str]:
    """Each soft sample in the colour of the operation it favours; hard samples are the discs in the corners."""
    faint = 0.3 if sample == "hard" else 0.75
    at = places(soft, CORNERS)  # (n, 3) -> (n, 2)
    parts = [svg.dots(at[winners == place], 2, ink, fill_opacity=faint) for place, ink in enumerate(COLOURS)]
    if sample == "hard":
        parts += [svg.circle(x, y, 24 * share**0.5, ink) for (x, y), share, ink in zip(CORNERS, shares, COLOURS)]
    return parts


def _marks(p: np.ndarray, mean: np.ndarray) -> list[str]:
    """A cross at p, a square at the mean of the soft samples, and the key to both."""
    parts = [svg.text(314, 122, "p"), svg.text(314, 142, "mean soft sample")]
    for (x, y), (mx, my) in (places(np.vstack([p, mean]), CORNERS), ((300, 118), (300, 138))):
        parts += [svg.line(x - 7, y, x + 7, y, style.INK, width=2), svg.line(x, y - 7, x, y + 7, style.INK, width=2)]
        parts.append(svg.rect(mx - 5, my - 5, 10, 10, "white", stroke=style.INK, width=1.8))
    return parts


def _bars(found: Measured, shown: list[str], length: float) -> list[str]:
    """Two bars an estimator, bias above noise; those of the other kind of sample are faint, and say so."""
    left, top, width = 725.0, 96.0, 150.0
    bottom = top + 56 * len(ESTIMATORS)
    x = axes.scale(0, MOST, left, left + width, clip=True)
    parts = axes.columns(x, (0, 0.5, 1), bottom, top - 4)
    for row, name in enumerate(ESTIMATORS):
        y, opacity = top + 56 * row, 1.0 if name in shown else 0.25
        ink = style.INK if name in shown else style.QUIET
        parts.append(svg.text(450, y + 20, name, ink=ink))
        if name not in shown:
            parts.append(svg.text(450, y + 35, f"(pale: made of {ESTIMATORS[name]} samples)", 11, ink=ink))
        bias, noise = (found.bias[name], "#D55E00", "bias", 3), (found.noise[name], "#56B4E9", "noise", 20)
        for value, colour, word, drop in (bias, noise):
            parts.append(svg.text(left - 8, y + drop + 11, f"{word} {value:.3f}", 11, "end", ink))
            parts.append(svg.rect(left, y + drop, x(value) - left, 13, colour, opacity=opacity))
            if value > MOST:
                parts.append(svg.text(left + width + 4, y + drop + 11, ">", ink=ink))
    parts.append(svg.line(x(length), top - 10, x(length), bottom, style.INK, width=1.5, dash="5 4"))
    return [*parts, svg.text(450, top - 14, f"dashed: length of the exact gradient, {length:.3f}")]
