"""Tabular policies against finite differences, counts of draws and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from two_steps import GRADIENT, REWARDS, ascent, random_policy, slope, two_steps

from nasbook.base.errors import NasbookError
from nasbook.decisions import gradients, policies
from nasbook.decisions.policies import TabularPolicy


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([(3,), (2, 3), (2, 3, 2)]))
def test_scores_are_slopes_and_have_mean_zero(seed, choices):
    policy = random_policy(seed, choices)
    lists = policies.every_list(choices)
    chance = np.exp(policy.log_probabilities(lists))
    assert chance.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(chance @ policy.scores(lists), 0, atol=1e-12)
    for place, tokens in enumerate(lists):
        one = slope(policy, lambda of, tokens=tokens: of.log_probabilities(tokens[None])[0])
        np.testing.assert_allclose(policy.scores(lists)[place], one, atol=1e-8)
    assert chance @ policy.entropies(lists) == pytest.approx(-(chance * np.log(chance)).sum(), abs=1e-12)


def test_lists_are_drawn_as_often_as_their_probability():
    policy = random_policy(5, (3, 2, 4))
    drawn = np.ravel_multi_index(tuple(policy.sample(50_000, np.random.default_rng(0)).T), policy.choices)
    expected = 50_000 * np.exp(policy.log_probabilities(policies.every_list(policy.choices)))
    assert stats.chisquare(np.bincount(drawn, minlength=24), expected).pvalue > 1e-4


def test_a_policy_stays_finite_however_certain():
    policy = TabularPolicy([[0.0, -2000.0]])
    assert policy.log_probabilities([[1]])[0] == -2000
    assert policy.entropies([[0]])[0] == 0
    assert gradients.optimal_constant_baseline(policy, [0.3, 0.9]) == pytest.approx(0.3)


def test_ascend_over_all_lists_is_the_exact_gradient():
    policy, lists = two_steps(), policies.every_list((3, 2))
    weights = len(lists) * np.exp(policy.log_probabilities(lists)) * REWARDS.ravel()
    np.testing.assert_allclose(ascent(policy, lists, weights), GRADIENT, rtol=0, atol=5e-9)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: TabularPolicy([]), "a table of logits for each step"),
        (lambda: TabularPolicy(None), "a table of logits for each step"),
        (lambda: two_steps().move([1, 2]), r"shape \(2,\)"),
        (lambda: two_steps().move(None), "step of the logits"),
        (lambda: two_steps().scores([[0, 1], [0]]), "differ in length"),
        (lambda: two_steps().scores(None), "whole numbers"),
        (lambda: two_steps().ascend(None, [1], learning_rate=1), "whole numbers"),
        (lambda: gradients.exact_gradient(TabularPolicy.uniform([10] * 5), np.zeros([10] * 5)), "fewer lists"),
        (lambda: TabularPolicy([[0, 0], [0, 0]]), r"tables\[1\] has the shape \(2,\)"),
        (lambda: TabularPolicy([[0, 0], [[0, 0]] * 3]), r"tables\[0\] has the shape \(2,\), must be \(3,\)"),
        (lambda: TabularPolicy([[0, np.nan]]), "is nan"),
        (lambda: TabularPolicy.uniform([]), "choices must be the number of tokens of each step"),
        (lambda: TabularPolicy.uniform([3, 0]), r"choices\[1\] is 0"),
        (lambda: TabularPolicy.uniform([10] * 7), "10,000,000 token lists"),
        (lambda: two_steps().scores([[0, 2]]), r"tokens\[0, 1\] is 2: step 1 has the tokens 0 to 1"),
        (lambda: two_steps().scores([[0.0, 1.0]]), "whole numbers"),
        (lambda: two_steps().log_probabilities([0, 1]), r"shape \(lists, 2\)"),
        (lambda: two_steps().ascend([[0, 1]], [1, 2], learning_rate=1), r"weights has the shape \(2,\)"),
        (lambda: two_steps().ascend([[0, 1]], [1e308], learning_rate=1e308), "logits"),
    ],
)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(NasbookError, match=said), np.errstate(over="ignore", invalid="ignore"):
        call()
