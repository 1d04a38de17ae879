"""How noisy is a policy gradient? Many gradient estimates on the simplex of three choices, and what they learn."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasbook.decisions.gradients import estimator_variance, exact_gradient, expected_reward
from nasbook.decisions.policies import TabularPolicy
from nasbook.drawing.parts import axes, style, svg
from nasbook.drawing.parts.describe import probabilities as softmax
from nasbook.drawing.parts.shell import Frame, Shell, choice

WIDTH, HEIGHT = 900, 430
BATCHES = (1, 2, 4, 16, 64)
RATES = (0.3, 1.0, 3.0, 10.0)
LETTERS = "ABC"
CORNERS = np.array([[205.0, 92.0], [30.0, 385.0], [380.0, 385.0]])
CHART = (500.0, 92.0, 370.0, 255.0)
CLOUD, TRUTH = "#56B4E9", "#000000"
NOISE = 0.2
"""Standard deviation of a reward around the mean of its choice: two trainings of one network differ."""


class NoiseMeter(NamedTuple):
    """What the frames share; keys are (batch, baseline on?) and (batch, baseline on?, learning rate).

    ``rewards`` (3,), ``gradient`` (3,) the exact one at the uniform policy; ``estimates`` (arrows, 3) sampled ones
    there, ``variance`` their exact total variance; ``curves`` (seeds, steps + 1) expected reward while learning,
    ``winners`` (seeds,) the choice that is likeliest in the end.
    """

    rewards: np.ndarray
    gradient: np.ndarray
    estimates: Mapping[tuple[int, bool], np.ndarray]
    variance: Mapping[tuple[int, bool], float]
    curves: Mapping[tuple[int, bool, float], np.ndarray]
    winners: Mapping[tuple[int, bool, float], np.ndarray]


def estimate(
    rng: np.random.Generator, chance: np.ndarray, rewards: np.ndarray, baseline: np.ndarray | float, batch: int
) -> np.ndarray:
    """REINFORCE's gradient (n, 3) from one batch at each of n policies.

    ``chance`` (n, 3); ``rewards`` (3,) are means, each reward has the standard deviation ``NOISE``; ``baseline`` is
    one number or (n, 1). Only the sum of the advantages of each choice matters, so batches are drawn as counts.
    """
    counts = rng.multinomial(batch, chance)  # (n, 3)
    advantages = counts * (rewards - baseline) + NOISE * np.sqrt(counts) * rng.standard_normal(counts.shape)
    return (advantages - chance * advantages.sum(axis=1, keepdims=True)) / batch


def prepare(
    rng: np.random.Generator,
    rewards: Sequence[float] = (1.0, 0.8, 0.5),
    arrows: int = 60,
    seeds: int = 20,
    steps: int = 60,
) -> NoiseMeter:
    """Draw the arrows and train every combination of batch, baseline and learning rate.

    The baseline is the expected reward of the present policy, which a moving average of rewards would estimate. The
    noise of a reward adds NOISE^2 E|score|^2 to the variance of one list, NOISE^2 (1 - 1/3) at the uniform policy.
    The three rewards must differ.
    """
    found = np.array(rewards, dtype=float)
    policy = TabularPolicy.uniform([3])
    uniform = np.full((arrows, 3), 1 / 3)
    noise = NOISE**2 * (1 - 1 / 3)
    estimates, variance, curves, winners = {}, {}, {}, {}
    for batch in BATCHES:
        for on in (False, True):
            baseline = expected_reward(policy, found) if on else 0.0
            estimates[batch, on] = estimate(rng, uniform, found, baseline, batch)
            variance[batch, on] = (estimator_variance(policy, found, baseline) + noise) / batch
            for rate in RATES:
                curves[batch, on, rate], winners[batch, on, rate] = _train(rng, found, batch, on, rate, seeds, steps)
    return NoiseMeter(found, exact_gradient(policy, found), estimates, variance, curves, winners)


def render(story: NoiseMeter, batch: int, baseline: bool, learning_rate: float) -> Frame:
    """The frame of one setting; the curve of the other choice of ``baseline`` is drawn for comparison."""
    ends = softmax(learning_rate * story.estimates[batch, baseline])  # logits begin at 0; (arrows, 3)
    target = softmax(learning_rate * story.gradient)
    scale = magnification(np.vstack([ends, target]))
    worse = int((ends @ story.rewards < story.rewards.mean()).sum())
    curve = story.curves[batch, baseline, learning_rate]
    right = int((story.winners[batch, baseline, learning_rate] == story.rewards.argmax()).sum())
    name = "with the baseline" if baseline else "without a baseline"
    variance, square = story.variance[batch, baseline], float((story.gradient**2).sum())
    sentence = (
        f"Batch of {batch} {name}, learning rate {learning_rate:g}: the gradient estimate has a total variance of "
        f"{variance:.4f}, the exact gradient a squared length of {square:.4f}; {worse} of {len(ends)} arrows "
        f"({_drawn(scale)}) lower the expected reward; after {curve.shape[1] - 1} steps {len(curve)} seeds earn "
        f"{curve[:, -1].mean():.3f} on average (at most {story.rewards.max():g}) and {right} of them favour the best "
        "choice."
    )
    signal = f"variance {variance:.4f}, squared gradient {square:.4f}, noise to signal {variance / square:.1f}"
    parts = [
        svg.text(20, 26, f"One step from the uniform policy, {len(ends)} times", 15),
        svg.text(20, 46, signal),
        svg.text(20, 64, f"{worse} of {len(ends)} arrows lower the expected reward"),
        svg.text(20, 424, f"each reward has a standard deviation of {NOISE:g}"),
        *_simplex(story, ends, target, scale),
        svg.text(CHART[0] - 50, 26, f"{curve.shape[1] - 1} steps of learning, {len(curve)} seeds", 15),
        svg.text(CHART[0] - 50, 46, "mean (line), middle 80% of the seeds (band)"),
        *_axes(story, curve.shape[1] - 1),
        *_curve(story, (batch, not baseline, learning_rate), chosen=False),
        *_curve(story, (batch, baseline, learning_rate), chosen=True),
        svg.text(CHART[0] - 50, 424, f"{right} of {len(curve)} seeds end up favouring the best choice, {name}"),
    ]
    return Frame(svg.page(WIDTH, HEIGHT, sentence, parts), sentence)


def explore(story: NoiseMeter) -> Shell:
    """The widget: batch size, baseline, learning rate, over what ``prepare`` drew and trained."""
    controls = {
        "batch": choice("batch size", [(str(one), one) for one in BATCHES], 4),
        "baseline": choice("baseline", [("off", False), ("on: expected reward", True)], False),
        "learning_rate": choice("learning rate", [(f"{one:g}", one) for one in RATES], 3.0),
    }
    return Shell(lambda **values: render(story, **values), controls, HEIGHT)


def magnification(ends: np.ndarray) -> int:
    """How many times as long arrows from the middle of the triangle can be drawn, their tips still inside it.

    ``ends`` (arrows, 3) are their true tips, probabilities; a whole number, at least 1.
    """
    return max(1, int((1 / 3) / (1 / 3 - ends.min())))


def _drawn(scale: int) -> str:
    return f"drawn {scale} times as long" if scale > 1 else "drawn at true length"


def _train(rng, rewards, batch, on, rate, seeds, steps) -> tuple[np.ndarray, np.ndarray]:
    """Expected rewards (seeds, steps + 1) of REINFORCE from the uniform policy, and the likeliest choices (seeds,)."""
    logits = np.zeros((seeds, 3))
    curve = np.empty((seeds, steps + 1))
    for step in range(steps + 1):
        chance = softmax(logits)
        curve[:, step] = chance @ rewards  # (seeds, 3) @ (3,) -> (seeds,)
        logits = logits + rate * estimate(rng, chance, rewards, curve[:, step, None] if on else 0.0, batch)
    return curve, chance.argmax(axis=1)


def _simplex(story: NoiseMeter, ends: np.ndarray, true_end: np.ndarray, scale: int) -> list[str]:
    (x, y), anchors = CORNERS.mean(axis=0), ("middle", "start", "start")
    parts = [svg.polyline([*CORNERS, CORNERS[0]], style.QUIET, fill="#FAFAFA", width=1.2)]
    shifts = ((0, -9), (-12, 19), (-60, 19))
    for corner, letter, reward, anchor, (dx, dy) in zip(CORNERS, LETTERS, story.rewards, anchors, shifts):
        parts.append(svg.text(corner[0] + dx, corner[1] + dy, f"{letter}, reward {reward:g}", 12, anchor))
    *tips, tip = (np.vstack([ends, true_end]) @ CORNERS - (x, y)) * scale + (x, y)  # (n, 3) @ (3, 2) -> (n, 2)
    parts += [svg.arrow(x, y, *one, CLOUD, 1, 5) for one in tips]
    parts += [svg.arrow(x, y, *tip, "white", 6, 13), svg.arrow(x, y, *tip, TRUTH, 3, 10), svg.circle(x, y, 3.5)]
    parts += axes.key(290, 124, "a batch", CLOUD, 20, width=2)
    parts += axes.key(290, 144, "exact gradient", TRUTH, 20, width=3)
    return [*parts, svg.text(290, 166, _drawn(scale))]


def _scales(story: NoiseMeter, steps: int) -> tuple[axes.Scale, axes.Scale]:
    left, top, width, height = CHART
    y = axes.scale(story.rewards.min(), story.rewards.max(), top + height, top)
    return axes.scale(0, steps, left, left + width), y


def _axes(story: NoiseMeter, steps: int) -> list[str]:
    left, top, width, height = CHART
    (x, y), letters = _scales(story, steps), dict(zip(story.rewards, LETTERS))
    return [
        *axes.rows(y, story.rewards, left, left + width, lambda reward: f"{letters[reward]} {reward:g}"),
        *axes.columns(x, (0, steps // 2, steps), top + height),
        svg.text(left - 52, top + height / 2, "expected reward", 12, "middle", turn=-90),
        svg.text(left + width / 2, top + height + 36, "gradient step", 12, "middle"),
    ]


def _curve(story: NoiseMeter, key: tuple[int, bool, float], chosen: bool) -> list[str]:
    curve, colour = story.curves[key], "#0072B2" if key[1] else "#D55E00"
    x, y = _scales(story, curve.shape[1] - 1)
    steps = x(np.arange(curve.shape[1]))
    low, high = y(np.quantile(curve, [0.1, 0.9], axis=0))  # (seeds, steps + 1) -> (2, steps + 1)
    look = {"width": 3} if chosen else {"width": 1.6, "dash": "6 4"}
    left, words = CHART[0] + (0 if key[1] else 190), f"baseline {'on' if key[1] else 'off'}"
    return [
        svg.band(steps, low, high, colour, 0.22) if chosen else "",
        svg.polyline(zip(steps, y(curve.mean(axis=0))), colour, **look),
        *axes.key(left, CHART[1] - 18, words, colour, 24, **look),
    ]
