"""Exercises of chapter 07: the size of a space, one step of evolution, random search without repetition."""

from itertools import combinations
from math import comb

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import cause, differs, explained, whole


def cells(nodes, operations, inputs):
    """How many DARTS-type cells there are: each node reads ``inputs`` different earlier states, an operation on each.

    The first node has two earlier states, the outputs of the two cells before; the next has three, and so on.
    """
    total = 1
    for earlier in range(2, 2 + nodes):
        total *= comb(earlier, inputs) * operations**inputs
    return total


def check_cells(answer) -> str | None:
    # By hand: one node has its two states to read, 9 pairs of operations; the second chooses 2 of 3 states.
    cases = {(1, 3, 2): 9, (2, 3, 2): 243, (2, 2, 1): 24, (4, 7, 2): 180 * 7**8}
    causes = {
        (18, 18 * 54, 24, 2 * 6 * 12 * 20 * 7**8): "the order of the inputs is counted: a sum does not know it, so "
        "count sets of states, not lists",
        (36, 36 * 81, 24, (120**2) * 7**8): "a node may read one state twice here, and in any order: count sets of "
        "different states",
        (1, 3, 6, 180): "the operations are missing: each input has one of them",
        (3, 27, 24, 180 * 7**4): "each of a node's inputs has an operation of its own: raise to the number of inputs",
        (0, 0, 8, 0): "the first node has two earlier states already, the outputs of the two cells before",
        (9, 36, 10, sum(comb(n, 2) * 49 for n in range(2, 6))): "the choices of different nodes are independent: their "
        "numbers are multiplied, not added",
    }
    given = []
    for case in cases:
        given.append(whole(found := answer(*case)))
        if given[-1] is None:
            return f"cells{case} is {found!r}: a whole number is wanted"
    if tuple(given) in causes:
        return causes[tuple(given)]
    for (case, right), found in zip(cases.items(), given):
        if found != right:
            return f"cells{case} is {found:,}, right is {right:,}"
    return None


def evolve(population, sample, mutate, evaluate):
    """One step of regularized evolution; (architecture, score) pairs, the oldest first, and the next population."""
    parent = max((population[place] for place in sample), key=lambda one: one[1])
    child = mutate(parent[0])
    return [*population[1:], (child, evaluate(child))]


def _step(answer, population, sample) -> tuple[np.ndarray, list, list]:
    """The population after the step, (members, 2) or empty where it is no such, and who was mutated and evaluated."""
    mutated, evaluated = [], []

    def mutate(architecture):
        mutated.append(architecture)
        return architecture + 10

    def evaluate(architecture):
        evaluated.append(architecture)
        return 0.3

    given = answer(list(population), list(sample), mutate, evaluate)
    try:
        rows = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        rows = np.zeros(0)
    return rows if rows.ndim == 2 and rows.shape[1] == 2 else np.zeros(0), mutated, evaluated


