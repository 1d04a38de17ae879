"""Further mistakes in the exercises of chapters 01 and 02 that are told their cause and not only a number."""

import numpy as np
import pytest

from nasbook.book import exercises
from nasbook.book.exercises import chapter_01, chapter_02
from nasbook.decisions import HMM


def always_from_the_first(transitions, start, steps):
    return np.linalg.matrix_power(transitions, steps)[0]


def one_too_few(transitions, start, steps):
    return np.linalg.matrix_power(transitions, max(steps - 1, 0))[start]


def singular(transitions):
    return np.linalg.inv(np.zeros_like(transitions))


def uniform(transitions):
    return np.full(len(transitions), 1 / len(transitions))


def right_eigenvector_of_length_one(transitions):
    values, vectors = np.linalg.eig(transitions)
    return vectors[:, np.argmin(abs(values - 1))].real


def not_centred(transitions, rewards):
    pi = chapter_01.stationary(transitions)
    ahead = np.linalg.solve(np.eye(len(pi)) - transitions + pi, rewards)
    return float(2 * (pi * rewards) @ ahead - (pi * rewards) @ rewards)


def not_centred_by_lags(transitions, rewards):
    pi = chapter_01.stationary(transitions)
    return sum((2 if k else 1) * (pi * rewards) @ np.linalg.matrix_power(transitions, k) @ rewards for k in range(9))


def weighed_first(belief, observation, transitions, emissions):
    joint = belief * emissions[:, observation]
    return joint / joint.sum() @ transitions


def path_and_probability(prior, transitions, emissions, observations):
    return HMM(prior, transitions, emissions).viterbi(observations)


def greedy(prior, transitions, emissions, observations):
    path = [int((prior * emissions[:, observations[0]]).argmax())]
    for observation in observations[1:]:
        path.append(int((transitions[path[-1]] * emissions[:, observation]).argmax()))
    return path


def counts(prior, transitions, emissions, sequences):
    return tuple(np.sum(parts, axis=0) for parts in zip(*chapter_02._counted(sequences)))


def counted_starts(prior, transitions, emissions, sequences):
    _, moved, emitted = chapter_02.em_step(prior, transitions, emissions, sequences)
    return counts(prior, transitions, emissions, sequences)[0], moved, emitted


@pytest.mark.parametrize(
    ("number", "answer", "cause"),
    [
        ("01.1", always_from_the_first, "whatever `start` is"),
        ("01.1", one_too_few, "one step too few"),
        ("01.2", singular, "one of its equations follows from the others"),
        ("01.2", uniform, "your pi is uniform"),
        ("01.2", right_eigenvector_of_length_one, "you found the vector with P v = v"),
        ("01.3", not_centred, "subtract pi @ rewards"),
        ("01.3", not_centred_by_lags, "subtract pi @ rewards"),
        ("02.1", weighed_first, "you weigh before you predict"),
        ("02.2", path_and_probability, "asked is the path alone"),
        ("02.2", greedy, "keep the best way to each of them"),
        ("02.3", counts, "the transitions: these are the expected counts"),
        ("02.3", counted_starts, "the prior: these are the expected counts"),
    ],
)
def test_a_mistake_is_told_its_cause(number, answer, cause):
    assert cause in exercises.diagnosis(number, answer)
