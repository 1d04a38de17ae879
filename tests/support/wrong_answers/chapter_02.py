"""Typical wrong answers to the exercises of chapter 02, each with a phrase of its own diagnosis."""

from itertools import product

import numpy as np

from nasbook.book.exercises.chapter_02 import em_step
from nasbook.decisions import HMM


def not_normalised(belief, observation, transitions, emissions):
    return (belief @ transitions) * emissions[:, observation]


def no_prediction(belief, observation, transitions, emissions):
    joint = belief * emissions[:, observation]
    return joint / joint.sum()


def a_row_of_emissions(belief, observation, transitions, emissions):
    joint = (belief @ transitions) * emissions[observation]
    return joint / joint.sum()


def columns(belief, observation, transitions, emissions):
    return no_prediction(transitions @ belief, observation, transitions, emissions)


def each_alone(prior, transitions, emissions, observations):
    return HMM(prior, transitions, emissions).smooth(observations).argmax(axis=1)


def no_way_back(prior, transitions, emissions, observations):
    best = prior * emissions[:, observations[0]]
    path = [best.argmax()]
    for observation in observations[1:]:
        best = (best[:, None] * transitions).max(axis=0) * emissions[:, observation]
        path.append(best.argmax())
    return np.array(path)


def backwards(prior, transitions, emissions, observations):
    return HMM(prior, transitions, emissions).viterbi(observations)[0][::-1]


def products(prior, transitions, emissions, observations):
    best, pointers = prior * emissions[:, observations[0]], []
    for observation in observations[1:]:
        ways = best[:, None] * transitions
        pointers.append(ways.argmax(axis=0))
        best = ways.max(axis=0) * emissions[:, observation]
    path = [best.argmax()]
    for before in reversed(pointers):
        path.append(before[path[-1]])
    return np.array(path[::-1])


def last_in_the_divisor(prior, transitions, emissions, sequences):
    begun, _, emitted = em_step(prior, transitions, emissions, sequences)
    moved, visits = np.zeros_like(transitions), np.zeros(len(prior))
    for seen in sequences:
        model = HMM(prior, transitions, emissions)
        alpha, beta, total = model.forward(seen), model.backward(seen), model.likelihood(seen)
        visits += (alpha * beta).sum(axis=0) / total
        for t, (i, j) in product(range(len(seen) - 1), product(range(len(prior)), repeat=2)):
            moved[i, j] += alpha[t, i] * transitions[i, j] * emissions[j, seen[t + 1]] * beta[t + 1, j] / total
    return begun, moved / visits[:, None], emitted


def averaged(prior, transitions, emissions, sequences):
    each = [em_step(prior, transitions, emissions, [seen]) for seen in sequences]
    return tuple(np.mean(parts, axis=0) for parts in zip(*each))


def glued(prior, transitions, emissions, sequences):
    return em_step(prior, transitions, emissions, [[one for seen in sequences for one in seen]])


def without_likelihood(prior, transitions, emissions, sequences):
    total = [np.zeros_like(part) for part in (prior, transitions, emissions)]
    for seen in sequences:
        model = HMM(prior, transitions, emissions)
        alpha, beta = model.forward(seen), model.backward(seen)
        total[0] += alpha[0] * beta[0]
        for t, observation in enumerate(seen):
            total[2][:, observation] += alpha[t] * beta[t]
            if t:
                total[1] += np.outer(alpha[t - 1], emissions[:, observation] * beta[t]) * transitions
    return tuple(part / part.sum(axis=-1, keepdims=True) for part in total)


WRONG = {
    "02.1": [
        (not_normalised, "divide by it"),
        (no_prediction, "the state moves before it is heard"),
        (a_row_of_emissions, "take the column"),
        (columns, "it is belief @ transitions"),
    ],
    "02.2": [
        (each_alone, "asked is the path that is it as a whole"),
        (no_way_back, "walk back at the end"),
        (products, "underflow to 0"),
        (backwards, "turn it round"),
    ],
    "02.3": [
        (last_in_the_divisor, "nothing follows the last state"),
        (averaged, "sum their counts, then divide"),
        (glued, "from the end of one to the start of the next"),
        (without_likelihood, "by its own likelihood L"),
    ],
}
