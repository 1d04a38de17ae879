"""Exercises of chapter 01, Markov chains."""

from collections.abc import Callable

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import cause, differs, explained

TWO = np.array([[0.5, 0.5], [0.3, 0.7]])
SWAP = np.array([[0.1, 0.9], [0.9, 0.1]])
RING = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
LADDER = np.array([[0.5, 0.5, 0, 0], [0.2, 0.4, 0.4, 0], [0, 0.3, 0.3, 0.4], [0, 0, 0.6, 0.4]])
LADDER_LIMIT = np.array([6, 15, 20, 40 / 3]) / (41 + 40 / 3)
"""By detailed balance: 15/6 = .5/.2, 20/15 = .4/.3, (40/3)/20 = .4/.6."""


def distribution_after(transitions: np.ndarray, start: int, steps: int) -> np.ndarray:
    """Distribution (S,) of the state ``steps`` steps after the chain was in ``start``."""
    now = np.zeros(len(transitions))
    now[start] = 1
    for _ in range(steps):
        now = now @ transitions
    return now


def check_distribution_after(answer: Callable) -> str | None:
    causes = {
        "p_2 is a column here: row s of transitions says where s leads, so p_t is p_(t-1) @ transitions": [0.6, 0.64],
        "your power is taken entry by entry: a step is a matrix product": [0.09, 0.49],
        "you begin in all states alike: p_0 has a 1 at `start` and 0 elsewhere": [0.38, 0.62],
        "you begin in S1 whatever `start` is: p_0 has its 1 at `start`": [0.4, 0.6],
        "your answer for 2 steps is p_1: one step too few": [0.3, 0.7],
        "your answer for 2 steps is p_3: one step too many": [0.372, 0.628],
    }
    return (
        explained(answer(TWO, 1, 2), [0.36, 0.64], "p_2 from S2 in the two-state chain", causes)
        or differs(answer(TWO, 0, 0), [1, 0], "p_0 from S1 in the two-state chain")
        or differs(answer(RING, 0, 200), [0, 0, 1], "p_200 from S1 on a ring of three")
    )


def stationary(transitions: np.ndarray) -> np.ndarray:
    """The distribution (S,) with pi = pi P of a chain with one closed class."""
    count = len(transitions)
    equations = np.vstack([transitions.T - np.eye(count), np.ones(count)])  # (S, S) -> (S + 1, S)
    return np.linalg.lstsq(equations, np.append(np.zeros(count), 1), rcond=None)[0]


def check_stationary(answer: Callable) -> str | None:
    try:
        given = answer(TWO)
    except np.linalg.LinAlgError:
        return "P.T - I is singular, for one of its equations follows from the others: put sum of pi = 1 in its place"
    causes = {
        "zeros solve pi = pi P, too: add the equation that pi sums to 1": [0, 0],
        "your pi is uniform, which no chain promises; if it is an eigenvector, it is that of P v = v, which is "
        "constant: pi stands on the left of P, so take P.T": [0.5, 0.5],
    }
    transposed = "you found the vector with P v = v, which is constant: pi = pi P asks for that of P.T"
    squares = "the squares of your entries sum to 1: in a distribution the entries themselves do"
    if wrong := explained(given, [0.375, 0.625], "pi of the two-state chain", causes):
        for sign in (1, -1):  # an eigenvector of length one may point either way
            ends = {transposed: [sign * 0.5**0.5] * 2, squares: sign * np.array([3, 5]) / np.sqrt(34)}
            wrong = cause(given, ends) or wrong
        return wrong
    ring = answer(RING)
    if any(not differs(ring, corner, "pi") for corner in np.eye(3)):
        return "on a ring of three p_t goes round and never settles; pi = pi P has a solution all the same: solve it"
    return (
        differs(answer(LADDER), LADDER_LIMIT, "pi of a ladder of four states")
        or differs(answer(np.array([[0.5, 0.5], [0, 1.0]])), [0, 1], "pi of a chain that S2 absorbs")
        or differs(ring, [1 / 3] * 3, "pi of a ring of three")
    )


