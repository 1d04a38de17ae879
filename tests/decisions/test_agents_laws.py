"""How agents act and what they leave out: frequencies, masks, cut-offs, plans."""

import numpy as np
import pytest
from scipy import stats
from small_worlds import LEARNERS, Doors, Levers, Line, rng

from nasbook.decisions import expected_sarsa, model_based, q_learning, sarsa
from nasbook.decisions.updates import expected_sarsa_target, q_learning_target, sarsa_target


def test_nothing_follows_a_termination_that_pays_nothing():
    assert q_learning_target(0, 0.9, (1, 4), True) == sarsa_target(0, 0.9, 4, True) == 0
    assert expected_sarsa_target(0, 0.9, (1, 4), (0.5, 0.5), True) == 0


@pytest.mark.parametrize("learn", LEARNERS)
def test_targets_leave_out_forbidden_actions(learn):
    more = {} if learn is model_based else {"learning_rate": lambda n: 1 / n}
    env = Line(mask=(0, 1, 1), reward=-1.0)
    learned = learn(env, rng=rng(), gamma=0.5, episodes=3000, epsilon=1, **more)
    np.testing.assert_allclose(learned.q[:2, 1:], [[-1.5, -1.5], [-1, -1]], atol=0.02)


@pytest.mark.parametrize("learn", [q_learning, sarsa, expected_sarsa])
def test_epsilon_greedy_acts_with_its_law(learn):
    n = 20_000
    learned = learn(Levers(), rng=rng(), gamma=0, steps=n, learning_rate=1, epsilon=0.3)
    assert stats.chisquare(learned.visits[0], [0.1 * n, 0.8 * n, 0.1 * n]).pvalue > 1e-4


def test_a_uniform_behaviour_is_uniform():
    learned = q_learning(Levers(), rng=rng(), gamma=0, steps=20_000, behaviour="uniform")
    assert stats.chisquare(learned.visits[0]).pvalue > 1e-4


def test_a_model_learner_acts_on_its_plan():
    learned = model_based(Levers(), rng=rng(), gamma=0, steps=5_000, epsilon=0.3, plan_every=100)
    assert abs(learned.visits[0, 1] / 5_000 - 0.8) < 5 * (0.16 / 5_000) ** 0.5 + 100 / 5_000


def test_behaviour_is_shared_out_among_allowed_actions():
    learned = q_learning(Line(mask=(0, 1, 1)), rng=rng(), gamma=0.5, episodes=10_000, behaviour=[[0.5, 0.1, 0.4]] * 3)
    assert stats.chisquare(learned.visits[0, 1:], [2_000, 8_000]).pvalue > 1e-4


def test_an_episode_after_a_cut_off_begins_with_an_action_of_its_own():
    env = Doors("truncated")
    sarsa(env, rng=rng(), gamma=0.5, episodes=20)
    assert env.taken == [0, 1] * 20
