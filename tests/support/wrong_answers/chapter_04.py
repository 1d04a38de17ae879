"""Typical wrong answers to the exercises of chapter 04, each with a phrase of the sentence it must get."""

from itertools import product
from math import comb

import numpy as np


def not_normalised(belief, transitions, observations, action, observation):
    return belief @ transitions[action] * observations[action, :, observation]


def matrix_turned_round(belief, transitions, observations, action, observation):
    joint = transitions[action] @ belief * observations[action, :, observation]
    return joint / joint.sum()


def observations_turned_round(belief, transitions, observations, action, observation):
    joint = belief @ transitions[action] * observations[action, observation]
    return joint / joint.sum()


def weighed_before_the_move(belief, transitions, observations, action, observation):
    joint = belief * observations[action, :, observation] @ transitions[action]
    return joint / joint.sum()


def plans(vectors, transitions, rewards, gamma, weights):
    found = []
    for action, pays in enumerate(rewards):
        after = [gamma * vectors @ weight.T for weight in weights(action)]
        for chosen in product(range(len(vectors)), repeat=len(after)):
            found.append(pays + sum(one[index] for one, index in zip(after, chosen)))
    return np.array(found)


def without_gamma(vectors, transitions, observations, rewards, gamma):
    return plans(vectors, transitions, rewards, 1, lambda a: [transitions[a] * observations[a, :, o] for o in range(2)])


def one_vector_for_all(vectors, transitions, observations, rewards, gamma):
    return plans(vectors, transitions, rewards, gamma, lambda a: [transitions[a]])


def state_by_state(vectors, transitions, observations, rewards, gamma):
    return plans(vectors.max(axis=0, keepdims=True), transitions, rewards, gamma, lambda a: [transitions[a]])


def shown_by_the_state_left(vectors, transitions, observations, rewards, gamma):
    def weights(a):
        return [observations[a, :, o, None] * transitions[a] for o in range(2)]

    return plans(vectors, transitions, rewards, gamma, weights)


def majority_of_all(accuracy, cost, readings):
    right = sum(
        comb(readings, votes) * accuracy**votes * (1 - accuracy) ** (readings - votes) * share
        for votes in range(readings + 1)
        for share in [1 if 2 * votes > readings else 0.5 * (2 * votes == readings)]
    )
    return right - cost * readings


def one_reading_ahead(accuracy, cost, readings):
    def worth(belief, left):
        stop = max(belief, 1 - belief)
        if not left:
            return stop
        says = belief * accuracy + (1 - belief) * (1 - accuracy)
        after = belief * accuracy / says, belief * (1 - accuracy) / (1 - says)
        chances = says, 1 - says
        if sum(chance * max(b, 1 - b) for chance, b in zip(chances, after)) - cost <= stop:
            return stop
        return sum(chance * worth(b, left - 1) for chance, b in zip(chances, after)) - cost

    return worth(0.5, readings)


def free_readings(accuracy, cost, readings):
    return majority_of_all(accuracy, 0, readings)


WRONG = {
    "04.1": [
        (not_normalised, "divide by the sum"),
        (matrix_turned_round, "row s of transitions[a] leads out of s"),
        (observations_turned_round, "the matrix of observations is turned round"),
        (weighed_before_the_move, "the state that was left"),
    ],
    "04.2": [
        (without_gamma, "by gamma"),
        (one_vector_for_all, "one vector serves"),
        (state_by_state, "state by state"),
        (shown_by_the_state_left, "observations[a, s', o]"),
    ],
    "04.3": [
        (majority_of_all, "whatever they say"),
        (one_reading_ahead, "one reading ahead"),
        (free_readings, "no price"),
    ],
}