def long_run_variance(transitions: np.ndarray, rewards: np.ndarray) -> float:
    """n times the variance of the mean of n rewards along a long path, for large n."""
    pi = stationary(transitions)
    centred = rewards - pi @ rewards
    ahead = np.linalg.solve(np.eye(len(pi)) - transitions + pi, centred)  # (S, S), (S,) -> (S,)
    return float(2 * (pi * centred) @ ahead - (pi * centred) @ centred)


def check_long_run_variance(answer: Callable) -> str | None:
    # rewards 10 and 0: variance 100 * .375 * .625, and lag k multiplies it by .2^k
    alone = 100 * 0.375 * 0.625
    right = alone * 1.2 / 0.8
    given = answer(TWO, np.array([10.0, 0]))
    causes = {
        "that is the variance of one reward: neighbouring steps are correlated, so add their covariances": alone,
        "each covariance stands twice in the variance of a sum, as (i, j) and as (j, i)": alone / 0.8,
        "lag 0 stands once in the variance of a sum; you counted it three times": alone * (1 + 2 / 0.8),
        "that is its square root, the standard deviation": np.sqrt(right),
    }
    if wrong := explained(given, right, "the long-run variance of rewards 10 and 0", causes):
        unclear = wrong not in causes and isinstance(given, float) and np.isfinite(given)
        if unclear and differs(answer(TWO, np.array([15.0, 5])), given, "it"):
            return "it changes when every reward grows by 5, which no variance does: subtract pi @ rewards first"
        return wrong
    swap = answer(SWAP, np.array([10.0, 0]))
    if wrong := differs(swap, 25 * 0.2 / 1.8, "the long-run variance of a chain that mostly swaps"):
        return f"{wrong}; its covariances alternate in sign"
    rewards = np.array([1.0, -2, 0, 5])
    return differs(answer(LADDER, rewards), _by_lags(LADDER, LADDER_LIMIT, rewards), "that of a ladder", 1e-6)


def _by_lags(transitions: np.ndarray, pi: np.ndarray, rewards: np.ndarray, lags: int = 2_000) -> float:
    """The slow way: covariances of the rewards k steps apart, one by one."""
    ahead = rewards - pi @ rewards
    total, weights = 0.0, pi * ahead
    for lag in range(lags):
        total += (2 if lag else 1) * weights @ ahead
        ahead = transitions @ ahead
    return total


EXERCISES = {
    "01.1": Exercise(
        check_distribution_after,
        distribution_after,
        "p_0 has a 1 at `start` and 0 elsewhere; what is the chance of state s one step later?",
        "Sum over where the chain was: p_1[s] = sum over r of p_0[r] * transitions[r, s].",
        "That sum is the product `p @ transitions`; repeat it `steps` times.",
        "a distribution moves by p @ P, and on a ring it goes round for ever",
    ),
    "01.2": Exercise(
        check_stationary,
        stationary,
        "pi = pi P is S equations for S numbers; one of them follows from the others, so add the sum of 1.",
        "Transpose: (P.T - I) pi = 0 and (1, ..., 1) pi = 1. That is a linear system with S + 1 rows.",
        "Stack the rows with np.vstack and solve by np.linalg.lstsq; no power of P is needed.",
        "pi solves a linear system, whether or not p_t settles",
    ),
    "01.3": Exercise(
        check_long_run_variance,
        long_run_variance,
        "The variance of a sum of n rewards has n variances and, for each lag k, 2 (n - k) covariances.",
        "Covariance at lag k, begun from pi: sum over s of pi[s] c[s] (P^k c)[s], with c = rewards - pi @ rewards.",
        "The sum of P^k c over k >= 0 is the solution x of (I - P + 1 pi) x = c; lag 0 counts once, others twice.",
        "the mean of a path is as good as that of n * variance / (long-run variance) independent draws",
    ),
}
