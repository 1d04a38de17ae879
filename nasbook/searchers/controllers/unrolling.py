"""A controller caught in the act: the chances of every decision of one sentence, and what one lesson does to them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nasbook.base import checks
from nasbook.searchers.controllers.lstm import Controller
from nasbook.spaces.layers.skip_layers import SkipLayers, SkipStack


class Word(NamedTuple):
    """One decision: the layer that it is about (from 1), its question, the names of the answers and their chances,
    the answer given, and the chance of that answer after the lesson."""

    layer: int
    question: str
    names: tuple[str, ...]
    chances: tuple[float, ...]
    chosen: int
    after: float


class Sentence(NamedTuple):
    """The words of an architecture, the stack that they make, its reward, and the baseline that it is held against."""

    words: tuple[Word, ...]
    stack: SkipStack
    reward: float
    baseline: float


def tell(
    controller: Controller,
    space: SkipLayers,
    reward: Callable[[SkipStack], float],
    rng: np.random.Generator,
    *,
    baseline: float = 0.0,
    learning_rate: float = 0.1,
    temperature: float = 1.0,
) -> Sentence:
    """Draw one sentence at ``temperature``, and say what a plain gradient step for it alone would change.

    The step is ``learning_rate`` times reward minus baseline times the gradient of the sentence's log-probability.
    The controller is left as it was.
    """
    vector, usual = controller.vector, controller.temperature
    controller.temperature = checks.positive(temperature, "temperature")
    try:
        tokens = controller.sample(1, rng)
        stack = space.decode(tokens[0].tolist())
        earned = checks.number(reward(stack), "reward")
        before = _chances(controller, tokens)
        step = (earned - baseline) * controller.gradient(tokens, [1.0])
        controller.load(vector + learning_rate * step)
        after = _chances(controller, tokens)
    finally:
        controller.temperature = usual
        controller.load(vector)
    words, layer = [], 1
    for step in space.steps:
        for place, position in enumerate(step.positions, 1):
            question, chosen = f"reads {place}?" if step.anchor else step.kind, int(tokens[0, position])
            chances = tuple(before[position].tolist())
            words.append(Word(layer, question, space.names(position), chances, chosen, float(after[position][chosen])))
        layer += step.anchor
    return Sentence(tuple(words), stack, earned, baseline)


def _chances(controller: Controller, tokens: np.ndarray) -> list[np.ndarray]:
    """For each of the T decisions of one list (1, T), the chances (c,) of its alternatives."""
    found = controller.unroll(lambda step, _: tokens[:, step.start : step.end], 1)
    return [row for _, log_chance, _ in found for row in log_chance[0].exp().detach().numpy()]
