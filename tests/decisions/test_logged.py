"""Off-policy evaluation: what each estimator is on average and how much it varies, by enumerating every log."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from nasbook.base.errors import NasbookError
from nasbook.decisions import logged

SETTINGS = settings(derandomize=True, deadline=None, max_examples=25)
MU, PI = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
MEANS, MODEL = np.array([0.3, 0.6, 0.9]), np.array([0.4, 0.5, 0.7])


def every_log(mu, means, rounds=2):
    """(probability, arms, rewards) of every log of a bandit with 0/1 rewards; mu, means (rounds, arms)."""
    mu, means = (np.broadcast_to(rows, (rounds, np.shape(rows)[-1])) for rows in (mu, means))
    for log in itertools.product(itertools.product(range(mu.shape[1]), (0, 1)), repeat=rounds):
        arms, rewards = (np.array(column) for column in zip(*log))
        p = means[range(rounds), arms]
        yield float(np.prod(mu[range(rounds), arms] * np.where(rewards, p, 1 - p))), arms, rewards


def moments(estimator, mu=MU, means=MEANS, propensities=None, rounds=2):
    """Exact mean and per-round variance of the value, and the mean of what n standard_error^2 says of it."""
    known = np.broadcast_to(mu if propensities is None else propensities, (rounds, np.shape(mu)[-1]))
    logs = list(every_log(mu, means, rounds))
    chance = np.array([p for p, *_ in logs])
    found = [estimator(arms, rewards, known[range(rounds), arms]) for _, arms, rewards in logs]
    values = np.array([one.value for one in found])
    mean = chance @ values
    said = chance @ np.array([rounds * one.standard_error**2 for one in found])
    assert chance.sum() == pytest.approx(1)
    return mean, rounds * (chance @ (values - mean) ** 2), said


def ips(*log):
    return logged.ips(*log, PI)


def doubly_robust(*log, model=MODEL):
    return logged.doubly_robust(*log, PI, model)


# The numbers of one context, three arms


def test_the_truth_of_the_example():
    assert np.isclose(PI @ MEANS, 0.72)


def test_ips_is_unbiased_and_varies_as_computed():
    assert moments(ips) == pytest.approx((0.72, 1.2056, 1.2056), abs=1e-12)


def test_the_direct_method_says_what_the_model_says():
    found = logged.direct_method([PI] * 4, MODEL)
    assert found.value == pytest.approx(0.60) and found.standard_error == pytest.approx(0, abs=1e-15)


def test_doubly_robust_is_unbiased_and_varies_less():
    assert moments(doubly_robust) == pytest.approx((0.72, 0.270533, 0.270533), abs=5e-7)


@pytest.mark.parametrize("estimator", [logged.ips, lambda *log: logged.doubly_robust(*log, MODEL)],
                         ids=["ips", "doubly_robust"])  # fmt: skip
def test_no_weight_is_cut_however_large(estimator):
    """The last arm is logged once in 250 rounds and nearly always taken by the target: its weight is 240."""
    target = np.array([0.02, 0.02, 0.96])
    mean, _, _ = moments(lambda *log: estimator(*log, target), mu=[0.5, 0.496, 0.004])
    assert mean == pytest.approx(target @ MEANS, abs=1e-12)


def test_snips_weighs_as_it_is_told_however_large():
    found = logged.snips([0, 2], [1.0, 0.0], [0.5, 0.004], [0.04, 0, 0.96])
    assert found.value == pytest.approx(0.08 / (0.08 + 240))


def test_clipping_costs_a_bias():
    mean, variance, _ = moments(lambda *log: logged.clipped_ips(*log, PI, clip=2))
    assert mean == pytest.approx(0.54, abs=1e-12) and variance < 1.2056
    assert moments(lambda *log: logged.clipped_ips(*log, PI, clip=3)) == pytest.approx(moments(ips))


def test_an_exact_model_makes_doubly_robust_right_with_wrong_propensities():
    wrong = [0.2, 0.7, 0.1]
    exact = moments(lambda *log: doubly_robust(*log, model=MEANS), propensities=wrong)
    assert exact[0] == pytest.approx(0.72, abs=1e-12)
    assert abs(moments(ips, propensities=wrong)[0] - 0.72) > 0.05
    assert abs(moments(doubly_robust, propensities=wrong)[0] - 0.72) > 0.05


# Laws over random problems


def laws(size, floor):
    """Rows of ``size`` probabilities of at least about ``floor``."""
    return st.lists(st.floats(floor, 1), min_size=size, max_size=size).map(lambda row: np.array(row) / sum(row))


def problems(floor=0.05):
    """mu, pi, means and a model, each (2 rounds, arms): another context in each round."""
    return st.integers(2, 3).flatmap(
        lambda arms: st.tuples(
            *(st.tuples(laws(arms, low), laws(arms, low)).map(np.array) for low in (floor, 1e-3)),
            *(st.lists(st.floats(0, 1), min_size=2 * arms, max_size=2 * arms).map(
                lambda values: np.reshape(values, (2, -1))
            ) for _ in range(2)),
        )
    )  # fmt: skip


@SETTINGS
@given(problems())
def test_ips_and_doubly_robust_are_unbiased_whatever_the_model(problem):
    mu, pi, means, model = problem
    truth = (pi * means).sum(axis=1).mean()
    assert moments(lambda *log: logged.ips(*log, pi), mu, means)[0] == pytest.approx(truth, abs=1e-9)
    robust = moments(lambda *log: logged.doubly_robust(*log, pi, model), mu, means)
    assert robust[0] == pytest.approx(truth, abs=1e-9)


@SETTINGS
@given(problems(), st.integers(0, 2**32))
def test_an_exact_model_never_varies_more_than_ips_and_forgives_the_propensities(problem, seed):
    mu, pi, means, _ = problem
    exact = moments(lambda *log: logged.doubly_robust(*log, pi, means), mu, means)
    assert exact[1] <= moments(lambda *log: logged.ips(*log, pi), mu, means)[1] + 1e-9
    wrong = np.random.default_rng(seed).uniform(0.05, 1, size=mu.shape)
    forgiven = moments(lambda *log: logged.doubly_robust(*log, pi, means), mu, means, propensities=wrong)
    assert forgiven[0] == pytest.approx((pi * means).sum(axis=1).mean(), abs=1e-9)


@SETTINGS
@given(problems())
def test_clipped_ips_never_says_more_than_ips(problem):
    mu, pi, means, _ = problem
    for _, arms, rewards in every_log(mu, means):
        log = arms, rewards, mu[range(2), arms], pi
        assert logged.clipped_ips(*log, clip=1.5).value <= logged.ips(*log).value + 1e-12


@SETTINGS
@given(problems(), st.floats(-2, 2))
def test_snips_stays_among_the_rewards_and_moves_with_them(problem, shift):
    mu, pi, means, _ = problem
    for _, arms, rewards in every_log(mu, means):
        log = mu[range(2), arms], pi
        found = logged.snips(arms, rewards, *log)
        assert rewards.min() - 1e-12 <= found.value <= rewards.max() + 1e-12
        moved = logged.snips(arms, rewards + shift, *log)
        assert moved.value == pytest.approx(found.value + shift)
        assert moved.standard_error == pytest.approx(found.standard_error, abs=1e-12)


def test_snips_does_not_feel_a_common_factor_of_the_propensities():
    arms, rewards, known = np.array([0, 1, 2, 0]), [0.2, 0.5, 0.9, 0.4], np.array([0.5, 0.3, 0.2, 0.5])
    found, halved = (logged.snips(arms, rewards, mu, PI) for mu in (known, known / 2))
    assert vars(found) == pytest.approx(vars(halved))


def test_judging_the_logging_policy_itself_is_the_plain_mean():
    arms, rewards = [0, 1, 2, 0], [0.2, 0.5, 0.9, 0.4]
    for estimator in (logged.ips, logged.snips):
        found = estimator(arms, rewards, MU[arms], MU)
        assert found.value == pytest.approx(0.5)
        assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 3, 0.5, stats.sem(rewards)))


# Intervals, many logs


def drawn(rounds, rng):
    arms = rng.choice(3, p=MU, size=rounds)
    return arms, rng.binomial(1, MEANS[arms]).astype(float), MU[arms]


@pytest.mark.parametrize("name", ["ips", "snips", "doubly_robust"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(name):
    estimator = {"doubly_robust": doubly_robust, "ips": ips}.get(name, lambda *log: logged.snips(*log, PI))
    rng, tries = np.random.default_rng(0), 1_500
    found = [estimator(*drawn(200, rng)) for _ in range(tries)]
    held = sum(one.low <= 0.72 <= one.high for one in found)
    # Student-t is exact for normal terms only: two points below its word are allowed, the rest is chance
    assert stats.binom.cdf(held, tries, 0.93) > 1e-4 and stats.binom.sf(held - 1, tries, 0.95) > 1e-4
    spread = np.std([one.value for one in found])
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.08)


def test_effective_sample_size():
    assert logged.effective_sample_size([2, 2, 2]) == pytest.approx(3)
    assert logged.effective_sample_size([1, 0, 0]) == pytest.approx(1)
    # (1 + 3)^2 / (1 + 9)
    assert logged.effective_sample_size([1, 3]) == pytest.approx(1.6)


def test_weights_are_target_over_propensity():
    found = logged.importance_weights([2, 0], [0.2, 0.5], [[0.1, 0.3, 0.6], [0.2, 0.2, 0.6]])
    assert found == pytest.approx([3, 0.4])


def test_an_estimate_says_itself():
    assert str(logged.Estimate(0.72, 0.01, 0.70, 0.74)) == "0.7200 (95% interval 0.7000 to 0.7400)"


# What is refused

LOG = ([0, 1, 2], [1.0, 0.0, 1.0], [0.5, 0.3, 0.2])


def spoiled(place, values):
    return [values if position == place else column for position, column in enumerate(LOG)]


@pytest.mark.parametrize("estimator", [logged.ips, logged.snips, lambda *log: logged.clipped_ips(*log, clip=2),
                                       lambda *log: logged.doubly_robust(*log, MODEL)],
                         ids=["ips", "snips", "clipped_ips", "doubly_robust"])  # fmt: skip
@pytest.mark.parametrize(
    ("log", "target", "said"),
    [
        (spoiled(2, [0.5, 0.0, 0.2]), PI, r"propensities\[1\] is 0:"),
        (spoiled(2, [0.5, 0.3, 1.2]), PI, r"propensities\[2\] is 1.2:"),
        (spoiled(2, [0.5, 0.3, np.nan]), PI, r"propensities\[2\] is nan"),
        (spoiled(2, [0.5, 0.3]), PI, "2 propensities and 3 arms"),
        (spoiled(1, [1.0, 0.0]), PI, "3 propensities and 2 rewards"),
        (spoiled(1, [1.0, 0.0, np.inf]), PI, r"rewards\[2\] is inf"),
        (spoiled(0, [0, 1, 3]), PI, "unknown arm 3: valid are 0 to 2"),
        (spoiled(0, [0, 1, -1]), PI, "unknown arm -1"),
        (LOG, [0.2, 0.2, 0.5], "target sums to 0.9"),
        (LOG, [PI, PI, [0.2, 0.2, 0.5]], r"target\[2\] sums to 0.9"),
        (LOG, [1.2, 0.3, -0.5], r"target\[2\] is -0.5"),
        (LOG, [PI, PI], "target has 2 rows for 3 rounds"),
        ([column[:1] for column in LOG], PI, "at least two rounds"),
        (([], [], []), PI, "propensities has the shape"),
    ],
)
def test_a_bad_log_gets_a_sentence(estimator, log, target, said):
    with pytest.raises(NasbookError, match=said) as raised:
        estimator(*log, target)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: logged.snips([0, 0], [1, 1], [0.5, 0.5], [0, 1]), "all weights are zero"),
        (lambda: logged.clipped_ips(*LOG, PI, clip=0), "clip is 0"),
        (lambda: logged.doubly_robust(*LOG, PI, [0.5, 0.5]), "target has 3 arms and model 2"),
        (lambda: logged.doubly_robust(*LOG, PI, [MODEL, MODEL]), "model has 2 rows for 3 rounds"),
        (lambda: logged.direct_method(PI, MODEL), "each one row"),
        (lambda: logged.direct_method([PI, PI], [MODEL] * 3), "model has 3 rows for 2 rounds"),
        (lambda: logged.ips([0, 1], [1, 1], [1e-320, 0.5], [0.5, 0.5]), "not finite"),
        (lambda: logged.snips([0, 1], [1, 1], [1e-320, 0.5], [0.5, 0.5]), "not finite"),
        (lambda: logged.effective_sample_size([0, 0]), "all zero"),
        (lambda: logged.effective_sample_size([1, -1]), "not be negative"),
    ],
)
def test_bad_input_gets_a_sentence(wrong, said):
    with pytest.raises(NasbookError, match=said):
        wrong()


@pytest.mark.parametrize("weight", [1e200, 1e-200])
def test_the_effective_size_does_not_depend_on_the_unit(weight):
    assert logged.effective_sample_size([weight] * 2) == 2
