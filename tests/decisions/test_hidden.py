"""Hidden Markov models against brute force over all paths, hmmlearn and the printed values."""

import itertools
import time

import numpy as np
import pytest
from hmmlearn.hmm import CategoricalHMM
from hypothesis import given, settings, strategies as st
from printed import printed
from scipy import stats

from nasbook.base.errors import NasbookError
from nasbook.decisions import HMM

TWO = [[0.5, 0.5], [0.3, 0.7]]
HEARD = [[0.75, 0.25], [0.25, 0.75]]
SEEN = ["O1", "O1", "O2"]


@pytest.fixture
def model():
    return HMM([0.5, 0.5], TWO, HEARD)


def random_rows(rng, *shape, zeros=0.0):
    weights = rng.random(shape) * (rng.random(shape) >= zeros)
    weights[..., 0] += 0.05
    return weights / weights.sum(axis=-1, keepdims=True)


def random_model(seed, states, symbols, zeros=0.0):
    rng = np.random.default_rng(seed)
    return HMM(
        random_rows(rng, states, zeros=zeros),
        random_rows(rng, states, states, zeros=zeros),
        random_rows(rng, states, symbols, zeros=zeros),
    )


def brute(model, seen):
    """P(path, seen) of every path."""
    found = {}
    for path in itertools.product(range(len(model.states)), repeat=len(seen)):
        p = model.prior[path[0]] * model.emissions[path[0], seen[0]]
        for t in range(1, len(seen)):
            p *= model.transitions[path[t - 1], path[t]] * model.emissions[path[t], seen[t]]
        found[path] = p
    return found


def along(model, path, seen):
    """ln P(path, seen)."""
    steps = np.log(model.transitions[path[:-1], path[1:]]).sum()
    return np.log(model.prior[path[0]]) + steps + np.log(model.emissions[path, seen]).sum()


def oracle(model):
    """The same model in hmmlearn."""
    twin = CategoricalHMM(len(model.states), n_features=len(model.observation_names), init_params="", params="ste")
    twin.startprob_, twin.transmat_, twin.emissionprob_ = model.prior, model.transitions, model.emissions
    return twin


def test_the_running_example_has_the_printed_values(model):
    assert printed(model.forward(SEEN), ".375 .125 .16875 .06875 .02625 .099375")
    assert printed([model.likelihood(SEEN)], ".125625")
    assert printed(model.filter(SEEN)[-1], ".208955 .791045")
    assert printed(model.backward(SEEN), ".2625 .2175 .5 .6 1 1")
    assert printed(model.smooth(SEEN)[:2], ".783582 .216418 .671642 .328358")
    path, log_probability = model.viterbi(SEEN)
    assert path.tolist() == [0, 0, 1] and printed([np.exp(log_probability)], ".052734")
    assert printed(np.exp([model.viterbi([0, 0])[1]]), ".140625")
    assert model.observation_names == ("O1", "O2") and model.states == ("S1", "S2")


def test_one_em_step_has_the_printed_values(model):
    better = model.fit(SEEN, max_iter=1)
    assert printed(better.prior, ".783582 .216418")
    assert printed(better.transitions, ".5 .5 .280822 .719178")
    assert printed(better.emissions, ".874439 .125561 .407821 .592179")
    assert printed([better.likelihood(SEEN)], ".191656")
    np.testing.assert_allclose(better.fit_history, np.log([0.125625, better.likelihood(SEEN)]), rtol=1e-12)
    assert model.fit_history == () and printed(model.prior, ".5 .5")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 4), st.integers(1, 6), st.sampled_from([0.0, 0.4]))
