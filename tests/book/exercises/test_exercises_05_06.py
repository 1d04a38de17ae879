"""Chapters 05 and 06: more typical wrong answers than ``wrong_answers`` has room for, and an unusual right one."""

import numpy as np
import pytest
from scipy.optimize import minimize
from wrong_answers.chapter_05 import parts
from wrong_answers.chapter_06 import enumerated

from nasbook.book import exercises
from nasbook.book.exercises import chapter_06


def plain_ips(arms, rewards, propensities, target, model):
    return np.mean(parts(arms, propensities, target, model)[0] * rewards)


def plain_dm(arms, rewards, propensities, target, model):
    return np.mean(parts(arms, propensities, target, model)[1])


def one_a_round(arms, rewards, propensities, target, model):
    weights, word, guess = parts(arms, propensities, target, model)
    return word + weights * (rewards - guess)


def weight_on_its_head(arms, rewards, propensities, target, model):
    weights, word, guess = parts(arms, propensities, target, model)
    return np.mean(word + (rewards - guess) / weights)


def baseline_added(theta_1, theta_2, tokens, rewards, baseline):
    return chapter_06.policy_gradient(theta_1, theta_2, tokens, rewards, -baseline)


def baseline_forgotten(theta_1, theta_2, tokens, rewards, baseline):
    return chapter_06.policy_gradient(theta_1, theta_2, tokens, rewards, 0.0)


def downhill(theta_1, theta_2, tokens, rewards, baseline):
    return tuple(-one for one in chapter_06.policy_gradient(theta_1, theta_2, tokens, rewards, baseline))


def variance(p_1, p_2, rewards, baseline_1, baseline_2):
    square, length = enumerated(p_1, p_2, rewards, baseline_1, baseline_2)
    return square - length


def plain_means_in_both(p_1, p_2, rewards):
    return variance(p_1, p_2, rewards, [rewards.mean()] * 3, rewards.mean(axis=1))


def no_baseline_in_step_1(p_1, p_2, rewards):
    return variance(p_1, p_2, rewards, [0.0] * 3, (p_2 * rewards).sum(axis=1))


def step_1_alone(p_1, p_2, rewards):
    chance, mean = p_1[:, None] * p_2, (p_1[:, None] * p_2 * rewards).sum()
    terms = (rewards - mean)[..., None] * (np.eye(3) - p_1)[:, None]  # (3, 2, 3)
    centre = (chance[..., None] * terms).sum(axis=(0, 1))  # (3, 2, 3) -> (3,)
    return (chance[..., None] * (terms - centre) ** 2).sum()


def step_2_alone(p_1, p_2, rewards):
    both = variance(p_1, p_2, rewards, [(p_1[:, None] * p_2 * rewards).sum()] * 3, (p_2 * rewards).sum(axis=1))
    return both - step_1_alone(p_1, p_2, rewards)


@pytest.mark.parametrize(
    ("number", "answer", "phrase"),
    [
        ("05.2", plain_ips, "this is IPS"),
        ("05.2", plain_dm, "this is DM"),
        ("05.2", one_a_round, "one number a round"),
        ("05.2", weight_on_its_head, "stands on its head"),
        ("06.2", baseline_added, "the baseline is added"),
        ("06.2", baseline_forgotten, "is not subtracted"),
        ("06.2", downhill, "downhill"),
        ("06.3", plain_means_in_both, "weigh them by p_1 and p_2"),
        ("06.3", no_baseline_in_step_1, "too noisy"),
        ("06.3", step_1_alone, "only step 1"),
        ("06.3", step_2_alone, "only step 2"),
    ],
)
def test_a_typical_mistake_gets_its_cause(number, answer, phrase):
    assert phrase in exercises.diagnosis(number, answer)


def test_a_best_log_that_was_searched_for_is_right():
    def searched(target, means):
        whole = {"type": "eq", "fun": lambda mu: mu.sum() - 1}
        start, inside = np.full(3, 1 / 3), [(1e-6, 1)] * 3
        return minimize(lambda mu: (target**2 * means / mu).sum(), start, bounds=inside, constraints=whole).x

    found = searched(np.array([0.2, 0.2, 0.6]), np.array([0.04, 0.25, 0.81]))
    assert np.abs(found - np.array([0.04, 0.10, 0.54]) / 0.68).max() > 1e-6, "too exact to tell"
    assert exercises.diagnosis("05.3", searched) is None
