"""How the bandit policies choose and learn: laws, hand numbers, posteriors."""

import numpy as np
import pytest
from games import MEANS, ROWS, generator, regret
from hypothesis import given, settings, strategies as st
from scipy import integrate, stats

from nasbook.base.errors import NasbookError
from nasbook.decisions import bandits, explorers

SETTINGS = settings(derandomize=True, deadline=None, max_examples=30)


# LinUCB


def test_linucb_follows_the_hand_computed_rounds():
    policy = explorers.LinUCB(3, 2, width=1, ridge=1, shared=True)
    assert np.allclose(policy.scores(ROWS), 1, atol=1e-12)
    policy.update(ROWS, 0, 1.0)
    assert np.allclose(policy.scores(ROWS), (1.207107, 1, 1.205539), rtol=0, atol=5e-7)
    policy.update(ROWS, 1, 0.0)
    assert np.allclose(policy.scores(ROWS), (1.207107, 0.707107, 1.007107), rtol=0, atol=5e-7)
    policy.update(ROWS, 2, 0.5)
    assert np.allclose(policy.theta, (0.54, 0.053333), rtol=0, atol=5e-7)
    assert np.allclose(policy.scores(ROWS), (1.203325, 0.680496, 0.944017), rtol=0, atol=5e-7)


def test_disjoint_models_are_ridge_regressions_of_their_own_rounds():
    random = generator(1)
    policy = explorers.LinUCB(3, 2, width=0.7, ridge=0.5)
    contexts, arms, rewards = random.normal(size=(40, 2)), random.integers(3, size=40), random.normal(size=40)
    for one in zip(contexts, arms, rewards):
        policy.update(*one)
    for arm in range(3):
        # ridge regression as least squares on rows sqrt(ridge) I with the answer 0
        x = np.vstack([contexts[arms == arm], 0.5**0.5 * np.eye(2)])
        y = np.concatenate([rewards[arms == arm], np.zeros(2)])
        theta = np.linalg.lstsq(x, y, rcond=None)[0]
        assert np.allclose(policy.theta[arm], theta, atol=1e-12)
        width = np.sqrt(np.array([1, 2]) @ np.linalg.inv(x.T @ x) @ np.array([1, 2]))
        assert policy.scores([1, 2])[arm] == pytest.approx(theta @ [1, 2] + 0.7 * width, abs=1e-12)


def test_a_shared_model_learns_about_all_arms_and_a_disjoint_one_about_one():
    shared, disjoint = explorers.LinUCB(3, 2, shared=True), explorers.LinUCB(3, 2)
    for policy in (shared, disjoint):
        policy.update(ROWS, 0, 1.0)
    assert shared.predict(ROWS)[2] == pytest.approx(0.3)
    assert disjoint.predict(ROWS).tolist() == [0.5, 0, 0]


@pytest.mark.parametrize("ridge", [0.3, 1.0])
def test_one_constant_feature_is_the_mean_shrunk_by_ridge(ridge):
    policy = explorers.EpsilonGreedy(2, 0.0, ridge=ridge)
    for reward in (1.0, 0.0, 1.0):
        policy.update([1.0], 1, reward)
    assert policy.theta.ravel() == pytest.approx([0, 2 / (3 + ridge)])
    assert policy.widths([1.0]) == pytest.approx([ridge**-0.5, (3 + ridge) ** -0.5])


# Choices


def test_ties_go_to_the_lowest_index_in_spite_of_rounding():
    assert explorers.best(np.array([1 - 1e-15, 1, 1 + 1e-15])) == 0
    assert explorers.best(np.array([0.0, np.inf, np.inf])) == 1
    # .36 + .64 is no exact 1
    assert explorers.LinUCB(3, 2, shared=True).choose(ROWS[::-1], generator()) == 0


def test_epsilon_greedy_has_the_law_it_says():
    policy = explorers.EpsilonGreedy(3, 0.3)
    policy.update([1.0], 2, 1.0)
    assert policy.probabilities([1.0]) == pytest.approx([0.1, 0.1, 0.8])


