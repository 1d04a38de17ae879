"""Exercises of chapter 03: causes that are told beyond those in ``wrong_answers``."""

import numpy as np
import pytest

from nasbook.book import exercises
from nasbook.book.exercises import chapter_03


def backups(reduced, rewards_times=lambda gamma: 1):
    def backup(transitions, rewards, gamma, values):
        return reduced(rewards_times(gamma) * rewards + gamma * transitions @ values)

    return backup


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (backups(lambda q: q.mean(axis=0)), "the mean over the actions"),
        (backups(lambda q: q.min(axis=0)), "the smallest over the actions"),
        (backups(lambda q: q.max(axis=0), lambda gamma: gamma), "gamma multiplies the reward too"),
        (lambda p, r, gamma, v: (gamma * p @ (r + v)).max(axis=0), "the reward is paid now"),
    ],
)
def test_a_wrong_backup_is_told_its_cause(answer, said):
    assert said in exercises.diagnosis("03.1", answer)


def fixed(policy, value=lambda followed, rewards: (followed, rewards)):
    """Evaluates one policy of the two states; ``value`` may spoil the matrix or the reward."""

    def evaluate(transitions, rewards, gamma):
        matrix, paid = value(transitions[policy, np.arange(2)], rewards)
        return np.linalg.solve(np.eye(2) - gamma * matrix, paid), policy

    return evaluate


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *model: chapter_03.policy_iteration(*model)[::-1], "first the values, then the policy"),
        (lambda p, r, gamma: (r, np.array([0, 1])), "this is one sweep"),
        (fixed([1, 0]), "the worst of the four policies"),
        (fixed([1, 1]), "the values of the policy (1, 1)"),
        (fixed([0, 1], lambda p, r: (p, p @ r)), "not for the next"),
        (lambda *model: (chapter_03.policy_iteration(*model)[0], [0.5, 1]), "yours is [0.5, 1.0]"),
        (lambda *model: (chapter_03.policy_iteration(*model)[0], None), "the policy is None"),
    ],
)
def test_a_wrong_policy_iteration_is_told_its_cause(answer, said):
    assert said in exercises.diagnosis("03.2", answer)


def test_the_policy_counts_on_the_larger_model_too():
    def right_on_two_states_only(transitions, rewards, gamma):
        values, policy = chapter_03.policy_iteration(transitions, rewards, gamma)
        return values, policy if len(rewards) == 2 else np.zeros(len(rewards), dtype=int)

    assert "the policy that you return earns up to" in exercises.diagnosis("03.2", right_on_two_states_only)


def test_one_noise_for_all_candidates_is_told_its_cause():
    def same_noise(means, noise, draws, rng):
        first, second = rng.normal(0, noise, size=(2, draws, 1)) + means
        return first.max(axis=1).mean(), second[np.arange(draws), first.argmax(axis=1)].mean()

    assert "noise of its own" in exercises.diagnosis("03.3", same_noise)
