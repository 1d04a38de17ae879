"""Typical wrong answers to the exercises of notebook 15, each with words of the sentence that it gets."""

from itertools import combinations
from math import prod


def as_many_as_draws(p, draws):
    return min(draws, len(p))


def equal_probabilities(p, draws):
    return len(p) * (1 - (1 - 1 / len(p)) ** draws)


def those_that_were_missed(p, draws):
    return sum((1 - chance) ** draws for chance in p)


def all_draws_in_the_set(p, code, draws):
    return sum(p[i] for i in code) ** draws


def independent_operations(p, code, draws):
    chance = 1.0
    for i, one in enumerate(p):
        missed = (1 - one) ** draws
        chance *= 1 - missed if i in code else missed
    return chance


def each_member_once(p, code, draws):
    return prod(p[i] for i in code) if draws >= len(code) else 0.0


def _chance(p, code, draws):
    return sum(
        (-1) ** (len(code) - size) * sum(p[i] for i in part) ** draws
        for size in range(len(code) + 1)
        for part in combinations(code, size)
    )


def _best(p, draws):
    falling = sorted(p, reverse=True)
    return [round(_chance(falling, tuple(range(size)), draws), 12) for size in range(1, len(p) + 1)]


def takes_the_tie(p):
    return next(m for m in range(len(p), 99) if _best(p, m)[-1] >= max(_best(p, m)))


def all_of_them_half_the_time(p):
    return next(m for m in range(1, 99) if _best(p, m)[-1] >= 0.5)


def nearly_all_on_average(p):
    return next(m for m in range(1, 99) if sum(1 - (1 - one) ** m for one in p) >= len(p) - 0.5)


WRONG = {
    "15.1": [
        (as_many_as_draws, "the largest number"),
        (equal_probabilities, "right for equal probabilities"),
        (those_that_were_missed, "no draw hits"),
    ],
    "15.2": [
        (all_draws_in_the_set, "some members may be missed"),
        (independent_operations, "as independent"),
        (each_member_once, "one order"),
    ],
    "15.3": [
        (takes_the_tie, "the smaller set wins"),
        (all_of_them_half_the_time, "in half of the draws"),
        (nearly_all_on_average, "the mean number to come near"),
    ],
}