@pytest.mark.parametrize(
    "policy",
    [explorers.FixedPolicy([0.5, 0.3, 0.2]), explorers.EpsilonGreedy(3, 0.4), explorers.Exp3(3, 0.2)],
    ids=lambda policy: type(policy).__name__,
)
def test_choices_have_the_frequencies_of_their_law(policy):
    policy.update(np.ones(1), 1, 1.0)
    random, law = generator(3), policy.probabilities(np.ones(1))
    counts = np.bincount([policy.choose(np.ones(1), random) for _ in range(20_000)], minlength=3)
    assert stats.chisquare(counts, 20_000 * law).pvalue > 1e-4


@pytest.mark.parametrize("make", [lambda: explorers.UCB1(3), lambda: explorers.LinUCB(3, 1)], ids=["UCB1", "LinUCB"])
def test_a_policy_without_chance_puts_all_probability_on_its_choice(make):
    policy = make()
    for arm, reward in ((0, 0.2), (1, 0.9), (2, 0.3)):
        policy.update(np.ones(1), arm, reward)
    assert policy.choose(np.ones(1), generator()) == 1
    assert policy.probabilities(np.ones(1)).tolist() == [0, 1, 0]


def test_an_impossible_arm_is_never_drawn():
    class Lowest(np.random.Generator):
        def random(self, *args, **kwargs):
            return 0.0

    assert explorers.draw(np.array([0.0, 1.0, 0.0]), Lowest(np.random.PCG64(0))) == 1


# UCB1


def test_the_index_of_ucb1():
    policy = explorers.UCB1(3)
    assert policy.index().tolist() == [np.inf] * 3
    for arm, rewards in ((0, (1, 1, 0, 1)), (1, (0.5,))):
        for reward in rewards:
            policy.update(None, arm, reward)
    # by hand: ln 5 = 1.609438; .75 + sqrt(2 * 1.609438 / 4) and .5 + sqrt(2 * 1.609438)
    assert np.allclose(policy.index()[:2], (1.647061, 2.294123), rtol=0, atol=5e-7)
    assert policy.index()[2] == np.inf and policy.choose(None, generator()) == 2


def test_ucb1_keeps_the_bound_of_its_theorem():
    steps, gaps = 600, max(MEANS) - np.array([mean for mean in MEANS if mean != max(MEANS)])
    bound = 8 * np.log(steps) * (1 / gaps).sum() + (1 + np.pi**2 / 3) * gaps.sum()
    found = regret(bandits.BernoulliBandit(MEANS), lambda: explorers.UCB1(4), steps, 30).sum(axis=1)
    assert found.mean() + 5 * found.std(ddof=1) / 30**0.5 < bound


# Exp3


def test_exp3_moves_as_computed_by_hand():
    policy = explorers.Exp3(2, mixing=0.5)
    assert policy.probabilities().tolist() == [0.5, 0.5]
    policy.update(None, 0, 1.0)
    # estimate 1 / .5 = 2, weight exp(.5 * 2 / 2) = 1.648721; p = .5 * 1.648721 / 2.648721 + .25
    assert np.allclose(np.exp(policy.log_weights), (1.648721, 1), rtol=0, atol=5e-7)
    assert np.allclose(policy.probabilities(), (0.561230, 0.438770), rtol=0, atol=5e-7)
    policy.update(None, 1, 0.4)
    # estimate .4 / .438770 = .911639, weight exp(.5 * .911639 / 2) = 1.255972
    assert np.allclose(np.exp(policy.log_weights), (1.648721, 1.255972), rtol=0, atol=5e-7)


