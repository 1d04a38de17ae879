"""Exercises of chapter 13: a draw from uniform noise, the gradient of one executed operation, the law of a set."""

from itertools import combinations

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import differs, explained, gradient


def gumbel_max(alpha, u):
    """(O,), (n, O) -> (n,): the operation that each row of uniform numbers draws."""
    limits = np.finfo(float)
    u = np.clip(u, limits.tiny, 1 - limits.epsneg)
    return (alpha - np.log(-np.log(u))).argmax(axis=1)


def check_gumbel_max(answer) -> str | None:
    p = np.array([0.5, 0.3, 0.2])
    alpha, u = np.log(p) + 1, np.random.default_rng(13).random((400, 3))
    given = answer(alpha, u)
    if differs(given, u, "", np.inf) is None:
        return "one index a row is wanted, the operation that won; this has an entry for each operation"
    # A race: exponential times with rates p, and the first to arrive wins.
    right = (-np.log(u) / p).argmin(axis=1)
    causes = {
        "the noise is -log(-log u): without the minus signs the least likely operations win": (
            (alpha + np.log(-np.log(u))).argmax(axis=1)
        ),
        "-log u is exponential noise; a Gumbel variable takes the logarithm once more, -log(-log u)": (
            (alpha - np.log(u)).argmax(axis=1)
        ),
        "every row draws the likeliest operation: is the noise added?": np.zeros(len(u)),
        "this inverts the distribution function with the first number of a row: a right draw, but not the trick": (
            (u[:, :1] > p.cumsum()).sum(axis=1)
        ),
    }
    if wrong := explained(given, right, "the drawn operations", causes, 0):
        return wrong
    # Uniform numbers of a computer can be 0, and rounded ones 1; operation 2 is switched off.
    ends = np.array([[0.5, 0.5, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.5]])
    found = answer(np.array([0.0, 1.0, -np.inf]), ends)
    wrong = differs(found, [1, 1, 1, 0], "the drawn operations where u is 0 or 1", 0)
    if differs(found, np.zeros(4), "", np.inf):
        return wrong
    if 2 in np.asarray(found):
        return "u = 1 makes the noise infinite, -inf + inf is NaN, and an operation that is switched off is drawn"
    if wrong:
        return "a row of equal u must draw the likeliest operation, also where all are 0 or all are 1: keep u inside"
    return wrong


def executed_gradient(alpha, noise, tau, slopes):
    """(O,), (O,), number, (O,) -> (O,): the gradient in alpha where the drawn operation alone has run."""
    raised = np.exp((alpha + noise - (alpha + noise).max()) / tau)
    soft, drawn = raised / raised.sum(), (alpha + noise).argmax()
    return slopes[drawn] * soft[drawn] * (np.eye(len(alpha))[drawn] - soft) / tau


def check_executed_gradient(answer) -> str | None:
    # The soft sample is (.5, .3, .2) at temperature .5, so operation 0 is drawn, though alpha likes operation 1.
    soft, slopes, tau = np.array([0.5, 0.3, 0.2]), np.array([2.0, -1.0, 4.0]), 0.5
    alpha = np.array([-1.0, 0.5, 0.0])
    noise = tau * np.log(soft) - alpha
    given = answer(alpha, noise, tau, slopes)
    causes = {
        "this is full straight-through, with the slopes of operations that did not run: only the drawn one counts": (
            [0.5, -1.5, 1.0]
        ),
        "the softmax has the temperature inside, so its derivative has the factor 1 / tau": [0.5, -0.3, -0.2],
        "the factor soft[k] of the drawn operation k is missing: the slope of a softmax is soft[k] (1 or 0 - soft)": (
            [2.0, -1.2, -0.8]
        ),
        "the draw is the largest of alpha + noise, not of alpha": [0.3, -0.42, 0.12],
        "only the drawn operation's logit moves: the softmax lets the other logits move as well": [1.0, 0.0, 0.0],
        "the sign is turned round: this is a step downhill, wanted is the gradient": [-1.0, 0.6, 0.4],
    }
    if wrong := explained(given, [1.0, -0.6, -0.4], "the gradient for the soft sample (.5, .3, .2)", causes):
        return wrong
    alpha, noise = np.array([0.3, -0.4, 0.1, 0.8]), np.array([-0.2, 0.9, 2.0, 0.1])
    slopes, tau = np.array([0.7, 1.5, -0.6, 0.2]), 3.0

    def weighed(logits):
        raised = np.exp((logits + noise) / tau)
        return slopes[2] * raised[2] / raised.sum()

    given, what = answer(alpha, noise, tau, slopes), "the gradient for four operations at tau = 3"
    return differs(given, gradient(weighed, alpha), what, 1e-7)