def test_everything_agrees_with_brute_force(seed, states, symbols, length, zeros):
    model = random_model(seed, states, symbols, zeros)
    seen = np.random.default_rng(seed + 1).integers(symbols, size=length)
    joint = brute(model, seen)
    total = sum(joint.values())
    assert model.forward(seen)[-1].sum() == pytest.approx(total, rel=1e-12, abs=1e-300)
    assert model.likelihood(seen) == pytest.approx(total, rel=1e-12, abs=1e-300)
    if total == 0:
        assert model.log_likelihood(seen) == -np.inf
        for method in (model.filter, model.smooth, model.viterbi, model.fit):
            with pytest.raises(NasbookError, match="impossible under the model"):
                method(seen)
        return
    np.testing.assert_allclose((model.forward(seen) * model.backward(seen)).sum(axis=1), total, rtol=1e-12)
    posterior = np.zeros((length, states))
    for path, p in joint.items():
        posterior[range(length), path] += p / total
    np.testing.assert_allclose(model.smooth(seen), posterior, atol=1e-12)
    for t in range(length):
        begun = brute(model, seen[: t + 1])
        belief = [sum(p for path, p in begun.items() if path[-1] == s) / sum(begun.values()) for s in range(states)]
        np.testing.assert_allclose(model.filter(seen)[t], belief, atol=1e-12)
    path, log_probability = model.viterbi(seen)
    assert joint[tuple(path.tolist())] == pytest.approx(max(joint.values()), rel=1e-12)
    assert log_probability == pytest.approx(np.log(max(joint.values())), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_everything_agrees_with_hmmlearn(seed):
    model = random_model(seed, states=4, symbols=5)
    rng = np.random.default_rng(seed)
    sequences = [model.simulate(length, rng)[1] for length in (60, 1, 25)]
    joined, lengths = np.concatenate(sequences)[:, None], [len(one) for one in sequences]
    twin = oracle(model)
    for seen in sequences:
        assert model.log_likelihood(seen) == pytest.approx(twin.score(seen[:, None]), rel=1e-12)
        np.testing.assert_allclose(model.smooth(seen), twin.predict_proba(seen[:, None]), atol=1e-11)
        log_probability, path = twin.decode(seen[:, None])
        assert model.viterbi(seen)[1] == pytest.approx(log_probability, rel=1e-12)
        # paths that are mathematical ties may differ, their probability may not
        ours = model.viterbi(seen)[0]
        assert along(model, ours, seen) == pytest.approx(along(model, path, seen), rel=1e-12)
    twin.n_iter, twin.tol = 3, -np.inf
    twin.fit(joined, lengths)
    fitted = model.fit(sequences, max_iter=3)
    np.testing.assert_allclose(fitted.prior, twin.startprob_, atol=1e-11)
    np.testing.assert_allclose(fitted.transitions, twin.transmat_, atol=1e-11)
    np.testing.assert_allclose(fitted.emissions, twin.emissionprob_, atol=1e-11)
    np.testing.assert_allclose(fitted.fit_history[:-1], list(twin.monitor_.history), rtol=1e-12)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4), st.lists(st.integers(1, 12), min_size=1, max_size=3)
)
def test_em_never_lowers_the_likelihood(seed, states, symbols, lengths):
    model = random_model(seed, states, symbols)
    rng = np.random.default_rng(seed)
    sequences = [rng.integers(symbols, size=length) for length in lengths]
    fitted = model.fit(sequences, tol=0, max_iter=8)
    history = np.array(fitted.fit_history)
    assert len(history) >= 2 and (np.diff(np.exp(history)) >= -1e-12).all() and (np.diff(history) >= -1e-12).all()
    assert history[0] == pytest.approx(sum(map(model.log_likelihood, sequences)), abs=1e-12)
    assert history[-1] == pytest.approx(sum(map(fitted.log_likelihood, sequences)), abs=1e-12)


def test_fit_stops_when_a_step_gains_less_than_tol(model):
    sequences = [model.simulate(40, np.random.default_rng(0))[1]]
    fitted = model.fit(sequences, tol=0.01, max_iter=500)
    gains = np.diff(fitted.fit_history)
    assert 1 < len(gains) < 500 and (gains[:-1] >= 0.01).all() and gains[-1] < 0.01
    assert len(model.fit(sequences, tol=0, max_iter=7).fit_history) == 8


