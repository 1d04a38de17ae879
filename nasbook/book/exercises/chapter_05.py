"""Exercises of chapter 05: the index of UCB1, the doubly robust estimate, the best log."""

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import differs, explained

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
    means, log = sums / counts, np.log(counts.sum())
    causes = {
        "the logarithm is of each arm's own count; it must be of the rounds so far, over all arms": (
            means + np.sqrt(2 * np.log(counts) / counts)
        ),
        "the mean divides by all rounds; an arm's mean is its sum over its own count": (
            sums / counts.sum() + np.sqrt(2 * log / counts)
        ),
        "the count stands outside the root; a standard error shrinks with the root of the count": (
            means + np.sqrt(2 * log) / counts
        ),
    }
    # by hand: ln 7 = 1.9459101, and 2 ln 7 = 3.8918203; .75, .5, .4 plus sqrt(3.8918203 / (4, 1, 2))
    right = (0.75 + 0.9863849, 0.5 + 1.9727697, 0.4 + 1.3949589)
    return explained(answer(counts, sums), right, "index", causes, 1e-5)


def _check_doubly_robust(answer):
    arms, rewards = np.array([0, 2, 1]), np.array([1.0, 0.0, 1.0])
    propensities = np.array([0.5, 0.2, 0.25])
    target = np.array([[0.2, 0.2, 0.6], [0.1, 0.8, 0.1], [0.5, 0.5, 0.0]])
    model = np.array([[0.4, 0.5, 0.7], [0.2, 0.6, 0.4], [0.9, 0.3, 0.1]])
    # by hand: words .6, .54, .6; weights .4, .5, 2; corrections .4 * .6, .5 * -.4, 2 * .7
    words = (0.6 + 0.54 + 0.6) / 3
    causes = {
        "this is one number a round: the estimate is their mean over the rounds": (0.84, 0.34, 2.0),
        "this is IPS, which never asks the model: add the model's word, and weigh the reward minus its guess": (
            (0.4 * 1 + 0.5 * 0 + 2 * 1) / 3
        ),
        "this is DM, the model's word alone: the rewards of the log are missing, and they correct it": words,
        "the weight stands on its head: divide the target's probability by the propensity, not the other way": (
            words + (0.6 / 0.4 - 0.4 / 0.5 + 0.7 / 2) / 3
        ),
        "the whole reward was added; what corrects the model is the reward minus the model's guess for that arm": (
            words + (0.4 - 0.0 + 2.0) / 3
        ),
        "the model's word is missing: add its mean under the target, over all arms, in every round": (
            (0.24 - 0.2 + 1.4) / 3
        ),
        "the weight is one over the propensity; it must also hold the target's probability of the logged arm": (
            words + (0.6 / 0.5 - 0.4 / 0.2 + 0.7 / 0.25) / 3
        ),
        "the reward is compared with the model's word on all arms; compare it with the guess for the logged arm": (
            words + (0.4 * 0.4 - 0.5 * 0.54 + 2 * 0.4) / 3
        ),
    }
    found = answer(arms, rewards, propensities, target, model)
    return explained(found, (0.84 + 0.34 + 2.0) / 3, "the estimate", causes)


def _check_best_log(answer):
    target, means = np.array([0.2, 0.2, 0.6]), np.array([0.04, 0.25, 0.81])
    causes = {
        "this is the target itself: a log can be better than playing what it judges, with more of what pays more": (
            target
        ),
        "in proportion to pi p would be right if an arm always paid p; a 0/1 reward has E[r^2] = p, not p^2": (
            _law(target * means)
        ),
        "this uses the variance of a reward: best for DR with an exact model; the variance of IPS holds E[r^2]": (
            _law(target * np.sqrt(means * (1 - means)))
        ),
    }
    # minimal sum pi^2 p / mu: mu in proportion to pi sqrt(p), here to .04, .10, .54
    found = answer(target, means)
    wrong = explained(found, _law(np.array([0.04, 0.10, 0.54])), "the log's probabilities", causes, BY_SEARCH)
    if wrong and wrong not in causes and differs(found, target, "", np.inf) is None:
        total = np.asarray(found, dtype=np.float64).sum()
        return f"your probabilities sum to {total:.4g}: divide by their sum" if differs(total, 1, "") else wrong
    return wrong


def _law(values):
    return values / values.sum()


EXERCISES = {
    "05.1": Exercise(
        _check_index,
        ucb1_index,
        "an index is a mean plus a bonus, computed for all arms at once",
        "the bonus is sqrt(2 ln n / n_a), where n is the sum of all counts",
        "the logarithm is one number for all arms; it is divided by each arm's own count before the root is taken",
        "a bonus that shrinks with an arm's own count and grows, slowly, with all rounds",
    ),
    "05.2": Exercise(
        _check_doubly_robust,
        doubly_robust,
        "two parts in every round: what the model says of the target, and a weighted correction",
        "with `rounds = np.arange(len(arms))`, `model[rounds, arms]` is the guess for the logged arm of each round",
        "the weights are `target[rounds, arms] / propensities`; they multiply reward minus guess, and nothing else",
        "the model speaks for all arms, the log corrects it where it looked",
    ),
    "05.3": Exercise(
        _check_best_log,
        best_log,
        "the mean is the same for every log, so minimise the second moment of w r, a sum over arms",
        "minimise the sum of pi^2 p / mu under sum mu = 1: with a Lagrange multiplier, arm by arm",
        "mu^2 is in proportion to pi^2 p",
        "the best log pulls an arm in proportion to pi times the root of E[r^2], not as the target would",
    ),
}
