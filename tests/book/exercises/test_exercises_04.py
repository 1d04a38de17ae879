"""Exercises of chapter 04: matrices turned round, told beyond the mistakes in ``wrong_answers``."""

import numpy as np
import pytest
from wrong_answers.chapter_04 import plans

from nasbook.book import exercises
from nasbook.book.exercises import chapter_04


def turned(array):
    return np.swapaxes(array, 1, 2)


def transitions_turned(vectors, transitions, observations, rewards, gamma):
    return chapter_04.backup(vectors, turned(transitions), observations, rewards, gamma)


def observations_turned(vectors, transitions, observations, rewards, gamma):
    return chapter_04.backup(vectors, transitions, turned(observations), rewards, gamma)


def both_turned(vectors, transitions, observations, rewards, gamma):
    return chapter_04.backup(vectors, turned(transitions), turned(observations), rewards, gamma)


def product_turned(vectors, transitions, observations, rewards, gamma):
    def weights(a):
        return [(transitions[a] * observations[a, :, o]).T for o in range(2)]

    return plans(vectors, transitions, rewards, gamma, weights)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (transitions_turned, "the matrix of transitions is turned round"),
        (observations_turned, "the matrix of observations is turned round"),
        (both_turned, "both matrices are turned round"),
        (product_turned, "the product is turned round"),
    ],
)
def test_a_backup_with_matrices_turned_round_is_told_which(answer, said):
    assert exercises.diagnosis("04.2", answer).startswith(said)


def test_an_update_with_both_matrices_turned_round_is_told_a_cause():
    def update(belief, transitions, observations, action, observation):
        return chapter_04.update(belief, turned(transitions), turned(observations), action, observation)

    assert exercises.diagnosis("04.1", update).startswith("the matrix is turned round: row s of transitions[a]")
