"""Policy gradients against enumeration, finite differences and closed forms; values of the book's METHODS 0.6."""

import itertools
from decimal import Decimal
from functools import partial
from math import log

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from two_steps import BEST, GRADIENT, REWARDS, J, ascent, random_policy, slope, two_steps

from nasbook.base.errors import NasbookError
from nasbook.decisions import gradients, policies
from nasbook.decisions.gradients import MovingAverage, leave_one_out
from nasbook.decisions.policies import TabularPolicy


def fresh(**settings):
    """A moving average whose state does not outlive one batch."""
    return lambda rewards: MovingAverage(**settings)(rewards)


def test_the_two_step_policy_has_the_printed_reward_and_gradient():
    policy = two_steps()
    first, second = policy.tables
    exact = Decimal(0)  # 28 digits, by enumeration
    for (a, b), reward in np.ndenumerate(REWARDS):
        tops = [[Decimal(float(logit)).exp() for logit in row] for row in (first, second[a])]
        exact += tops[0][a] / sum(tops[0]) * tops[1][b] / sum(tops[1]) * Decimal(float(reward))
    assert float(exact) == pytest.approx(J, abs=5e-11)
    assert gradients.expected_reward(policy, REWARDS) == pytest.approx(float(exact), abs=1e-14)
    np.testing.assert_allclose(gradients.exact_gradient(policy, REWARDS), GRADIENT, rtol=0, atol=5e-9)


def test_the_variances_and_the_best_baseline_are_the_printed_ones():
    policy = two_steps()
    mean = gradients.expected_reward(policy, REWARDS)
    best = gradients.optimal_constant_baseline(policy, REWARDS)
    assert best == pytest.approx(BEST, abs=1e-6)
    for baseline, variance in {0: 0.411729, mean: 0.083713, best: 0.083030}.items():
        assert gradients.estimator_variance(policy, REWARDS, baseline) == pytest.approx(variance, abs=1e-6)


def test_no_constant_has_less_variance_than_the_best():
    policy = random_policy(3, (2, 3, 2))
    table = np.random.default_rng(3).normal(size=(2, 3, 2))
    best = gradients.optimal_constant_baseline(policy, table)
    least = gradients.estimator_variance(policy, table, best)
    for away in (-0.3, -1e-3, 1e-3, 0.3):
        assert gradients.estimator_variance(policy, table, best + away) > least


@pytest.mark.parametrize("baseline", ["none", "J", "best"])
def test_the_mean_of_200000_samples_is_the_exact_gradient(baseline):
    policy, rng = two_steps(), np.random.default_rng(0)
    value = {"none": 0.0, "J": J, "best": BEST}[baseline]
    tokens = policy.sample(200_000, rng)
    terms = policy.scores(tokens) * (REWARDS[tuple(tokens.T)] - value)[:, None]
    error = terms.std(axis=0, ddof=1) / len(terms) ** 0.5
    assert (np.abs(terms.mean(axis=0) - GRADIENT) < 5 * error).all()
    total = terms.var(axis=0).sum()
    assert total == pytest.approx(gradients.estimator_variance(policy, REWARDS, value), rel=0.03)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([(2,), (3, 2), (2, 1, 3), (2, 2, 2, 2)]), st.floats(0, 1))
def test_the_exact_gradient_is_the_slope_of_reward_and_entropy(seed, choices, weight):
    policy = random_policy(seed, choices)
    table = np.random.default_rng(seed).normal(size=choices)
    lists = policies.every_list(choices)

    def value(of):
        chance = np.exp(of.log_probabilities(lists))
        return gradients.expected_reward(of, table) - weight * (chance * np.log(chance)).sum()

    np.testing.assert_allclose(gradients.exact_gradient(policy, table, weight), slope(policy, value), atol=1e-8)


def test_leave_one_out_subtracts_the_mean_of_the_others():
    np.testing.assert_allclose(leave_one_out([1, 2, 6]), [-3, -1.5, 4.5])


@pytest.mark.parametrize("batch", [2, 3])
def test_leave_one_out_is_unbiased_over_every_batch(batch):
    mean, _ = gradients.batch_moments(two_steps(), REWARDS, leave_one_out, batch)
    np.testing.assert_allclose(mean, GRADIENT, rtol=0, atol=5e-9)


def test_the_variance_of_a_batch_is_that_of_one_list_shared_out():
    policy = two_steps()
    for baseline in (None, 0.4):
        _, variance = gradients.batch_moments(policy, REWARDS, baseline, 3)
        assert variance == pytest.approx(gradients.estimator_variance(policy, REWARDS, baseline or 0.0) / 3, abs=1e-12)


@pytest.mark.parametrize(("batch", "decay"), [(1, 0.9), (1, 0.0), (2, 0.5), (3, 0.9)])
def test_a_reward_in_its_own_average_shrinks_the_mean_gradient(batch, decay):
    settings = {"decay": decay, "start": 0.3}
    ours, _ = gradients.batch_moments(two_steps(), REWARDS, fresh(**settings), batch)
    folded, _ = gradients.batch_moments(two_steps(), REWARDS, fresh(order="fold_first", **settings), batch)
    np.testing.assert_allclose(ours, GRADIENT, rtol=0, atol=5e-9)
    np.testing.assert_allclose(folded, (1 - (1 - decay) / batch) * ours, atol=1e-12)


