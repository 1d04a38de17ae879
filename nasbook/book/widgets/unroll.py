"""The controller unrolled: an architecture is a sentence, spoken decision by decision."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING

from nasbook.drawing.parts import style, svg
from nasbook.drawing.parts.shell import Frame, Shell, choice, steps

if TYPE_CHECKING:
    from nasbook.searchers.controllers.unrolling import Sentence, Word

WIDTH, HEIGHT = 900, 470
LEFT, ROW = 20, 92
"""Where the row of decisions begins, in pixels."""
UP, DOWN, HERE = "#0072B2", "#A84A00", "#D55E00"
SHADES = ("#E8F1F8", "#F6EFE2", "#EAF4EC", "#F3EAF2", "#F0F0F0")
"""Background of a layer's decisions."""

Story = Mapping[tuple[str, float, int], "Sentence"]
"""Told sentences by (controller, temperature, draw)."""


def render(story: Story, controller: str, temperature: float, draw: int, step: int) -> Frame:
    """The frame after ``step`` decisions of one sentence; at the end, what its lesson changes."""
    told = story[controller, temperature, draw]
    words, total = told.words, len(told.words)
    said = sum(log(word.chances[word.chosen]) for word in words[:step])
    done = step == total
    sentence = f"{controller} controller, temperature {temperature:g}: "
    if done:
        gain, raised = told.reward - told.baseline, sum(word.after > word.chances[word.chosen] for word in words)
        sentence += (
            f"it wrote {told.stack}, log-probability {said:.2f}; reward {told.reward:.3f} against the baseline "
            f"{told.baseline:.3f}, so every word has the weight {gain:+.3f}; {raised} of the {total} words "
            "become likelier."
        )
    else:
        word = words[step]
        chances = ", ".join(f"{name} {chance:.2f}" for name, chance in zip(word.names, word.chances))
        sentence += (
            f"decision {step + 1} of {total}, layer {word.layer}, {word.question.rstrip('?')}: {chances}; it draws "
            f"{word.names[word.chosen]}; log-probability so far {said:.2f}."
        )
    parts = [
        svg.text(LEFT, 26, "the sentence, word by word", 15),
        *_row(told, step),
        *(_lesson(told) if done else _bars(words[step])),
        svg.text(520, 206, "the network so far" if not done else "the network", 15),
        *_network(words[:step], words[-1].layer, done),
    ]
    return Frame(svg.page(WIDTH, HEIGHT, sentence, parts), sentence)


