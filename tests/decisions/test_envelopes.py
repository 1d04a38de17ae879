"""Upper envelopes over the simplex: what pruning keeps, sums, distances."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from nasbook.decisions import envelopes

seeds = st.integers(0, 2**32 - 1)
few = settings(derandomize=True, deadline=None, max_examples=25)


def useful(vectors, beliefs):
    """The value at many beliefs, straight from the definition."""
    return (beliefs @ np.asarray(vectors).T).max(axis=1)


@few
@given(seed=seeds, n_states=st.integers(1, 4), count=st.integers(1, 30), ties=st.booleans())
def test_pruning_keeps_the_envelope_and_nothing_that_it_does_not_need(seed, n_states, count, ties):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, n_states))
    if ties:
        vectors = np.concatenate([vectors.round(), vectors.round()[: count // 2], (vectors[:1] + vectors[-1:]) / 2])
    kept = envelopes.prune(vectors)
    beliefs = np.concatenate([np.eye(n_states), rng.dirichlet(np.ones(n_states), 400)])
    assert (np.diff(kept) > 0).all()
    assert useful(vectors[kept], beliefs) == pytest.approx(useful(vectors, beliefs), abs=1e-12)
    for place in range(len(kept)):
        others = vectors[np.delete(kept, place)]
        if len(others):
            gain, belief = envelopes.gains(vectors[kept[place], None], others)
            assert gain[0] > 0 and belief[0].sum() == pytest.approx(1)


@few
@given(seed=seeds, n_states=st.integers(1, 3))
def test_a_sum_of_envelopes_is_the_envelope_of_the_sums(seed, n_states):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(7, n_states)).round(1), rng.normal(size=(4, n_states)).round(1)
    beliefs = np.concatenate([np.eye(n_states), rng.dirichlet(np.ones(n_states), 200)])
    found = envelopes.add(first, second)
    assert useful(found, beliefs) == pytest.approx(useful(first, beliefs) + useful(second, beliefs), abs=1e-12)
    assert len(envelopes.prune(found)) == len(found)


@pytest.mark.parametrize("n_states", [2, 3])
def test_of_duplicates_the_first_stays(n_states):
    vectors = np.concatenate([np.eye(n_states)] * 3 + [np.eye(n_states) - 1e-16])
    assert envelopes.prune(vectors).tolist() == list(range(n_states))


def test_a_plane_through_the_meeting_of_others_is_not_needed():
    """It reaches the envelope at the centre and nowhere rises above it."""
    for n_states in (2, 3):
        vectors = np.concatenate([np.full((1, n_states), 1 / n_states), np.eye(n_states)])
        assert envelopes.prune(vectors).tolist() == list(range(1, n_states + 1))


def test_at_a_corner_where_planes_meet_the_needed_ones_stay():
    assert envelopes.prune(np.array([[1, 0.5, 0.5], [1, 1, 0], [1, 0, 1]])).tolist() == [1, 2]


@pytest.mark.parametrize(("n_states", "above"), [(2, 1e-9), (2, -1e-9), (3, 1e-8), (3, -1e-8), (4, 1e-8), (4, -1e-8)])
def test_a_plane_a_hair_above_the_meeting_is_needed_and_below_is_not(n_states, above):
    vectors = np.concatenate([np.eye(n_states), np.full((1, n_states), 1 / n_states + above)])
    assert (n_states in envelopes.prune(vectors)) == (above > 0)


@few
@given(seed=seeds)
def test_lines_and_linear_programmes_keep_the_same(seed):
    vectors = np.random.default_rng(seed).normal(size=(40, 2))
    by_programme = envelopes._undominated(vectors)
    by_programme = np.sort(by_programme[envelopes._lark(vectors[by_programme])[0]])
    assert envelopes.prune(vectors).tolist() == by_programme.tolist()


def test_many_tangents_of_a_parabola_are_all_needed():
    at = np.linspace(0, 1, 400)
    vectors = np.stack([2 * at - at**2, -(at**2)], axis=1)  # the tangents of x * x
    lines, ends = envelopes.line_envelope(vectors)
    assert lines.tolist() == list(range(400))
    assert ends[1:-1] == pytest.approx((at[:-1] + at[1:]) / 2, abs=1e-9)


@few
@given(seed=seeds, n_states=st.integers(2, 4))
def test_the_distance_of_envelopes_is_the_largest_difference(seed, n_states):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(6, n_states)), rng.normal(size=(5, n_states))
    found = envelopes.distance(first, second)
    beliefs = np.concatenate([np.eye(n_states), rng.dirichlet(np.ones(n_states), 3000)])
    seen = np.abs(useful(first, beliefs) - useful(second, beliefs)).max()
    assert seen <= found + 1e-9
    assert found == pytest.approx(envelopes.distance(second, first))
    assert envelopes.distance(first, first) <= 1e-9
    if n_states == 2:
        line = np.stack([np.linspace(0, 1, 20001), 1 - np.linspace(0, 1, 20001)], axis=1)
        assert found == pytest.approx(np.abs(useful(first, line) - useful(second, line)).max(), abs=1e-3)