def set_probability(p, chosen):
    """(O,), a tuple of K operations -> the probability that K exclusive paths take just these, in any order."""
    inside, rest = [p[k] for k in chosen], 1 - sum(p[k] for k in chosen)
    if rest < 1e-12:
        return 1.0
    return sum(
        (-1) ** size * rest / (rest + sum(some))
        for size in range(len(inside) + 1)
        for some in combinations(inside, size)
    )


def check_set_probability(answer) -> str | None:
    p, chosen = np.array([0.4, 0.35, 0.15, 0.1]), (1, 2)
    given = answer(p, chosen)
    one = 0.35 * 0.15 / 0.65
    causes = {
        "this is one order of the two; the set can be taken in the other order as well": one,
        "this is the code of two draws with replacement, DATA's; exclusive paths cannot draw an operation twice": (
            2 * 0.35 * 0.15
        ),
        "the orders are not equally likely: what is left after the first path depends on which it took": 2 * one,
        "this is the chance that the first path lies in the set; the others must as well": 0.5,
    }
    right = 0.35 * 0.15 / 0.65 + 0.15 * 0.35 / 0.85
    wrong = explained(given, right, "the probability of two of four operations", causes)
    many = np.arange(1, 11) / 55
    for p, chosen in ((np.array([0.5, 0.3, 0.2]), (2,)), (many, (9, 0, 4)), (many, (0, 1, 2, 3, 5, 7, 8, 9))):
        wrong = wrong or differs(answer(p, chosen), _taken(p, chosen), f"the probability of {len(chosen)} operations")
    return wrong or differs(answer(np.array([0.6, 0.4]), (0, 1)), 1.0, "the probability of all operations")


def _taken(p, chosen) -> float:
    """The chance that exponential clocks with rates p ring for all of ``chosen`` before any other rings.

    With t the time of the first other ring and v = exp(-t): the integral of rest v^(rest - 1) prod(1 - v^p_k) over
    (0, 1), taken in w = v^rest.
    """
    from scipy import integrate

    rest = 1 - sum(p[k] for k in chosen)
    return integrate.quad(lambda w: np.prod([1 - w ** (p[k] / rest) for k in chosen]), 0, 1, epsabs=1e-11)[0]


EXERCISES = {
    "13.1": Exercise(
        check_gumbel_max,
        gumbel_max,
        "The noise is g = -log(-log u), one number for each operation; the largest of alpha + g wins its row.",
        "What is the noise at u = 0 and at u = 1, and what does argmax make of NaN?",
        "`np.clip(u, np.finfo(float).tiny, 1 - np.finfo(float).epsneg)` keeps both logarithms finite.",
        "a categorical draw by one argmax, and no uniform number can break it",
    ),
    "13.2": Exercise(
        check_executed_gradient,
        executed_gradient,
        "One term of the loss depends on alpha: slopes[k] times the soft weight of k, the drawn operation.",
        "The derivative of a softmax weight h[k] in its own logit is h[k] (1 - h[k]), in another's -h[k] h[j].",
        "The logits are divided by tau before the softmax, and so is the derivative.",
        "the drawn operation alone ran, and every logit of the edge moved",
    ),
    "13.3": Exercise(
        check_set_probability,
        set_probability,
        "Plackett-Luce gives the probability of one order; add up the orders of the set.",
        "After operation k the others share 1 - p_k: an order's factors are p_j / (1 - what has been taken).",
        "Or without orders: sum over the subsets T of the set of (-1)^|T| r / (r + p(T)), r what lies outside.",
        "2^K terms instead of K! orders: the set law of a step of MSG-DAS, at every K",
    ),
}
