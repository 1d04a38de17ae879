"""Typical wrong answers to the exercises of chapter 07, with a phrase of the sentence that each must get."""

from math import comb, perm, prod

from nasbook.book.exercises import chapter_07 as right


def lists_of_inputs(nodes, operations, inputs):
    return prod(perm(earlier, inputs) * operations**inputs for earlier in range(2, 2 + nodes))


def without_operations(nodes, operations, inputs):
    return prod(comb(earlier, inputs) for earlier in range(2, 2 + nodes))


def one_operation_a_node(nodes, operations, inputs):
    return prod(comb(earlier, inputs) * operations for earlier in range(2, 2 + nodes))


def states_from_one(nodes, operations, inputs):
    return prod(comb(earlier, inputs) * operations**inputs for earlier in range(1, 1 + nodes))


def added(nodes, operations, inputs):
    return sum(comb(earlier, inputs) * operations**inputs for earlier in range(2, 2 + nodes))


def with_repetition(nodes, operations, inputs):
    return prod(earlier**inputs * operations**inputs for earlier in range(2, 2 + nodes))


def best_of_all(population, sample, mutate, evaluate):
    child = mutate(max(population, key=lambda one: one[1])[0])
    return [*population[1:], (child, evaluate(child))]


def removes_the_worst(population, sample, mutate, evaluate):
    grown = right.evolve(population, sample, mutate, evaluate)
    alive = [population[0], *grown]
    return [one for one in alive if one != min(alive, key=lambda one: one[1])]


def worst_of_the_sample(population, sample, mutate, evaluate):
    # tournament selection (Real et al., 2017): the loser of the tournament makes room
    by_score = sorted(set(sample), key=lambda place: population[place][1])
    child = mutate(population[by_score[-1]][0])
    alive = [one for place, one in enumerate(population) if place != by_score[0]]
    return [*alive, (child, evaluate(child))]


def worst_as_parent(population, sample, mutate, evaluate):
    child = mutate(min((population[place] for place in sample), key=lambda one: one[1])[0])
    return [*population[1:], (child, evaluate(child))]


def never_removes(population, sample, mutate, evaluate):
    return [population[0], *right.evolve(population, sample, mutate, evaluate)]


def child_in_front(population, sample, mutate, evaluate):
    *others, child = right.evolve(population, sample, mutate, evaluate)
    return [child, *others]


def evaluates_everybody(population, sample, mutate, evaluate):
    members = right.evolve(population, sample, mutate, evaluate)
    return [(architecture, evaluate(architecture)) for architecture, _ in members]


def keeps_the_score(population, sample, mutate, evaluate):
    architecture, score = max((population[place] for place in sample), key=lambda one: one[1])
    return [*population[1:], (mutate(architecture), score)]


def replaces_the_parent(population, sample, mutate, evaluate):
    place = max(sample, key=lambda one: population[one][1])
    child = mutate(population[place][0])
    return [*population[:place], *population[place + 1 :], (child, evaluate(child))]


def first_drawn(population, sample, mutate, evaluate):
    child = mutate(population[sample[0]][0])
    return [*population[1:], (child, evaluate(child))]


def spares_the_drawn(population, sample, mutate, evaluate):
    child = right.evolve(population, sample, mutate, evaluate)[-1]
    gone = min(place for place in range(len(population)) if place not in sample)
    return [*population[:gone], *population[gone + 1 :], child]


def law_with_repetition(values, draws):
    size = len(values)
    return sum(v * (((i + 1) / size) ** draws - (i / size) ** draws) for i, v in enumerate(sorted(values)))


def downwards(values, draws):
    ordered = sorted(values, reverse=True)
    return sum(v * comb(i, draws - 1) for i, v in enumerate(ordered)) / comb(len(values), draws)


def not_sorted(values, draws):
    return sum(v * comb(i, draws - 1) for i, v in enumerate(values)) / comb(len(values), draws)


def mean_of_the_table(values, draws):
    return sum(values) / len(values)


WRONG = {
    "07.1": [
        (lists_of_inputs, "count sets of states, not lists"),
        (with_repetition, "may read one state twice"),
        (without_operations, "the operations are missing"),
        (one_operation_a_node, "an operation of its own"),
        (states_from_one, "the outputs of the two cells before"),
        (added, "multiplied, not added"),
    ],
    "07.2": [
        (best_of_all, "take the best of those that were drawn"),
        (worst_as_parent, "the parent is the worst of the sample"),
        (removes_the_worst, "removes the oldest, however good"),
        (worst_of_the_sample, "as in tournament selection"),
        (never_removes, "one comes, one goes"),
        (child_in_front, "the child is the youngest"),
        (keeps_the_score, "the child must be evaluated"),
        (evaluates_everybody, "only the child is new"),
        (replaces_the_parent, "the parent was removed"),
        (first_drawn, "right is [3], the best score drawn"),
        (spares_the_drawn, "where the oldest is drawn it must go all the same"),
    ],
    "07.3": [
        (law_with_repetition, "the law with repetition"),
        (downwards, "the mean of the worst"),
        (not_sorted, "the values must be sorted first"),
        (mean_of_the_table, "the mean of the table"),
    ],
}
