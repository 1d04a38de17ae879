"""How far chance alone gets: what a random search of so many evaluations hands over, exactly, and what that leaves.

A random search draws architectures uniformly, with replacement, and hands over the best by the scores that it was told.
All such searches together have a distribution that is summed, not simulated: it is that of infinitely many seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nasbook.base import checks

ENDS = (0.025, 0.975)
"""The quantiles between which the interval lies: a share of 95% of all random searches, or more where values repeat."""


@dataclass(frozen=True)
class Spread:
    """A quantity over all random searches: its mean and median, and the ends ``low`` and ``high`` of its interval."""

    mean: float
    low: float
    median: float
    high: float

    def above(self, value: float) -> Spread:
        """The spread of the quantity less ``value``."""
        return Spread(self.mean - value, self.low - value, self.median - value, self.high - value)

    def below(self, value: float) -> Spread:
        """The spread of ``value`` less the quantity."""
        return Spread(value - self.mean, value - self.high, value - self.median, value - self.low)


def handed_over(scores: np.ndarray, evaluations: int) -> np.ndarray:
    """(A,): the probability with which a random search of n ``evaluations`` hands over each of A architectures.

    ``scores`` (S, A): what it may be told of each, where one of S values is drawn anew for every evaluation; NaN for an
    architecture that cannot be evaluated, which is then not drawn. The largest of n draws from N entries is one of the
    i smallest with probability (i / N)**n, and equal scores share what is theirs, since the first of equals wins and
    may be any of them.
    """
    n = checks.whole(evaluations, "evaluations", 1)
    known = ~np.isnan(scores)  # (S, A)
    _, place, counts = np.unique(scores[known], return_inverse=True, return_counts=True)
    share = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()  # (values + 1,)
    chances = np.zeros(scores.shape)
    chances[known] = (np.diff(share**n) / counts)[place]  # (values,) -> (entries,)
    return chances.sum(axis=0)  # (S, A) -> (A,)


def spread(values: np.ndarray, chances: np.ndarray) -> Spread:
    """Of ``values`` (A,) that have the probabilities ``chances`` (A,).

    A quantile q is the smallest value that is not exceeded with probability q or more.
    """
    drawn = chances > 0
    order = np.argsort(values[drawn])
    ascending, reached = values[drawn][order], np.cumsum(chances[drawn][order])
    low, median, high = ascending[np.searchsorted(reached, [ENDS[0], 0.5, ENDS[1]])]
    return Spread(float(values[drawn] @ chances[drawn]), float(low), float(median), float(high))
