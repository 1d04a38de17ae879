"""Exercises of chapter 05: the index of UCB1, the doubly robust estimate, the best log."""

from __future__ import annotations

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import differs

BY_SEARCH = 1e-4
"""How near a minimum that was searched for numerically comes to the exact one."""


def ucb1_index(counts, sums):
    total = np.sum(counts)
    return sums / counts + np.sqrt(2 * np.log(total) / counts)


def doubly_robust(arms, rewards, propensities, target, model):
    rounds = np.arange(len(arms))
    weights = target[rounds, arms] / propensities
    word = (target * model).sum(axis=1)  # (rounds, arms) -> (rounds,)
    return np.mean(word + weights * (rewards - model[rounds, arms]))


def best_log(target, means):
    wanted = target * np.sqrt(means)
    return wanted / wanted.sum()


def _check_index(answer):
    counts, sums = np.array([4.0, 1.0, 2.0]), np.array([3.0, 0.5, 0.8])
    # by hand: ln 7 = 1.9459101, and 2 ln 7 = 3.8918203; .75, .5, .4 plus sqrt(3.8918203 / (4, 1, 2))
    right = (0.75 + 0.9863849, 0.5 + 1.9727697, 0.4 + 1.3949589)
    found = answer(counts, sums)
    wrong = differs(found, right, "index", 1e-5)
    if wrong is None:
        return None
    means, log = sums / counts, np.log(counts.sum())
    if _is(found, means + np.sqrt(2 * np.log(counts) / counts)):
        return "the logarithm is of each arm's own count; it must be of the rounds so far, over all arms"
    if _is(found, sums / counts.sum() + np.sqrt(2 * log / counts)):
        return "the mean divides by all rounds; an arm's mean is its sum over its own count"
    if _is(found, means + np.sqrt(2 * log) / counts):
        return "the count stands outside the root; a standard error shrinks with the root of the count"
    return wrong


def _check_doubly_robust(answer):
    arms, rewards = np.array([0, 2, 1]), np.array([1.0, 0.0, 1.0])
    propensities = np.array([0.5, 0.2, 0.25])
    target = np.array([[0.2, 0.2, 0.6], [0.1, 0.8, 0.1], [0.5, 0.5, 0.0]])
    model = np.array([[0.4, 0.5, 0.7], [0.2, 0.6, 0.4], [0.9, 0.3, 0.1]])
    # by hand: words .6, .54, .6; weights .4, .5, 2; corrections .4 * .6, .5 * -.4, 2 * .7
    found = answer(arms, rewards, propensities, target, model)
    wrong = differs(found, (0.84 + 0.34 + 2.0) / 3, "the estimate")
    if wrong is None:
        return None
    if _is(found, (0.84, 0.34, 2.0)):
        return "this is one number a round: the estimate is their mean over the rounds"
    if _is(found, (0.4 * 1 + 0.5 * 0 + 2 * 1) / 3):
        return "this is IPS, which never asks the model: add the model's word, and weigh the reward minus its guess"
    if _is(found, (0.6 + 0.54 + 0.6) / 3):
        return "this is DM, the model's word alone: the rewards of the log are missing, and they correct it"
    if _is(found, (0.6 + 0.54 + 0.6) / 3 + (0.6 / 0.4 - 0.4 / 0.5 + 0.7 / 2) / 3):
        return "the weight stands on its head: divide the target's probability by the propensity, not the other way"
    if _is(found, (0.6 + 0.54 + 0.6) / 3 + (0.4 - 0.0 + 2.0) / 3):
        return "the whole reward was added; what corrects the model is the reward minus the model's guess for that arm"
    if _is(found, (0.24 - 0.2 + 1.4) / 3):
        return "the model's word is missing: add its mean under the target, over all arms, in every round"
    if _is(found, (0.6 + 0.54 + 0.6) / 3 + (0.6 / 0.5 - 0.4 / 0.2 + 0.7 / 0.25) / 3):
        return "the weight is one over the propensity; it must also hold the target's probability of the logged arm"
    if _is(found, (0.6 + 0.54 + 0.6) / 3 + (0.4 * 0.4 - 0.5 * 0.54 + 2 * 0.4) / 3):
        return "the reward is compared with the model's word on all arms; compare it with the guess for the logged arm"
    return wrong


def _check_best_log(answer):
    target, means = np.array([0.2, 0.2, 0.6]), np.array([0.04, 0.25, 0.81])
    # minimal sum pi^2 p / mu: mu in proportion to pi sqrt(p), here to .04, .10, .54
    found = answer(target, means)
    wrong = differs(found, np.array([0.04, 0.10, 0.54]) / 0.68, "the log's probabilities", BY_SEARCH)
    if wrong is None:
        return None
    if _is(found, target, BY_SEARCH):
        return "this is the target itself: a log can be better than playing what it judges, with more of what pays more"
    if _is(found, _law(target * means), BY_SEARCH):
        return "in proportion to pi p would be right if an arm always paid p; a 0/1 reward has E[r^2] = p, not p^2"
    if _is(found, _law(target * np.sqrt(means * (1 - means))), BY_SEARCH):
        return "this uses the variance of a reward: best for DR with an exact model; the variance of IPS holds E[r^2]"
    if _is(found, target, np.inf) and differs(total := np.sum(np.asarray(found, dtype=np.float64)), 1, ""):
        return f"your probabilities sum to {total:.4g}: divide by their sum"
    return wrong


def _law(values):
    return values / values.sum()


def _is(found, typical, tolerance: float = 1e-6) -> bool:
    return differs(found, typical, "", tolerance) is None


EXERCISES = {
    "05.1": Exercise(
        check=_check_index,
        solution=ucb1_index,
        hints=(
            "an index is a mean plus a bonus, computed for all arms at once",
            "the bonus is sqrt(2 ln n / n_a), where n is the sum of all counts",
            "the logarithm is one number for all arms; it is divided by each arm's own count before the root is taken",
        ),
        praise="a bonus that shrinks with an arm's own count and grows, slowly, with all rounds",
    ),
    "05.2": Exercise(
        check=_check_doubly_robust,
        solution=doubly_robust,
        hints=(
            "two parts in every round: what the model says of the target, and a weighted correction",
            "with `rounds = np.arange(len(arms))`, `model[rounds, arms]` is the guess for the logged arm of each round",
            "the weights are `target[rounds, arms] / propensities`; they multiply reward minus guess, and nothing else",
        ),
        praise="the model speaks for all arms, the log corrects it where it looked",
    ),
    "05.3": Exercise(
        check=_check_best_log,
        solution=best_log,
        hints=(
            "the mean is the same for every log, so minimise the second moment of w r, a sum over arms",
            "minimise the sum of pi^2 p / mu under sum mu = 1: with a Lagrange multiplier, arm by arm",
            "mu^2 is in proportion to pi^2 p",
        ),
        praise="the best log pulls an arm in proportion to pi times the root of E[r^2], not as the target would",
    ),
}