@SETTINGS
@given(st.lists(st.floats(0, 1), min_size=2, max_size=5), st.floats(0.05, 1), st.integers(0, 2**32))
def test_exp3_estimates_the_reward_of_every_arm_without_bias(rewards, mixing, seed):
    policy = explorers.Exp3(len(rewards), mixing)
    policy.log_weights = generator(seed).normal(size=len(rewards))
    law = policy.probabilities()
    assert law.sum() == pytest.approx(1) and law.min() >= mixing / len(rewards) - 1e-12
    mean = sum(law[arm] * policy.estimate(arm, reward) for arm, reward in enumerate(rewards))
    assert np.allclose(mean, rewards, atol=1e-12)


def test_exp3_does_not_overflow():
    policy = explorers.Exp3(2, mixing=0.01)
    policy.log_weights[0] = 1e6
    assert policy.probabilities().tolist() == [0.995, 0.005]


# Thompson sampling


def test_thompson_counts_successes_and_failures():
    policy = explorers.ThompsonSampling(2, trials=10)
    for reward in (0.3, 0.7):
        policy.update(None, 1, reward)
    assert policy.successes.tolist() == [0, 10] and policy.failures.tolist() == [0, 10]


def test_thompson_chooses_with_the_posterior_probability_of_being_best():
    policy = explorers.ThompsonSampling(3)
    for arm, reward in ((0, 1), (0, 1), (1, 1), (1, 0), (2, 0)):
        policy.update(None, arm, reward)
    laws = [stats.beta(3, 1), stats.beta(2, 2), stats.beta(1, 2)]
    others = [[law for law in laws if law is not one] for one in laws]
    chance = [
        integrate.quad(lambda x, one=one, rest=rest: one.pdf(x) * rest[0].cdf(x) * rest[1].cdf(x), 0, 1)[0]
        for one, rest in zip(laws, others)
    ]
    random = generator(5)
    counts = np.bincount([policy.choose(None, random) for _ in range(20_000)], minlength=3)
    assert sum(chance) == pytest.approx(1)
    assert stats.chisquare(counts, 20_000 * np.array(chance)).pvalue > 1e-4


@pytest.mark.parametrize("shared", [False, True])
def test_linear_thompson_draws_from_the_gaussian_posterior(shared):
    noise, prior, random = 0.5, 2.0, generator(6)
    policy = explorers.LinearThompsonSampling(2, 2, noise=noise, prior=prior, shared=shared)
    rows, rewards = ROWS[1:], (0.4, 1.0, -0.3)
    for reward in rewards:
        policy.update(rows, 1, reward)
    # prior precision I / prior^2, likelihood precision x x^T / noise^2
    x = np.array([rows[1]] * 3)
    covariance = np.linalg.inv(np.eye(2) / prior**2 + x.T @ x / noise**2)
    mean = covariance @ x.T @ rewards / noise**2
    drawn = np.array([policy.draw_theta(random) for _ in range(20_000)])
    drawn = drawn if shared else drawn[:, 1]
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (drawn - mean).T)
    assert all(stats.kstest(row, "norm").pvalue > 1e-4 for row in whitened)
    assert abs(np.corrcoef(whitened)[0, 1]) < 5 / 20_000**0.5


def test_equal_scores_are_equal_to_rounding_of_the_largest():
    assert explorers.best(np.array([1e-13, 5e-13])) == 1
    assert explorers.best(np.array([1e6, 1e6 * (1 + 1e-14)])) == 0
    assert explorers.best(np.array([0.5, np.inf, np.inf])) == 1


@pytest.mark.parametrize("shared", [False, True])
def test_a_posterior_lost_in_rounding_gets_a_sentence(shared):
    policy = explorers.LinearThompsonSampling(2, 2, noise=1e-9, shared=shared)
    for x in ([1.0, 1.0], [1.0, 1.0 + 1e-9]):
        policy.update([x, x], 0, 1.0)
    with pytest.raises(NasbookError, match="nearly collinear"):
        policy.choose([[1, 0], [0, 1]], generator())


def test_a_reward_written_as_text_is_no_traceback():
    policy = explorers.ThompsonSampling(2)
    try:
        policy.update(None, 0, "1")
    except NasbookError as error:
        assert "reward" in str(error)
