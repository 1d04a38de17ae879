"""Bandit environments, the games that policies play in them, and what is refused."""

import numpy as np
import pytest
from games import MEANS, ROWS, generator, regret
from scipy import stats

from nasbook import decisions
from nasbook.base.errors import NasbookError
from nasbook.decisions import bandits, explorers


def within_five_errors(sample, mean):
    return abs(np.mean(sample) - mean) <= 5 * np.std(sample, ddof=1) / len(sample) ** 0.5


# Environments


def test_a_bernoulli_bandit_pays_shares_of_its_trials():
    random = generator(2)
    drawn = np.array([bandits.BernoulliBandit([0.1, 0.7], trials=5).pull(1, random) for _ in range(5_000)])
    counts = np.bincount(np.round(5 * drawn).astype(int), minlength=6)
    assert np.allclose(5 * drawn, np.round(5 * drawn))
    assert stats.chisquare(counts, 5_000 * stats.binom(5, 0.7).pmf(range(6))).pvalue > 1e-4


@pytest.mark.parametrize(
    ("contexts", "weights", "means"),
    [
        ([[1, 0], [1, 2]], [[0.5, 0.1], [0.2, 0.3]], [[0.5, 0.2], [0.7, 0.8]]),
        ([ROWS, 2 * ROWS], [0.5, 0.1], [[0.5, 0.1, 0.38], [1, 0.2, 0.76]]),
        ([ROWS], [[1, 0], [0, 2], [1, 1]], [[1, 2, 1.4]]),
    ],
)
def test_a_linear_bandit_means_what_its_weights_say(contexts, weights, means):
    environment = bandits.LinearBandit(contexts, weights, noise=0.2)
    found = [environment.expected(context) for context in np.asarray(contexts, dtype=float)]
    assert np.allclose(found, means)
    random, context = generator(4), environment.contexts[0]
    pulled = [environment.pull(1, random, context) for _ in range(5_000)]
    assert stats.kstest((np.array(pulled) - means[0][1]) / 0.2, "norm").pvalue > 1e-4


def test_a_linear_bandit_draws_its_contexts_uniformly():
    environment, random = bandits.LinearBandit([[1, 0], [0, 1], [1, 1]], [[1, 0]]), generator(8)
    drawn = [tuple(environment.context(random)) for _ in range(3_000)]
    assert stats.chisquare([drawn.count(tuple(row)) for row in environment.contexts]).pvalue > 1e-4


# Playing


def test_a_log_holds_what_happened():
    environment = bandits.LinearBandit([[1, 0.5], [1, -0.5]], [[0.5, 0.2], [0.5, -0.2]], noise=0.01)
    log = bandits.play(environment, explorers.EpsilonGreedy(2, 0.2, 2), 200, generator(9))
    assert log.contexts.shape == (200, 2) and {v.shape for v in (log.arms, log.rewards, log.propensities)} == {(200,)}
    again = explorers.EpsilonGreedy(2, 0.2, 2)
    for context, arm, reward, propensity, lost in zip(
        log.contexts, log.arms, log.rewards, log.propensities, log.regret
    ):
        means = environment.expected(context)
        assert propensity == again.probabilities(context)[arm]
        assert lost == pytest.approx(means.max() - means[arm]) and abs(reward - means[arm]) < 0.06
        again.update(context, arm, reward)


def test_a_game_is_decided_by_its_generator():
    def logs(seed):
        return bandits.play(bandits.BernoulliBandit(MEANS), explorers.Exp3(4), 50, generator(seed))

    assert (logs(1).arms == logs(1).arms).all() and (logs(1).arms != logs(2).arms).any()


def test_what_has_no_closed_form_is_logged_as_nan():
    log = bandits.play(bandits.BernoulliBandit(MEANS), explorers.ThompsonSampling(4), 5, generator())
    assert np.isnan(log.propensities).all()