def test_fit_finds_the_model_that_made_the_observations():
    truth = HMM([0.5, 0.5], [[0.95, 0.05], [0.1, 0.9]], [[0.8, 0.1, 0.1], [0.1, 0.2, 0.7]])
    rng = np.random.default_rng(4)
    sequences = [truth.simulate(1_500, rng)[1] for _ in range(2)]
    start = HMM([0.5, 0.5], [[0.7, 0.3], [0.3, 0.7]], [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    fitted = start.fit(sequences, tol=0.01)
    assert fitted.fit_history[-1] > sum(map(truth.log_likelihood, sequences))
    np.testing.assert_allclose(fitted.transitions, truth.transitions, atol=0.05)
    np.testing.assert_allclose(fitted.emissions, truth.emissions, atol=0.06)


def test_the_row_of_a_state_that_is_never_visited_stays():
    model = HMM(
        [1, 0, 0], [[0.5, 0.5, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5]], [[0.5, 0.5], [0.9, 0.1], [0.4, 0.6]],
        states=("a", "b", "c"), observation_names=("x", "y"),
    )  # fmt: skip
    fitted = model.fit(["x", "y", "x"], max_iter=2)
    np.testing.assert_array_equal(fitted.transitions[2], [0.2, 0.3, 0.5])
    np.testing.assert_array_equal(fitted.emissions[2], [0.4, 0.6])
    assert fitted.states == ("a", "b", "c") and fitted.observation_names == ("x", "y")
    alone = model.fit([0], max_iter=1)
    np.testing.assert_array_equal(alone.transitions, model.transitions)
    np.testing.assert_array_equal(alone.emissions[0], [1, 0])


def test_one_sequence_is_several_of_one(model):
    for one in (SEEN, [0, 0, 1], np.array([0, 0, 1]), (0, 0, 1)):
        several = model.fit([one], max_iter=2)
        np.testing.assert_array_equal(model.fit(one, max_iter=2).emissions, several.emissions)
    assert model.fit(np.array([[0, 0, 1], [1, 1, 1]]), max_iter=1).fit_history[0] == pytest.approx(
        model.log_likelihood([0, 0, 1]) + model.log_likelihood([1, 1, 1])
    )


def test_a_hundred_thousand_observations_are_quick_and_finite(model):
    _, seen = model.simulate(100_000, np.random.default_rng(0))
    begun = time.process_time()
    log_likelihood = model.log_likelihood(seen)
    gamma = model.smooth(seen)
    _, log_probability = model.viterbi(seen)
    assert time.process_time() - begun < 15
    assert np.isfinite(log_probability) and log_probability < log_likelihood < 0
    np.testing.assert_allclose(gamma.sum(axis=1), 1, atol=1e-12)
    assert model.likelihood(seen) == 0 and model.forward(seen)[-1].sum() == 0
    twin = oracle(model)
    assert log_likelihood == pytest.approx(twin.score(seen[:, None]), rel=1e-10)


def test_a_state_that_was_improbable_for_long_comes_back():
    """Two constant states: the posterior depends on the counts alone, and P(second) falls to 3^-1500 on the way."""
    model = HMM([0.5, 0.5], np.eye(2), HEARD)
    seen = [0] * 1500 + [1] * 1501
    np.testing.assert_allclose(model.filter(seen)[-1], [0.25, 0.75], rtol=1e-8)
    np.testing.assert_allclose(model.smooth(seen)[0], [0.25, 0.75], rtol=1e-8)
    wanted = np.log(0.5) + 1500 * np.log(0.75 * 0.25) + np.log(0.75 + 0.25)
    assert model.log_likelihood(seen) == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(model.fit(seen, max_iter=1).prior, [0.25, 0.75], rtol=1e-8)


def test_ties_take_the_lowest_index():
    same = HMM([0.25] * 4, np.full((4, 4), 0.25), np.full((4, 2), 0.5))
    assert same.viterbi([0, 1, 0])[0].tolist() == [0, 0, 0]


def test_simulated_sequences_follow_the_rows():
    model, n = random_model(5, states=3, symbols=4, zeros=0.3), 30_000
    states, seen = model.simulate(n, np.random.default_rng(6))
    assert states.shape == seen.shape == (n,)
    for values, rows in (((states[:-1], states[1:]), model.transitions), ((states, seen), model.emissions)):
        counts = np.zeros(rows.shape)
        np.add.at(counts, values, 1)
        assert not counts[rows == 0].any() and counts.sum(axis=1).all()
        for row, p in zip(counts, rows):
            if (p > 0).sum() > 1:
                assert stats.chisquare(row[p > 0], row.sum() * p[p > 0]).pvalue > 1e-4
    begins = [model.simulate(1, rng)[0][0] for rng in np.random.default_rng(7).spawn(1_000)]
    used = model.prior > 0
    assert stats.chisquare(np.bincount(begins, minlength=3)[used], 1_000 * model.prior[used]).pvalue > 1e-4
    np.testing.assert_array_equal(
        model.simulate(9, np.random.default_rng(1)), model.simulate(9, np.random.default_rng(1))
    )


def test_the_best_path_into_each_last_state_has_the_printed_probability():
    """The last observation is replaced by one that ``last`` alone shows: all observations weigh half."""
    prior, moves, heard, seen = [0.5, 0.5], [[0.5, 0.5], [0.3, 0.7]], np.array([[0.75, 0.25], [0.25, 0.75]]), [0, 0, 1]
    for length, table in ((2, (0.140625, 0.046875)), (3, (0.017578, 0.052734))):
        for last, wanted in enumerate(table):
            model = HMM(prior, moves, np.hstack([heard / 2, np.eye(2)[[last, 1 - last]] / 2]))
            path, log_probability = model.viterbi([*seen[: length - 1], 2])
            delta = np.exp(log_probability) * 2**length * heard[last, seen[length - 1]]
            assert path[-1] == last and delta == pytest.approx(wanted, abs=5e-7)


def test_fit_that_stops_early_returns_the_model_of_its_last_likelihood():
    model = HMM([0.5, 0.5], [[0.5, 0.5], [0.3, 0.7]], [[0.75, 0.25], [0.25, 0.75]])
    seen = model.simulate(40, np.random.default_rng(0))[1]
    fitted = model.fit(seen, tol=0.01, max_iter=500)
    assert fitted.fit_history[-1] == pytest.approx(fitted.log_likelihood(seen), abs=1e-9)
