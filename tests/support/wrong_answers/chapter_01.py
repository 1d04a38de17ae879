"""Typical wrong answers to the exercises of chapter 01, each with a phrase of its own diagnosis."""

import numpy as np

from nasbook.book.exercises.chapter_01 import stationary


def column(transitions, start, steps):
    return np.linalg.matrix_power(transitions, steps) @ np.eye(len(transitions))[start]


def entry_by_entry(transitions, start, steps):
    return (transitions**steps)[start]


def one_too_many(transitions, start, steps):
    return np.linalg.matrix_power(transitions, steps + 1)[start]


def uniform_start(transitions, start, steps):
    return np.full(len(transitions), 1 / len(transitions)) @ np.linalg.matrix_power(transitions, steps)


def right_eigenvector(transitions):
    values, vectors = np.linalg.eig(transitions)
    vector = vectors[:, np.argmin(abs(values - 1))].real
    return vector / vector.sum()


def of_length_one(transitions):
    values, vectors = np.linalg.eig(transitions.T)
    return abs(vectors[:, np.argmin(abs(values - 1))].real)


def zeros(transitions):
    return np.linalg.lstsq(transitions.T - np.eye(len(transitions)), np.zeros(len(transitions)), rcond=None)[0]


def a_high_power(transitions):
    return np.linalg.matrix_power(transitions, 1_000)[0]


def _covariances(transitions, rewards):
    pi = stationary(transitions)
    centred = rewards - pi @ rewards
    return [(pi * centred) @ np.linalg.matrix_power(transitions, lag) @ centred for lag in range(300)]


def independent(transitions, rewards):
    return _covariances(transitions, rewards)[0]


def covariances_once(transitions, rewards):
    return sum(_covariances(transitions, rewards))


def lag_zero_again(transitions, rewards):
    covariances = _covariances(transitions, rewards)
    return covariances[0] + 2 * sum(covariances)


def absolute(transitions, rewards):
    covariances = _covariances(transitions, rewards)
    return covariances[0] + 2 * sum(map(abs, covariances[1:]))


WRONG = {
    "01.1": [
        (column, "p_2 is a column here"),
        (entry_by_entry, "a step is a matrix product"),
        (one_too_many, "one step too many"),
        (uniform_start, "you begin in all states alike"),
    ],
    "01.2": [
        (right_eigenvector, "pi stands on the left of P"),
        (of_length_one, "the squares of your entries sum to 1"),
        (a_high_power, "never settles"),
        (zeros, "add the equation that pi sums to 1"),
    ],
    "01.3": [
        (independent, "neighbouring steps are correlated"),
        (covariances_once, "each covariance stands twice"),
        (lag_zero_again, "lag 0 stands once"),
        (absolute, "alternate in sign"),
    ],
}