def test_folding_first_multiplies_a_lone_advantage_by_the_decay():
    ours, enas = MovingAverage(0.9, 0.2), MovingAverage(0.9, 0.2, "fold_first")
    for reward in np.random.default_rng(1).normal(size=20):
        before = ours.value
        assert ours([reward])[0] == pytest.approx(reward - before, abs=1e-15)
        assert enas([reward])[0] == pytest.approx(0.9 * (reward - before), abs=1e-12)
        assert ours.value == enas.value == pytest.approx(before - 0.1 * (before - reward), abs=1e-12)


def test_the_baseline_may_be_nothing_a_number_or_a_function():
    np.testing.assert_array_equal(gradients.advantages([1, 2]), [1, 2])
    np.testing.assert_array_equal(gradients.advantages([1, 2], 1.5), [-0.5, 0.5])
    np.testing.assert_array_equal(gradients.advantages([1, 2], leave_one_out), [-1, 1])


def test_ppo_is_reinforce_where_the_policy_has_not_moved():
    policy = two_steps()
    old = policy.log_probabilities(policies.every_list((3, 2)))
    gains = REWARDS.ravel() - 0.5
    np.testing.assert_array_equal(gradients.clipped_weights(old, old, gains), gains)
    assert gradients.clipped_objective(old, old, gains) == pytest.approx(gains.mean(), abs=1e-15)


def test_ppo_has_no_gradient_where_it_is_clipped():
    new = np.log([1.3, 1.3, 0.7, 0.7, 1.1, 0.9])
    gains = np.array([2.0, -2.0, 2.0, -2.0, 2.0, -2.0])
    weights = gradients.clipped_weights(new, np.zeros(6), gains, 0.2)
    np.testing.assert_allclose(weights, [0, -2.6, 1.4, 0, 2.2, -1.8])
    by_hand = np.mean([1.2 * 2, -1.3 * 2, 0.7 * 2, -0.8 * 2, 1.1 * 2, -0.9 * 2])
    assert gradients.clipped_objective(new, np.zeros(6), gains, 0.2) == pytest.approx(by_hand, abs=1e-12)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_the_weights_climb_the_clipped_objective(seed):
    rng = np.random.default_rng(seed)
    policy, tokens = random_policy(seed, (3, 2)), rng.integers(0, 2, size=(7, 2))
    old = policy.log_probabilities(tokens) + rng.normal(scale=0.3, size=7)
    gains = rng.normal(size=7)

    def objective(of):
        return gradients.clipped_objective(of.log_probabilities(tokens), old, gains)

    weights = gradients.clipped_weights(policy.log_probabilities(tokens), old, gains)
    np.testing.assert_allclose(ascent(policy, tokens, weights), slope(policy, objective), atol=1e-7)


def first_step(policy, **settings):
    """What one step of ``reinforce`` with learning rate 1 adds to the logits, and its history."""
    before = policy.parameters
    history = gradients.reinforce(policy, REWARDS, steps=1, learning_rate=1.0, **settings)
    return policy.parameters - before, history


def test_one_step_of_reinforce_is_its_formula():
    policy = two_steps()
    old = TabularPolicy(policy.tables)
    step, history = first_step(policy, batch=5, baseline=0.4, rng=np.random.default_rng(2))
    tokens = history.tokens[0]
    np.testing.assert_array_equal(tokens, old.sample(5, np.random.default_rng(2)))
    gains = REWARDS[tuple(tokens.T)] - 0.4
    np.testing.assert_allclose(step, gains @ old.scores(tokens) / 5, atol=1e-15)
    assert history.baselines[0] == pytest.approx(0.4)
    assert history.entropies[0] == pytest.approx(old.entropies(tokens).mean())


@pytest.mark.parametrize("entropy", ["sampled", "full"])
def test_the_entropy_enters_the_reward(entropy):
    policy = two_steps()
    old = TabularPolicy(policy.tables)
    settings = {"batch": 4, "entropy_weight": 0.5, "entropy": entropy, "rng": np.random.default_rng(2)}
    step, history = first_step(policy, baseline=leave_one_out, **settings)
    tokens = history.tokens[0]
    bonus = -old.log_probabilities(tokens) if entropy == "sampled" else old.entropies(tokens)
    gains = leave_one_out(history.rewards[0] + 0.5 * bonus)
    np.testing.assert_allclose(step, gains @ old.scores(tokens) / 4, atol=1e-15)


def test_the_sampled_entropy_is_exact_in_the_mean_and_the_full_one_is_not():
    policy, lists = two_steps(), policies.every_list((3, 2))
    chance, scores = np.exp(policy.log_probabilities(lists)), policy.scores(lists)
    exact = gradients.exact_gradient(policy, np.zeros((3, 2)), 1.0)
    np.testing.assert_allclose((chance * -np.log(chance)) @ scores, exact, atol=1e-12)
    assert np.abs((chance * policy.entropies(lists)) @ scores - exact).max() > 0.05


