"""Edges of the policy gradients and of the architecture environment that a run as a whole would not show."""

import numpy as np
import pytest
from small_worlds import Line

from nasbook.decisions import ArchitectureEnv, TabularPolicy, gradients


def test_large_logits_do_not_overflow():
    assert TabularPolicy([[2000.0, 0.0]]).log_probabilities([[1]])[0] == -2000


def test_the_baseline_in_the_history_is_without_the_bonus():
    policy = TabularPolicy.uniform([3, 2])
    history = gradients.reinforce(
        policy,
        np.ones((3, 2)),
        steps=1,
        batch=4,
        learning_rate=1,
        baseline=0.4,
        entropy_weight=0.5,
        rng=np.random.default_rng(0),
    )
    assert history.baselines[0] == pytest.approx(0.4)


def test_the_best_of_equals_is_the_first():
    rewards = np.array([[0.2, 0.9], [0.9, 0.1]])
    tokens = np.arange(4).reshape(2, 2, 1)
    assert gradients.History(tokens, rewards, np.zeros(2), np.zeros(2)).best == ((1,), 0.9)


def test_a_history_is_compared_by_identity():
    history = gradients.History(np.zeros((2, 2, 1)), np.zeros((2, 2)), np.zeros(2), np.zeros(2))
    assert history == history


def test_an_accuracy_is_copied():
    table, found = np.array([0.5, 0.6]), {(0,): 0.5, (1,): 0.6}
    environments = [ArchitectureEnv((2,), table), ArchitectureEnv((2,), found)]
    table[0] = found[0,] = 0.9
    assert [one.table().tolist() for one in environments] == [[0.5, 0.6]] * 2


def test_an_episode_earns_the_sum_of_its_rewards():
    assert gradients.play(Line(), np.array([[0, 0], [1, 2]])).tolist() == [2, 2]


def test_a_batch_enters_the_moving_average_by_its_mean():
    average = gradients.MovingAverage(0.9)
    average([1.0, 3.0, 5.0])
    assert average.value == pytest.approx(0.3)


def test_an_accuracy_of_zero_is_no_failure():
    env = ArchitectureEnv((2,), [0.0, 0.5])
    env.reset()
    _, reward, over, _, info = env.step(0)
    assert (reward, over, info["failed"]) == (0.0, True, False)
