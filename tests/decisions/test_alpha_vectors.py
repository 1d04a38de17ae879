"""Backups and pruning where a test of whole solutions would not look."""

import numpy as np
import pytest
from scipy import stats

from nasbook.base.errors import NasbookError
from nasbook.decisions import alpha_vectors, envelopes, examples


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ([0.7], r"unknown action 0\.7"),
        ([-1], "unknown action -1"),
        ([0, 1], "actions has the length 2: give one for each of 1"),
    ],
)
def test_every_vector_has_its_action(actions, said):
    with pytest.raises(NasbookError, match=said):
        alpha_vectors.ValueFunction([[1.0, 2.0]], actions)


def test_the_stopping_rule_divides_by_one_minus_gamma(monkeypatch):
    monkeypatch.setattr(envelopes, "distance", lambda first, second: 5e-7)
    with pytest.raises(NasbookError, match="tol is 1e-06"):
        examples.two_state_pomdp().solve(tol=1e-6)


def test_pbvi_draws_observations_with_their_probability():
    moves, shows = np.eye(2)[None], np.array([[[0.8, 0.2, 0], [0.3, 0.7, 0]]])
    belief = np.array([0.5, 0.5])
    random = np.random.default_rng(0)
    found = [alpha_vectors._successors(belief, moves, shows, random)[0, 0] for _ in range(4_000)]
    first = np.isclose(found, 0.8 / 1.1)
    assert np.isclose(found, 0.2 / 0.9)[~first].all()
    assert stats.chisquare([first.sum(), (~first).sum()], [2_200, 1_800]).pvalue > 1e-4


def test_a_mean_of_two_planes_is_not_needed_wherever_it_stands():
    assert envelopes.prune(np.array([[1, -0.75, -0.75], [1, 1, -2.5], [1, -2.5, 1]])).tolist() == [1, 2]


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_pruning_does_not_feel_the_unit_of_reward(scale):
    vectors = np.random.default_rng(0).normal(size=(40, 3))
    assert envelopes.prune(scale * vectors).tolist() == envelopes.prune(vectors).tolist()
