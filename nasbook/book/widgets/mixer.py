"""The mixed-operation mixer: what one edge puts out while it is searched, and what is left of it afterwards."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasbook.drawing.parts import style, svg
from nasbook.drawing.parts.describe import probabilities as softmax
from nasbook.drawing.parts.shell import Frame, Shell, slider

WIDTH, HEIGHT = 900, 440
MAP, TOP, BIG, LOW = 92.0, 290.0, 176.0, 52.0
"""Side and top edge of the maps below, side and top edge of those above."""
TINTS = 10
"""Shades between white and a full colour: few enough that a map is a few dozen path elements."""
POSITIVE, NEGATIVE = (0, 114, 178), (213, 94, 0)
STILLS = ({"sharpness": 1.0}, {"sharpness": 20.0})


class MixerPlane(NamedTuple):
    """What the frames share: ``operations`` (O,) and their ``outputs`` (O, C, H', W'); ``allowed`` (O,) says which may
    be chosen; ``reach`` is the value of a full colour. As SVG: the ``image``, each operation's ``small`` map in its
    place below and its ``large`` one, as what is kept."""

    operations: tuple[str, ...]
    outputs: np.ndarray
    allowed: np.ndarray
    reach: float
    image: str
    small: tuple[str, ...]
    large: tuple[str, ...]


class Mix(NamedTuple):
    """One setting: ``weights`` (O,), the ``blend`` (C, H', W'), the ``chosen`` operation and the relative ``gap``."""

    weights: np.ndarray
    blend: np.ndarray
    chosen: int
    gap: float


def prepare(image: np.ndarray, outputs: np.ndarray, operations: Sequence[str]) -> MixerPlane:
    """``image`` (H, W, 3) in [0, 1]; ``outputs`` (O, C, H', W') of at most 8 ``operations`` (O,), in their order."""
    image, outputs = np.asarray(image, dtype=float), np.asarray(outputs, dtype=float)
    allowed = np.array([name != "none" for name in operations])
    reach = float(np.quantile(np.abs(outputs[allowed]), 0.99)) or float(np.abs(outputs).max())
    small = tuple(_map(output[0], reach, _column(place), TOP, MAP) for place, output in enumerate(outputs))
    large = tuple(_map(output[0], reach, 465, LOW, BIG) for output in outputs)
    return MixerPlane(tuple(operations), outputs, allowed, reach, _picture(image, 20, LOW, BIG), small, large)


def mix(story: MixerPlane, alphas: Sequence[float], sharpness: float = 1.0) -> Mix:
    """The blend under softmax(sharpness * alphas), and the operation that DARTS's rule would keep.

    ``gap``: |blend - output of the chosen| / |output of the chosen|, over all channels and pixels.
    """
    logits = np.asarray(alphas, dtype=float)
    weights = softmax(sharpness * logits)
    blend = np.einsum("o,ochw->chw", weights, story.outputs)  # (O,), (O, C, H', W') -> (C, H', W')
    # by the logits: at sharpness 0 all weights are equal, and the best stays the best
    chosen = int(np.where(story.allowed, logits, -np.inf).argmax())
    target = story.outputs[chosen]
    return Mix(weights, blend, chosen, float(np.linalg.norm(blend - target) / np.linalg.norm(target)))


def render(story: MixerPlane, alphas: Sequence[float], sharpness: float = 1.0) -> Frame:
    """The frame of one setting, channel 0 of every map."""
    now = mix(story, alphas, sharpness)
    names, weight = story.operations, now.weights[now.chosen]
    kept, largest = names[now.chosen], names[int(now.weights.argmax())]
    sentence = f"The edge would keep {kept}, with weight {weight:.3f}; everything else weighs {1 - weight:.3f}"
    if now.weights.max() > weight:
        sentence += f"; {largest} weighs more, {now.weights.max():.3f}, but cannot be chosen"
    sentence += f"; the gap between the blend and what is kept is {now.gap:.0%} of the latter."
    missing = story.outputs[now.chosen, 0] - now.blend[0]
    above = [
        (20, "the image", story.image),
        (225, "the blend: what the search trains", _map(now.blend[0], story.reach, 225, LOW, BIG)),
        (465, f"{_label(kept)} alone: what is kept", story.large[now.chosen]),
        (705, "kept minus blend: the gap", _map(missing, story.reach, 705, LOW, BIG)),
    ]
    parts = []
    for x, words, drawn in above:
        parts += [svg.text(x, LOW - 12, words, 13), drawn, _frame(x, LOW, BIG)]
    words = f"the operations' outputs (blue above 0, orange below) and their weights; gap {now.gap:.0%}"
    parts.append(svg.text(20, TOP - 36, words, 13))
    for place, (name, share) in enumerate(zip(names, now.weights)):
        parts += _candidate(story, place, name, share, place == now.chosen)
    return Frame(svg.page(WIDTH, HEIGHT, sentence, parts), sentence)


def explore(story: MixerPlane, alphas: Sequence[float] | None = None) -> Shell:
    """The widget: a slider for each alpha, from ``alphas`` (O,) or 0, and one that sharpens them all."""
    start = np.zeros(len(story.operations)) if alphas is None else np.asarray(alphas, dtype=float)
    first = np.clip(start, -3, 3).tolist()
    controls = {name: slider(_label(name), alpha, -3, 3, 0.05) for name, alpha in zip(story.operations, first)}
    for control in controls.values():
        control.layout.width = "218px"
    controls["sharpness"] = slider("all alphas times", 1.0, 0, 20, 0.5)

    def show(sharpness: float, **values: float) -> Frame:
        return render(story, [values[name] for name in story.operations], sharpness)

    return Shell(show, controls, HEIGHT, stills=STILLS)


def _candidate(story: MixerPlane, place: int, name: str, share: float, chosen: bool) -> list[str]:
    x, look = _column(place), style.look(name)
    bar = 34 * share
    parts = [
        svg.text(x, TOP - 12, _label(name), 12, ink=look.ink),
        story.small[place],
        _frame(x, TOP, MAP, 3.5 if chosen else 1),
        svg.rect(x, TOP + MAP + 42 - bar, 22, bar, look.colour, f"{name}: {share:.3f}"),
        svg.line(x, TOP + MAP + 42, x + MAP, TOP + MAP + 42, style.QUIET, width=1),
        svg.text(x + 28, TOP + MAP + 38, f"{share:.3f}", 12),
    ]
    return [*parts, svg.text(x + 28, TOP + MAP + 22, "kept", 12)] if chosen else parts


def _column(place: int) -> float:
    return 20 + place * (WIDTH - 40) / 8


def _label(operation: str) -> str:
    return " ".join(style.look(operation).label.split())


def _frame(x: float, y: float, side: float, width: float = 1) -> str:
    return svg.rect(x, y, side, side, "none", stroke=style.INK if width > 1 else style.QUIET, width=width)


def _map(values: np.ndarray, reach: float, x: float, y: float, side: float) -> str:
    """(H, W) numbers as squares: white at 0, blue above, orange below, full at ``reach``; one path a shade."""
    shades = np.rint(np.clip(values / reach, -1, 1) * TINTS).astype(int)
    found = np.unique(shades[shades != 0]).tolist()
    colours = {shade: style.tint(POSITIVE if shade > 0 else NEGATIVE, abs(shade) / TINTS) for shade in found}
    return _pixels(shades, colours, x, y, side)


def _picture(image: np.ndarray, x: float, y: float, side: float) -> str:
    """(H, W, 3) as squares, one path a colour."""
    levels = np.rint(np.clip(image, 0, 1) * 15).astype(int)
    codes = levels @ (256, 16, 1)  # (H, W, 3) -> (H, W): one hexadecimal digit a channel
    return _pixels(codes, {int(code): f"#{code:03X}" for code in np.unique(codes)}, x, y, side)


def _pixels(codes: np.ndarray, colours: Mapping[int, str], x: float, y: float, side: float) -> str:
    """Whole numbers (H, W) in their ``colours``, on a square of ``side``; within it a pixel has the side 1."""
    tall, wide = side / codes.shape[0], side / codes.shape[1]
    paths = []
    for code, colour in colours.items():
        # neighbours in a row are one rectangle, which a fill closes by itself
        edges = np.diff(np.pad((codes == code).astype(int), ((0, 0), (1, 1))), axis=1)  # (H, W) -> (H, W + 1)
        begins, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)[:, 1]
        d = "".join(f"M{first} {row}h{last - first}v1h{first - last}" for (row, first), last in zip(begins, ends))
        paths.append(svg.path(d, "", colour))
    return f'<g transform="translate({x:g} {y:g}) scale({wide:g} {tall:g})">{"".join(paths)}</g>'
