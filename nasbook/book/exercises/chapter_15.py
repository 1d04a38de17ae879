"""Exercises of notebook 15: how many operations run, the chance of a code, how many draws keep everything."""

from itertools import combinations, product
from math import prod

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import explained


def mean_operations(p, draws):
    return sum(1 - (1 - chance) ** draws for chance in p)


def code_chance(p, code, draws):
    total = 0.0
    for size in range(len(code) + 1):
        for part in combinations(code, size):
            total += (-1) ** (len(code) - size) * sum(p[i] for i in part) ** draws
    return total


def draws_to_keep_all(p):
    falling = sorted(p, reverse=True)
    draws = len(p)
    while True:
        chances = [code_chance(falling, range(size), draws) for size in range(1, len(p) + 1)]
        if all(chances[-1] > chance * (1 + 1e-9) for chance in chances[:-1]):
            return draws
        draws += 1


def _check_mean_operations(answer):
    cases = [((0.5, 0.5), 1), ((0.5, 0.3, 0.2), 2), ((0.5, 0.3, 0.2), 4), ((0.97, 0.01, 0.01, 0.01), 3)]
    found = [answer(np.array(p), draws) for p, draws in cases]
    causes = {
        "this is the largest number; draws are with replacement, so two of them may be the same operation": (
            [min(draws, len(p)) for p, draws in cases]
        ),
        "this is right for equal probabilities; a likely operation is drawn again and again, so fewer run": (
            [len(p) * (1 - (1 - 1 / len(p)) ** draws) for p, draws in cases]
        ),
        "this is the mean number that no draw hits; the others run": (
            [sum((1 - chance) ** draws for chance in p) for p, draws in cases]
        ),
    }
    return explained(found, [_counted(p, draws, len) for p, draws in cases], "the mean number", causes, 1e-9)


def _check_code_chance(answer):
    cases = [((0.5, 0.3, 0.2), code, 4) for code in ((0,), (0, 1), (1, 2), (0, 1, 2))]
    cases += [((0.4, 0.3, 0.2, 0.1), (1, 0, 3), 5), ((0.4, 0.3, 0.2, 0.1), (0, 2, 3), 2)]
    found = [answer(np.array(p), code, draws) for p, code, draws in cases]
    right = [_counted(p, draws, lambda union, code=code: union == set(code)) for p, code, draws in cases]
    causes = {
        "all draws fall into the set, but some members may be missed; take the smaller sets away": (
            [sum(p[i] for i in code) ** draws for p, code, draws in cases]
        ),
        "this treats operations as independent; one draw that hits an operation misses all others": (
            [prod(1 - (1 - q) ** n if i in code else (1 - q) ** n for i, q in enumerate(p)) for p, code, n in cases]
        ),
        "this is one order of drawing each member once; there are other orders, and members drawn twice": (
            [prod(p[i] for i in code) if draws >= len(code) else 0.0 for p, code, draws in cases]
        ),
    }
    return explained(found, right, "the probability of a code", causes, 1e-9)


KEEP_ALL = {
    (0.5, 0.5): 2,
    (0.25, 0.25, 0.25, 0.25): 5,
    (1 / 3, 1 / 3, 1 / 3): 4,
    (0.5, 0.3, 0.2): 4,
    (0.9, 0.1): 7,
    (0.6, 0.3, 0.1): 7,
}
"""By enumeration of all sequences of draws."""


def _check_draws_to_keep_all(answer):
    found = [answer(np.array(p)) for p in KEEP_ALL]
    rules = {
        "with equal chances the smaller set wins, however the last bits are rounded: compare with a tolerance": (
            lambda p, draws, chances: chances[-1] > 0 and chances[-1] >= max(chances[:-1]) * (1 - 1e-9)
        ),
        "at this M all operations run in half of the draws; the most probable code may be another one before": (
            lambda p, draws, chances: chances[-1] >= 0.5
        ),
        "this asks the mean number to come near; the most probable code is another question": (
            lambda p, draws, chances: mean_operations(p, draws) >= len(p) - 0.5
        ),
    }
    causes = {said: [_first(p, enough) for p in KEEP_ALL] for said, enough in rules.items()}
    return explained(found, list(KEEP_ALL.values()), "the number of draws", causes, 0)


def _counted(p, draws, value):
    """The mean of ``value`` of the union over all sequences of draws."""
    total = 0.0
    for sequence in product(range(len(p)), repeat=draws):
        total += prod(p[i] for i in sequence) * value(set(sequence))
    return total


def _first(p, enough):
    """The first number of draws that is ``enough``, which sees the chances of the best set of each size as well."""
    falling = sorted(p, reverse=True)
    return next(
        draws
        for draws in range(1, 200)
        if enough(p, draws, [code_chance(falling, range(size), draws) for size in range(1, len(p) + 1)])
    )


EXERCISES = {
    "15.1": Exercise(
        _check_mean_operations,
        mean_operations,
        "The mean of a sum is the sum of the means: look at one operation at a time.",
        "Operation k does not run if all draws miss it, and one draw misses it with probability 1 - p_k.",
        "Return the sum over k of 1 - (1 - p_k) ** draws.",
        "the cost of a DATA step, known before it runs",
    ),
    "15.2": Exercise(
        _check_code_chance,
        code_chance,
        "All draws must fall into the set; from that, take away what misses a member.",
        "What misses at least one member is a union of events: inclusion and exclusion over the subsets.",
        "Sum (-1) ** (len(code) - len(part)) * (sum of p over part) ** draws over all parts of the code.",
        "this is the whole law of ensemble Gumbel-softmax; temperature is not in it",
    ),
    "15.3": Exercise(
        _check_draws_to_keep_all,
        draws_to_keep_all,
        "The best set of each size holds the likeliest operations: compare these few with `code_chance`.",
        "Raise M from the number of operations until the whole set is strictly the most probable.",
        "Compare the chance of falling[:size] for size 1 to K, and allow for rounding in the comparison.",
        "the rarer an operation the larger M must be: M is a prior on how many operations a cell deserves",
    ),
}
