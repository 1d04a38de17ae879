"""Landscapes against brute force over all pairs and all neighbours, and against closed forms."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import nasbook as nb
from nasbook.analysis.landscapes import autocorrelation, climb, local_optima

TABLES = arrays(
    np.float64, array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), elements=st.integers(0, 5).map(float)
)


def neighbours(shape, place):
    for axis, size in enumerate(shape):
        for other in range(size):
            if other != place[axis]:
                yield (*place[:axis], other, *place[axis + 1 :])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(TABLES)
def test_correlations_by_distance_over_all_pairs(values):
    if np.ptp(values) == 0:
        with pytest.raises(nb.NasbookError, match="all values are equal"):
            autocorrelation(values)
        return
    places = list(np.ndindex(values.shape))
    centred = values - values.mean()
    found = autocorrelation(values)
    for distance in range(values.ndim + 1):
        pairs = [(p, q) for p, q in itertools.product(places, places) if sum(map(int.__ne__, p, q)) == distance]
        if not pairs:
            assert np.isnan(found[distance])
            continue
        mean = np.mean([centred[p] * centred[q] for p, q in pairs])
        assert found[distance] == pytest.approx(mean / values.var(), abs=1e-10)


def test_a_sum_over_decisions_falls_on_a_straight_line():
    """f(x) = sum of f_t(x_t), n alternatives each: two that differ in d of T correlate 1 - (d / T) n / (n - 1)."""
    rng, n, decisions = np.random.default_rng(0), 3, 4
    parts = rng.normal(size=(decisions, n))
    parts /= parts.std(axis=1, keepdims=True)  # the same variance for each decision
    values = sum(part.reshape([-1 if axis == t else 1 for axis in range(decisions)]) for t, part in enumerate(parts))
    expected = 1 - np.arange(decisions + 1) / decisions * n / (n - 1)
    np.testing.assert_allclose(autocorrelation(values), expected, atol=1e-10)


def test_independent_values_are_uncorrelated():
    values = np.random.default_rng(1).normal(size=(3,) * 6)
    found = autocorrelation(values)
    # over 729 * 12 / 2 pairs of neighbours the standard error is about 1 / sqrt(4374)
    assert found[0] == pytest.approx(1.0) and abs(found[1]) < 5 / 4374**0.5


@settings(derandomize=True, deadline=None, max_examples=60)
@given(TABLES)
def test_optima_and_climbs_by_going_there_step_by_step(values):
    optima, ends = local_optima(values), climb(values)
    for place in np.ndindex(values.shape):
        higher = [one for one in neighbours(values.shape, place) if values[one] > values[place]]
        assert optima[place] == (not higher)
        at = place
        while best := [q for q in neighbours(values.shape, at) if values[q] > values[at]]:
            top = max(values[q] for q in best)
            # of equally high neighbours the one along the first axis wins, and on it the first alternative
            tops = [q for q in best if values[q] == top]
            at = min(tops, key=lambda q, at=at: (list(map(int.__ne__, q, at)).index(True), q))
        assert ends[place] == np.ravel_multi_index(at, values.shape)


@pytest.mark.parametrize(
    ("values", "said"),
    [(3.0, "an axis for each decision"), ([1.0, np.nan], "finite"), ([["a"]], "rectangular array of numbers")],
)
def test_bad_input_is_one_sentence(values, said):
    for function in (autocorrelation, local_optima, climb):
        with pytest.raises(nb.NasbookError, match=said):
            function(values)