def test_ppo_takes_its_epochs_on_one_batch():
    policy = two_steps()
    by_hand = TabularPolicy(policy.tables)
    history = gradients.reinforce(
        policy, REWARDS, steps=1, batch=6, learning_rate=3, rng=np.random.default_rng(1), epochs=3, clip=0.2
    )
    tokens, gains = history.tokens[0], history.rewards[0]
    old = by_hand.log_probabilities(tokens)
    for _ in range(3):
        ratio = np.exp(by_hand.log_probabilities(tokens) - old)
        weights = np.where((ratio > 1.2) & (gains > 0), 0, ratio * gains)
        by_hand.ascend(tokens, weights, learning_rate=3)
    assert ratio.max() > 1.2
    np.testing.assert_allclose(policy.parameters, by_hand.parameters, atol=1e-12)


def test_reinforce_finds_the_best_list_and_remembers_it():
    policy = TabularPolicy.uniform([3, 2])
    history = gradients.reinforce(
        policy, REWARDS, steps=300, batch=8, learning_rate=2, rng=np.random.default_rng(0), baseline=leave_one_out
    )
    assert gradients.expected_reward(policy, REWARDS) > 0.95
    assert history.best == ((0, 0), 1.0)
    assert history.tokens.shape == (300, 8, 2) and history.rewards.shape == (300, 8)
    assert history.entropies[0] == pytest.approx(log(6)) and history.entropies[-1] < 0.5


class Remembered:
    """A policy that is no table and holds no array: it keeps a preference for each whole list it has seen."""

    choices = (2, 2)

    def __init__(self):
        self.liking = dict.fromkeys(itertools.product(range(2), range(2)), 0.0)

    def chances(self):
        raised = {key: np.exp(value) for key, value in self.liking.items()}
        return {key: value / sum(raised.values()) for key, value in raised.items()}

    def sample(self, count, rng):
        chances = self.chances()
        return np.array(list(chances))[rng.choice(4, size=count, p=list(chances.values()))]

    def log_probabilities(self, tokens):
        chances = self.chances()
        return np.log([chances[tuple(one)] for one in tokens.tolist()])

    def entropies(self, tokens):
        chances = np.array(list(self.chances().values()))
        return np.full(len(tokens), -(chances * np.log(chances)).sum())

    def ascend(self, tokens, weights, *, learning_rate):
        chances = self.chances()
        for one, weight in zip(tokens.tolist(), weights):
            for key in self.liking:
                self.liking[key] += learning_rate * weight * ((key == tuple(one)) - chances[key]) / len(tokens)


@pytest.mark.parametrize("more", [{}, {"epochs": 3, "clip": 0.2}, {"entropy_weight": 0.01}])
def test_a_policy_of_another_kind_learns_by_the_same_code(more):
    policy = Remembered()
    table = np.array([[0.2, 0.4], [0.9, 0.1]])
    settings = {"steps": 150, "batch": 8, "learning_rate": 2.0, "baseline": leave_one_out, **more}
    history = gradients.reinforce(policy, table, rng=np.random.default_rng(0), **settings)
    assert policy.chances()[1, 0] > 0.9 and history.best == ((1, 0), 0.9)


run = partial(gradients.reinforce, steps=1, batch=2, learning_rate=1, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: leave_one_out([1.0]), "at least two rewards"),
        (lambda: MovingAverage(1.0), "decay is 1"),
        (lambda: MovingAverage(order="fold_last"), "did you mean 'fold_first'"),
        (lambda: gradients.advantages([1, np.inf]), r"rewards\[1\] is inf"),
        (lambda: gradients.advantages([1, 2], lambda r: r[:1]), r"advantages has the shape \(1,\)"),
        (lambda: gradients.clipped_weights([0], [0], [1], clip=0), "clip is 0"),
        (lambda: gradients.clipped_objective([1000], [0], [-1]), "not finite"),
        (lambda: gradients.clipped_weights([1000], [0], [-1]), "not finite"),
        (lambda: gradients.expected_reward(two_steps(), [[1], [1, 2]]), "rectangular"),
        (lambda: run(two_steps(), REWARDS, batch=0), "batch is 0"),
        (lambda: gradients.clipped_weights([0, 0], [0], [1]), "log-probabilities has the shape"),
        (lambda: gradients.expected_reward(two_steps(), [[1, 2]]), r"rewards has the shape \(1, 2\)"),
        (lambda: gradients.batch_moments(two_steps(), REWARDS, None, 9), "at most 100,000"),
        (lambda: run(two_steps(), REWARDS, epochs=2), "need a clip"),
        (lambda: run(two_steps(), REWARDS, entropy="half"), "unknown entropy"),
        (lambda: run(two_steps(), lambda tokens: [1.0]), r"rewards has the shape \(1,\)"),
    ],
)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(NasbookError, match=said), np.errstate(over="ignore", invalid="ignore"):
        call()