LEARNERS = {
    "epsilon-greedy": lambda: explorers.EpsilonGreedy(4, 0.1),
    "LinUCB": lambda: explorers.LinUCB(4, 1),
    "Thompson": lambda: explorers.ThompsonSampling(4),
    "linear Thompson": lambda: explorers.LinearThompsonSampling(4, noise=0.5),
    "UCB1": lambda: explorers.UCB1(4),
    "Exp3": lambda: explorers.Exp3(4, 0.2),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_who_learns_regrets_less_than_chance_and_less_as_time_goes_on(name):
    environment, steps, seeds = bandits.BernoulliBandit(MEANS), 400, 30
    found = regret(environment, LEARNERS[name], steps, seeds)
    chance = max(MEANS) - np.mean(MEANS)
    total, slowing = found.sum(axis=1), (found[:, :200] - found[:, 200:]).sum(axis=1)
    assert total.mean() + 5 * total.std(ddof=1) / seeds**0.5 < steps * chance
    assert slowing.mean() > 5 * slowing.std(ddof=1) / seeds**0.5


def test_chance_regrets_the_mean_gap():
    found = regret(bandits.BernoulliBandit(MEANS), lambda: explorers.FixedPolicy([0.25] * 4), 400, 30).mean(axis=1)
    assert within_five_errors(found, max(MEANS) - np.mean(MEANS))


def test_a_width_below_the_size_of_theta_can_lock_linucb_in():
    environment = bandits.LinearBandit([[1, 1], [1, -1]], [[0.5, 0.2], [0.5, -0.2]], noise=0)
    arms = bandits.play(environment, explorers.LinUCB(2, 2, width=0.2), 200, generator()).arms
    assert not arms.any()


def test_who_sees_the_context_beats_who_does_not():
    environment = bandits.LinearBandit([[1, 1], [1, -1]], [[0.5, 0.2], [0.5, -0.2]], noise=0.03)
    seeing = regret(environment, lambda: explorers.LinUCB(2, 2), 200, 20).sum(axis=1)
    blind = regret(environment, lambda: explorers.UCB1(2), 200, 20).sum(axis=1)
    assert within_five_errors(blind, 200 * 0.2)
    assert (blind - seeing).mean() > 5 * (blind - seeing).std(ddof=1) / 20**0.5


# What is refused


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: bandits.BernoulliBandit([0.2, 1.2]), r"means\[1\] is 1.2"),
        (lambda: bandits.BernoulliBandit([]), "shape"),
        (lambda: bandits.BernoulliBandit([0.5], trials=0), "trials is 0"),
        (lambda: bandits.BernoulliBandit([0.5]).pull(1, generator()), "unknown arm 1: valid are 0 to 0"),
        (lambda: bandits.LinearBandit([[1, 2]], [[1, 2, 3]]), "do not agree"),
        (lambda: bandits.LinearBandit([[1, 2]], [1, 2]), "do not agree"),
        (lambda: bandits.LinearBandit([ROWS], [[1, 2]]), "do not agree"),
        (lambda: bandits.LinearBandit([[1, 2]], [[1, 2]], noise=-1), "noise is -1"),
        (lambda: bandits.LinearBandit([[1, 2]], [[1, 2]]).expected([1]), "context has the shape"),
        (lambda: explorers.EpsilonGreedy(2, 1.5), "epsilon is 1.5"),
        (lambda: explorers.EpsilonGreedy(0, 0.1), "arms is 0"),
        (lambda: explorers.LinUCB(2, 2, ridge=0), "ridge is 0"),
        (lambda: explorers.LinUCB(2, 2, width=-1), "width is -1"),
        (lambda: explorers.LinUCB(2, 2).choose([1], generator()), "context has the shape"),
        (lambda: explorers.LinUCB(2, 2, shared=True).choose([1, 2], generator()), "context has the shape"),
        (lambda: explorers.LinUCB(2, 2).update([1, 2], 2, 1.0), "unknown arm 2"),
        (lambda: explorers.LinUCB(2, 2).update([1, 2], -1, 1.0), "unknown arm -1"),
        (lambda: explorers.LinUCB(2, 2).update([1, 2], 0, np.nan), "reward is nan"),
        (lambda: explorers.LinearThompsonSampling(2, noise=0), "noise is 0"),
        (lambda: explorers.LinearThompsonSampling(2, prior=0), "prior is 0"),
        (lambda: explorers.ThompsonSampling(2).update(None, 0, 0.5), "share of ones among 1 trials"),
        (lambda: explorers.ThompsonSampling(2).update(None, -1, 1), "unknown arm -1"),
        (lambda: explorers.UCB1(2).update(None, 0, 1.5), "reward is 1.5"),
        (lambda: explorers.UCB1(2).update(None, 5, 1), "unknown arm 5"),
        (lambda: explorers.Exp3(2, 0), "mixing is 0"),
        (lambda: explorers.Exp3(2).update(None, 0, -1), "reward is -1"),
        (lambda: bandits.play(None, explorers.UCB1(2), 5, generator()), "the environment is NoneType"),
        (lambda: bandits.play(bandits.BernoulliBandit(MEANS), None, 5, generator()), "the policy is NoneType"),
        (lambda: explorers.FixedPolicy([0.5, 0.4]), "sums to 0.9"),
        (lambda: bandits.play(bandits.BernoulliBandit(MEANS), explorers.UCB1(3), 5, generator()), "3 arms"),
        (lambda: bandits.play(bandits.BernoulliBandit(MEANS), explorers.UCB1(4), 0, generator()), "steps is 0"),
    ],
)
def test_bad_input_gets_a_sentence(wrong, said):
    with pytest.raises(NasbookError, match=said) as raised:
        wrong()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("rng", [0, None])
@pytest.mark.parametrize(
    "call",
    [
        lambda rng: bandits.BernoulliBandit([0.5]).pull(0, rng),
        lambda rng: bandits.LinearBandit([[1, 2]], [[1, 2]]).context(rng),
        lambda rng: bandits.LinearBandit([[1, 2]], [[1, 2]]).pull(0, rng, [1, 2]),
        lambda rng: explorers.draw(np.array([0.5, 0.5]), rng),
        lambda rng: explorers.ThompsonSampling(2).choose(None, rng),
        lambda rng: explorers.LinearThompsonSampling(2).choose([1.0], rng),
    ],
)
def test_a_bare_seed_is_no_generator(call, rng):
    with pytest.raises(NasbookError, match=f"rng is {rng}"):
        call(rng)


def test_a_log_is_compared_by_identity():
    log = bandits.play(bandits.BernoulliBandit([0.5]), explorers.UCB1(1), 3, generator())
    assert log == log


@pytest.mark.parametrize("make", [explorers.ThompsonSampling, explorers.UCB1, explorers.Exp3, explorers.LinearModel])
def test_a_refused_update_teaches_nothing(make):
    policy, fresh = make(2), make(2)
    with pytest.raises(NasbookError):
        policy.update([1.0], 0, np.inf)
    for name, value in vars(fresh).items():
        assert np.array_equal(vars(policy)[name], value), name


def test_the_names_are_found_at_the_top():
    assert decisions.LinUCB is explorers.LinUCB and decisions.BernoulliBandit is bandits.BernoulliBandit
