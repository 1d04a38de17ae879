"""Markov chains against enumeration, linear algebra and chains whose answer is known."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from printed import printed
from scipy import stats

from nasbook.base.errors import NasbookError
from nasbook.decisions import MarkovChain
from nasbook.decisions.chains import StateClass, distributions, walk

TWO = [[0.5, 0.5], [0.3, 0.7]]
CYCLE = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
RUIN = [[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0, 0, 0, 1]]


def random_chain(rng, count, ways=0.5):
    """Rows with about a share ``ways`` of their entries above zero, at least one."""
    weights = rng.random((count, count)) * (rng.random((count, count)) < ways)
    weights[np.arange(count), rng.integers(count, size=count)] += 0.1
    return weights / weights.sum(axis=1, keepdims=True)


chains = st.builds(
    lambda seed, count, ways: random_chain(np.random.default_rng(seed), count, ways),
    st.integers(0, 10_000),
    st.integers(1, 7),
    st.floats(0.05, 1),
)


def test_the_running_example_has_the_printed_values():
    chain = MarkovChain(TWO, [10, 0])
    assert printed(chain.stationary(), ".375 .625")
    assert printed([chain.average_reward()], "3.75")
    assert printed(chain.value(0.5), "14.444444 3.333333")
    assert printed(chain.value(0.9), "45.121951 32.926829")
    assert chain.states == ("S1", "S2")
    assert chain.classes() == (StateClass((0, 1), closed=True, period=1),)


def test_the_share_of_time_in_s1_is_that_of_a_chain_with_memory():
    chain, n = MarkovChain(TWO), 100_000
    share = np.mean(chain.simulate(n, np.random.default_rng(1)) == 0)
    assert abs(share - 0.375) < 0.01
    assert abs(share - 0.375) < 5 * np.sqrt(0.375 * 0.625 / n * 1.2 / 0.8)
    means = [np.mean(chain.simulate(500, rng) == 0) for rng in np.random.default_rng(2).spawn(400)]
    ratio = np.var(means, ddof=1) / (0.375 * 0.625 / 500 * 1.2 / 0.8) * 399
    assert stats.chi2.ppf(5e-5, 399) < ratio < stats.chi2.ppf(1 - 5e-5, 399)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(chains)
def test_the_long_run_is_the_mean_of_the_powers(transitions):
    """Doubling: the mean of the first 2n powers of P is (A + P^n A) / 2 with A the mean of the first n."""
    mean, power = np.eye(len(transitions)), transitions.copy()
    for _ in range(40):
        mean, power = (mean + power @ mean) / 2, power @ power
        power /= power.sum(axis=1, keepdims=True)
    chain = MarkovChain(transitions)
    closed = [one for one in chain.classes() if one.closed]
    for start in range(len(transitions)):
        found = chain.stationary(start=start)
        np.testing.assert_allclose(found, mean[start], atol=1e-9)
        np.testing.assert_allclose(found @ transitions, found, atol=1e-12)
        if len(closed) == 1:
            np.testing.assert_allclose(chain.stationary(), found, atol=1e-12)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(chains)
def test_classes_are_what_powers_of_the_graph_say(transitions):
    count = len(transitions)
    ways = (transitions > 0).astype(int)
    reach, powers = np.eye(count, dtype=bool), [np.eye(count, dtype=int)]
    for _ in range(3 * count * count):
        powers.append(np.minimum(powers[-1] @ ways, 1))
        reach |= powers[-1] > 0
    for one in MarkovChain(transitions).classes():
        first = one.states[0]
        assert one.states == tuple(s for s in range(count) if reach[first, s] and reach[s, first])
        assert one.closed == all(s in one.states for s in range(count) if reach[first, s])
        assert one.absorbing == (transitions[first, first] == 1)
        for state in one.states:
            returns = [length for length in range(1, len(powers)) if powers[length][state, state]]
            assert one.period == (np.gcd.reduce(returns) if returns else 0)


def test_classes_cover_every_state_once_in_order():
    found = MarkovChain(RUIN).classes()
    assert [one.states for one in found] == [(0,), (1, 2), (3,)]
    assert [(one.closed, one.absorbing, one.period) for one in found] == [
        (True, True, 1),
        (False, False, 2),
        (True, True, 1),
    ]
    assert MarkovChain([[0, 1], [0, 1]]).classes()[0] == StateClass((0,), closed=False, period=0)


def test_a_periodic_chain_has_its_stationary_distribution():
    chain = MarkovChain(CYCLE, [3, 0, 0])
    np.testing.assert_allclose(chain.stationary(), [1 / 3] * 3, atol=1e-15)
    assert chain.classes()[0].period == 3 and chain.average_reward() == pytest.approx(1)


def test_transient_states_get_nothing():
    np.testing.assert_array_equal(MarkovChain([[0.5, 0.5], [0, 1]]).stationary(), [0, 1])


def test_several_closed_classes_are_named_and_answered_from_a_start():
    chain = MarkovChain(RUIN, [0, 0, 0, 9], states=("broke", "one", "two", "rich"))
    with pytest.raises(NasbookError, match=r"2 closed classes, \{broke\} and \{rich\}.*start='broke'"):
        chain.stationary()
    with pytest.raises(NasbookError, match="2 closed classes"):
        chain.average_reward()
    np.testing.assert_allclose(chain.stationary(start="one"), [2 / 3, 0, 0, 1 / 3], atol=1e-15)
    np.testing.assert_allclose(chain.stationary(start=[0, 0.5, 0.5, 0]), [0.5, 0, 0, 0.5], atol=1e-15)
    assert chain.average_reward(start="two") == pytest.approx(6)


@pytest.mark.parametrize("small", [1e-12, 1e-15, 1e-17, 1e-100])
def test_probabilities_near_zero_are_as_good_as_any(small):
    pair = MarkovChain([[1 - small, small], [3 * small, 1 - 3 * small]])
    np.testing.assert_allclose(pair.stationary(), [0.75, 0.25], rtol=1e-14)
    leaking = MarkovChain([[1.0, small, 2 * small], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(leaking.stationary(start=0), [0, 1 / 3, 2 / 3], rtol=1e-14)


def test_a_state_of_no_weight_is_zero_wherever_it_stands_and_what_no_float_holds_is_refused():
    tiny = 1e-200
    ladder = np.array([[1, tiny, 0, 0], [1, 0, tiny, 0], [0, 1, 0, tiny], [0, 0, 1, 0]])
    np.testing.assert_array_equal(MarkovChain(ladder).stationary(), [1, tiny, 0, 0])
    np.testing.assert_array_equal(MarkovChain(ladder[::-1, ::-1]).stationary(), [0, 0, tiny, 1])
    with pytest.raises(NasbookError, match="too small for floating point"):
        MarkovChain([[0, 1, 0], [0, 1, tiny], [tiny, 1, 0]]).stationary()


def test_a_slow_chain_agrees_with_exact_fractions():
    """A walk on five states, up with 1/3 and down with 2/3: each state half as likely as the one below."""
    up, down = Fraction(1, 3), Fraction(2, 3)
    rows = [[0] * 5 for _ in range(5)]
    for s in range(5):
        rows[s][min(s + 1, 4)] += up
        rows[s][max(s - 1, 0)] += down
    np.testing.assert_allclose(
        MarkovChain(np.array(rows, dtype=float)).stationary(),
        [float(Fraction(2 ** (4 - s), 31)) for s in range(5)],
        rtol=1e-14,
    )


@settings(derandomize=True, deadline=None, max_examples=40)
@given(chains, st.floats(0, 0.95))
def test_the_value_is_the_discounted_sum_along_the_distributions(transitions, gamma):
    rewards = np.arange(len(transitions)) - 1.5
    chain = MarkovChain(transitions, rewards)
    for start in range(len(transitions)):
        ahead = distributions(transitions, np.eye(len(transitions))[start], 800)
        total = (gamma ** np.arange(801)) @ (ahead @ rewards)
        assert chain.value(gamma)[start] == pytest.approx(total, abs=1e-9)


def test_a_path_begins_where_it_should_and_moves_as_the_rows_say():
    rng = np.random.default_rng(5)
    transitions = random_chain(rng, 4)
    chain, n = MarkovChain(transitions), 50_000
    path = chain.simulate(n, rng)
    assert path.shape == (n,) and path.dtype == np.int64 and path[0] == 0
    counts = np.zeros((4, 4))
    np.add.at(counts, (path[:-1], path[1:]), 1)
    assert not counts[transitions == 0].any()
    for row, probabilities in zip(counts, transitions):
        used = probabilities > 0
        if used.sum() > 1:
            assert stats.chisquare(row[used], row.sum() * probabilities[used]).pvalue > 1e-4
    assert chain.simulate(3, rng, start="S3")[0] == 2
    begins = [chain.simulate(1, rng, start=[0, 0.25, 0, 0.75])[0] for _ in range(2_000)]
    assert stats.chisquare(np.bincount(begins, minlength=4)[[1, 3]], [500, 1500]).pvalue > 1e-4


def test_the_same_generator_gives_the_same_path_and_no_number_falls_beside_the_row():
    paths = [MarkovChain(TWO).simulate(50, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(*paths)
    short = np.array([[0.0, 1 - 1e-9, 0.0]] * 3)
    assert set(walk(short, short[0], [0.0, np.nextafter(1, 0), 0.5])) == {1}


def test_the_chain_keeps_its_own_arrays():
    given_rows = np.array(TWO)
    chain = MarkovChain(given_rows, [10, 0])
    given_rows[0] = [0, 1]
    np.testing.assert_array_equal(chain.transitions, TWO)
    for array in (chain.transitions, chain.rewards):
        assert array.dtype == np.float64
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MarkovChain([[0.5, 0.4], [0.3, 0.7]]), r"transitions\[0\] sums to 0.9"),
        (lambda: MarkovChain([[0.5, 0.5], [-0.3, 1.3]]), r"transitions\[1, 0\] is -0.3"),
        (lambda: MarkovChain([[0.5, 0.5], [np.nan, 1]]), r"transitions\[1, 0\] is nan"),
        (lambda: MarkovChain([[0.5, 0.5]]), r"shape \(1, 2\), must be \(1, 1\)"),
        (lambda: MarkovChain([0.5, 0.5]), r"shape \(2,\)"),
        (lambda: MarkovChain([]), "shape"),
        (lambda: MarkovChain("chain"), "rectangular array"),
        (lambda: MarkovChain(TWO, [1, 2, 3]), r"rewards has the shape \(3,\), must be \(2,\)"),
        (lambda: MarkovChain(TWO, states=("A",)), "state names"),
        (lambda: MarkovChain(TWO).value(0.9), "no rewards"),
        (lambda: MarkovChain(TWO).average_reward(), "no rewards"),
        (lambda: MarkovChain(TWO, [1, 0]).value(1), "gamma is 1"),
        (lambda: MarkovChain(TWO, [1, 0]).value(-0.1), "gamma is -0.1"),
        (lambda: MarkovChain(TWO).simulate(0, np.random.default_rng(0)), "steps is 0"),
        (lambda: MarkovChain(TWO).simulate(2.5, np.random.default_rng(0)), "steps is 2.5"),
        (lambda: MarkovChain(TWO).stationary(start="S9"), "did you mean 'S1'|valid are S1, S2"),
        (lambda: MarkovChain(TWO).stationary(start=2), "unknown state 2"),
        (lambda: MarkovChain(TWO).stationary(start=[0.5, 0.6]), "start sums to 1.1"),
    ],
)
def test_bad_input_gets_one_sentence(make, said):
    with pytest.raises(NasbookError, match=said) as error:
        make()
    assert "\n" not in str(error.value)


def test_one_state_is_a_chain():
    chain = MarkovChain([[1]], [2])
    assert chain.stationary() == [1] and chain.value(0.5) == [4] and chain.classes()[0].absorbing


def test_a_class_that_is_entered_at_two_states_gets_both_shares():
    rows = [[0, 0.25, 0.25, 0.5], [0, 0.5, 0.5, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(MarkovChain(rows).stationary(start=0), [0, 0.25, 0.25, 0.5], atol=1e-15)
    np.testing.assert_allclose(MarkovChain(rows).stationary(start=np.array([1.0, 0, 0, 0])), [0, 0.25, 0.25, 0.5])