def check_evolve(answer) -> str | None:
    # The best of all is not drawn; the oldest (0), the worst of all (2) and the worst of the sample (4) differ, so that
    # who was removed says by which rule. The parent is drawn twice, as may happen with replacement.
    population = [(0, 0.5), (1, 0.9), (2, 0.1), (3, 0.7), (4, 0.6)]
    rows, mutated, evaluated = _step(answer, population, [3, 4, 3])
    if not rows.size:
        return "the next population is wanted, a list of pairs (architecture, score), the oldest first"
    if len(mutated) != 1:
        return f"a step has exactly one child, and mutate was called {len(mutated)} times"
    parents = {
        1: "the parent is the best of the whole population: take the best of those that were drawn",
        4: "the parent is the worst of the sample: take the best",
    }
    if mutated[0] != 3:
        return parents.get(mutated[0], f"the parent is {mutated[0]}, right is 3, the best of those drawn by its score")
    if 13 not in evaluated:
        return "the child must be evaluated: its parent's score is not its own"
    if len(evaluated) > 1:
        return f"evaluate was called {len(evaluated)} times: only the child is new, and a training is dear"
    if len(rows) != 5:
        return f"the population has {len(rows)} members after the step and 5 before: one comes, one goes"
    child = (13, 0.3)
    causes = {
        "the worst was removed: regularized evolution removes the oldest, however good": (
            [*population[:2], *population[3:], child]
        ),
        "the worst of the sample was removed, as in tournament selection: the oldest of all goes, drawn or not": (
            [*population[:4], child]
        ),
        "the parent was removed: the oldest goes, and the parent lives on": [*population[:3], population[4], child],
        "the child is the youngest: append it at the end of the queue, and drop the first, the oldest": (
            [child, *population[1:]]
        ),
    }
    if why := cause(rows, causes):
        return why
    # Now the best is drawn once, neither first nor last, and the oldest is drawn as well.
    again, mutated, _ = _step(answer, population, [0, 3, 2, 4])
    if mutated != [3]:
        return f"where the places 0, 3, 2, 4 are drawn the parents are {mutated}, right is [3], the best score drawn"
    if differs(again, [*population[1:], child], "") is not None:
        return "where the oldest is drawn it must go all the same: the oldest of all goes, drawn or not"
    return differs(rows, [*population[1:], child], "the next population")


def expected_best(values, draws):
    """The mean of the best of ``draws`` different architectures drawn uniformly from a table."""
    ordered, total = sorted(values), comb(len(values), draws)
    return sum(value * comb(rank, draws - 1) / total for rank, value in enumerate(ordered))


def check_expected_best(answer) -> str | None:
    tables = (([0.2, 0.9, 0.5, 0.6], 2), ([0.7, 0.1, 0.4, 0.4, 0.8, 0.3], 3), ([0.3, 0.6], 2))
    for values, draws in tables:
        given, size = answer(list(values), draws), len(values)
        every = [max(drawn) for drawn in combinations(values, draws)]
        right, ordered = sum(every) / len(every), sorted(values)
        repeated = sum(v * (((i + 1) / size) ** draws - (i / size) ** draws) for i, v in enumerate(ordered))
        worst = [min(drawn) for drawn in combinations(values, draws)]
        unsorted = sum(v * comb(i, draws - 1) for i, v in enumerate(values)) / comb(size, draws)
        causes = {
            "this is the law with repetition: once drawn, an architecture cannot come again": repeated,
            "this is the mean of the worst: sort the values from the lowest to the highest": sum(worst) / len(worst),
            "this is the mean of the table: the best of several draws is better": sum(values) / size,
            "this is the best of the table, which is certain only when all are drawn": max(values),
            "the values must be sorted first: the chance to be the best depends on the rank": unsorted,
        }
        if wrong := explained(given, right, f"the mean best of {draws} of {values}", causes, 1e-9):
            return wrong
    return None


EXERCISES = {
    "07.1": Exercise(
        check_cells,
        cells,
        "Count the choices of one node, then multiply over the nodes.",
        "A node with s earlier states chooses a set of inputs: `math.comb(s, inputs)` ways.",
        "Then each chosen input carries one of the operations: `operations ** inputs` ways; s runs from 2.",
        "with four nodes, seven operations and two inputs these are the cells of DARTS",
    ),
    "07.2": Exercise(
        check_evolve,
        evolve,
        "Who is the parent: look up the members at the places in `sample`, and take the one with the best score.",
        "The child is `mutate(architecture of the parent)`, and it must be evaluated.",
        "The population is a queue: append the child at its end and drop the first member.",
        "nobody stays alive for ever: what was good by luck must be good again in a child",
    ),
    "07.3": Exercise(
        check_expected_best,
        expected_best,
        "Sort the values. How many sets of `draws` architectures have the one at place i as their best?",
        "The others of such a set come from the i lower ones: `comb(i, draws - 1)` ways.",
        "Divide by the number of all sets, `comb(len(values), draws)`, and sum value times chance.",
        "the exact baseline of a table: no search that repeats nothing need be simulated to know what chance would do",
    ),
}