def explore(story: Story, step: int | None = None, draw: int | None = None) -> Shell:
    """The widget: which controller, its temperature, which draw, and how far it has spoken.

    ``step`` and ``draw``: what it shows at first, by default two thirds of the first sentence.
    """
    controllers, temperatures, draws = (list(dict.fromkeys(key[part] for key in story)) for part in range(3))
    longest = min(len(told.words) for told in story.values())
    controls = {
        "step": steps("decisions made", longest * 2 // 3 if step is None else step, 0, longest),
        "controller": choice("controller", controllers),
        "temperature": choice("temperature", [(f"{value:g}", value) for value in temperatures], 1.0),
        "draw": steps("draw", draws[0] if draw is None else draw, draws[0], draws[-1]),
    }
    return Shell(lambda **values: render(story, **values), controls, HEIGHT)


def _row(told: Sentence, step: int) -> list[str]:
    """One box for each decision, those that are made filled in; shaded layer by layer."""
    words = told.words
    wide = (WIDTH - 2 * LEFT) / len(words)
    parts = []
    for layer in sorted({word.layer for word in words}):
        places = [place for place, word in enumerate(words) if word.layer == layer]
        x, shade = LEFT + wide * places[0], SHADES[(layer - 1) % len(SHADES)]
        parts.append(svg.rect(x + 1, ROW - 44, wide * len(places) - 2, 116, shade))
        parts.append(svg.text(x + 6, ROW - 28, f"layer {layer}"))
    for place, word in enumerate(words):
        x = LEFT + wide * place
        made, here = place < step, place == step
        parts.append(svg.text(x + wide / 2, ROW - 8, word.question, 11.5, "middle"))
        colour, width = (HERE, 2.4) if here else (style.QUIET, 1)
        parts.append(svg.rect(x + 5, ROW, wide - 10, 34, "white", stroke=colour, width=width))
        name = word.names[word.chosen] if made else "?"
        parts.append(svg.text(x + wide / 2, ROW + 22, name, 14, "middle", "" if made else style.QUIET))
        if made:
            parts.append(svg.text(x + wide / 2, ROW + 54, f"p {word.chances[word.chosen]:.2f}", 11.5, "middle"))
        if place:
            parts.append(svg.arrow(x - 5, ROW + 17, x + 5, ROW + 17, style.QUIET, 1.2, 5))
    return parts


def _bars(word: Word) -> list[str]:
    """The chances of the decision at hand; the answer that is drawn has a thick frame and a mark."""
    parts = [svg.text(LEFT, 206, f"layer {word.layer}, {word.question}", 15)]
    for place, (name, chance) in enumerate(zip(word.names, word.chances)):
        y, drawn = 226 + 40 * place, place == word.chosen
        parts.append(svg.text(LEFT + 60, y + 18, name, 13, "end"))
        parts.append(svg.rect(LEFT + 70, y, 240 * chance, 26, "#9CC3DF" if drawn else "#D9D9D9"))
        if drawn:
            parts.append(svg.rect(LEFT + 70, y, 240, 26, "none", stroke=HERE, width=2))
        parts.append(svg.text(LEFT + 320, y + 18, f"{chance:.2f}{'  drawn' * drawn}", 13))
    return parts


def _lesson(told: Sentence) -> list[str]:
    """Each word's chance before and after one step for this sentence alone."""
    gain = told.reward - told.baseline
    parts = [
        svg.text(LEFT, 206, "what one lesson changes", 15),
        svg.text(LEFT, 226, f"reward {told.reward:.3f} - baseline {told.baseline:.3f} = {gain:+.3f}, for every word"),
    ]
    row = min(18, 220 / len(told.words))
    for place, word in enumerate(told.words):
        y, before = 246 + row * place, word.chances[word.chosen]
        sign, ink = ("+", UP) if word.after > before else ("-", DOWN)
        words = f"layer {word.layer} {word.question} {word.names[word.chosen]}"
        parts.append(svg.text(LEFT + 180, y, words, 11.5, "end"))
        x, end = (LEFT + 195 + 190 * value for value in (before, word.after))
        parts.append(svg.line(LEFT + 195, y - 4, LEFT + 385, y - 4))
        parts.append(svg.circle(x, y - 4, 3, style.QUIET))
        parts.append(svg.arrow(x, y - 4, end, y - 4, ink, 2.2, 6))
        parts.append(svg.text(LEFT + 395, y, f"{sign}{abs(word.after - before):.3f}", 11.5, "start", ink))
    return parts


def _network(words: tuple[Word, ...], layers: int, done: bool) -> list[str]:
    """Image, the layers of which anything is known from the bottom up, and the classifier once all is said."""
    found: dict[int, dict[str, str]] = {}
    for word in words:
        found.setdefault(word.layer, {})[word.question] = word.names[word.chosen]
    gap, read = 200 / (layers + 1), set()
    where = {number: (610.0, 440 - gap * number) for number in range(layers + 2)}
    parts = [_box(*where[0], "image")]
    for layer, said in found.items():
        inputs = [int(question[6:-1]) for question, answer in said.items() if answer == "yes"]
        read |= set(inputs)
        # before its anchor point has spoken nobody knows what a layer reads
        anchored = sum(question.startswith("reads") for question in said) == layer - 1
        for number in (inputs or [0]) if "filters" in said and anchored else ():
            parts += _edge(where, number, layer)
        label = f"{said.get('height', '?')}x{said.get('width', '?')}, {said.get('filters', '?')} filters"
        parts.append(_box(*where[layer], label))
    if done:
        for layer in set(found) - read:
            parts += _edge(where, layer, layers + 1, DOWN)
        parts.append(_box(*where[layers + 1], "classifier"))
    return parts


def _box(x: float, y: float, label: str) -> str:
    box = svg.rect(x - 75, y - 15, 150, 28, "white", stroke=style.INK, width=1.3)
    return box + svg.text(x, y + 4, label, 12.5, "middle")


def _edge(where: Mapping[int, tuple[float, float]], low: int, high: int, colour: str = style.INK) -> list[str]:
    """An arrow between neighbours, or an arc on the right around what lies between."""
    (x, begin), (_, end) = where[low], where[high]
    if high == low + 1:
        return [svg.arrow(x, begin - 15, x, end + 14, colour, 1.6)]
    side, bulge = x + 75, x + 95 + 45 * (high - low - 1)
    d = f"M{side:.1f},{begin - 3:.1f} C{bulge:.1f},{begin - 3:.1f} {bulge:.1f},{end:.1f} {side + 8:.1f},{end:.1f}"
    return [svg.path(d, colour, width=1.6), svg.arrow(side + 9, end, side + 1, end, colour, 1.6)]
