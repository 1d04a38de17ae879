"""The exercises of notebook 15: the numbers in their checks, by enumeration and by the package."""

from itertools import product
from math import prod

import numpy as np
import pytest

from nasbook.book.exercises import chapter_15, diagnosis
from nasbook.relaxations.samplers import code_probabilities


def sets(p, draws):
    """The law of the set that is drawn, by one sequence of draws after the other."""
    law = {}
    for sequence in product(range(len(p)), repeat=draws):
        union = frozenset(sequence)
        law[union] = law.get(union, 0.0) + prod(p[i] for i in sequence)
    return law


@pytest.mark.parametrize(("p", "answer"), chapter_15.KEEP_ALL.items())
def test_the_draws_that_keep_all_by_enumeration_over_all_sets(p, answer):
    for draws in range(1, answer + 1):
        law = sets(p, draws)
        everything = law.get(frozenset(range(len(p))), 0.0)
        others = max(chance for union, chance in law.items() if len(union) < len(p))
        assert (everything > others + 1e-9) is (draws == answer)


@pytest.mark.parametrize("draws", [1, 2, 5])
def test_the_solutions_agree_with_the_package(draws):
    p = np.random.default_rng(draws).dirichlet(np.ones(5))
    law = code_probabilities(p, draws)
    assert all(chapter_15.code_chance(p, code, draws) == pytest.approx(law[code], abs=1e-12) for code in law)
    mean = sum(len(code) * chance for code, chance in law.items())
    assert chapter_15.mean_operations(p, draws) == pytest.approx(mean)


def test_an_answer_that_rounds_otherwise_is_told_of_the_tie():
    """At p = 1/3 and three draws the sets of two and of three are equally probable, up to the last bits."""

    def greedy(p):
        falling, draws = sorted(p, reverse=True), len(p)
        while True:
            chances = [round(chapter_15.code_chance(falling, range(i), draws), 9) for i in range(1, len(p) + 1)]
            if chances[-1] == max(chances):
                return draws
            draws += 1

    assert "rounded" in diagnosis("15.3", greedy)
