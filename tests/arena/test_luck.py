"""What chance alone finds: by hand, against every pair of draws, and against random searches that were run."""

from itertools import product

import numpy as np
import pytest
from scipy import stats
from synthetic import synthetic_table

import nasbook as nb
from nasbook import trials
from nasbook.analysis.measures import expected_best
from nasbook.arena.luck import Spread, handed_over, spread
from nasbook.trials.evaluators import Lookup

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "evaluations", "chances"),
    [
        ([[0.1, 0.3, 0.2]], 1, [1 / 3, 1 / 3, 1 / 3]),
        ([[0.1, 0.3, 0.2]], 2, [1 / 9, 5 / 9, 3 / 9]),
        ([[0.3, 0.1, 0.3]], 2, [4 / 9, 1 / 9, 4 / 9]),
        ([[0.1, 0.4], [0.3, 0.2]], 2, [6 / 16, 10 / 16]),
        ([[0.1, NAN, 0.3]], 2, [1 / 4, 0, 3 / 4]),
    ],
    ids=["one", "two", "ties", "two seeds", "missing"],
)
def test_who_is_handed_over_by_hand(scores, evaluations, chances):
    np.testing.assert_allclose(handed_over(np.array(scores), evaluations), chances)


def test_who_is_handed_over_against_every_triple_of_draws():
    """Of two scores that are equal, the first that was drawn."""
    rng = np.random.default_rng(0)
    scores = rng.integers(4, size=(2, 5)) / 4
    entries = [(scores[s, a], a) for s, a in product(range(2), range(5))]
    counts = np.zeros(5)
    for three in product(entries, repeat=3):
        counts[max(three, key=lambda entry: entry[0])[1]] += 1
    np.testing.assert_allclose(handed_over(scores, 3), counts / 1000)


def test_told_the_truth_random_search_finds_the_expected_best():
    values = np.random.default_rng(1).random(50)
    for n, best in enumerate(expected_best(values, 30), 1):
        assert spread(values, handed_over(values[None], n)).mean == pytest.approx(best)


def test_random_searches_that_were_run_end_as_often_where_they_should():
    """500 searches of 6 evaluations, told one training that is drawn anew; cells in eight bins of their truth."""
    table = synthetic_table(noise=0.03)
    look, n = Lookup(table), 500
    found = trials.repeat("random_search", seeds=range(n), space=table.space, evaluator=look, evaluations=6)
    chosen = found.loc[found.groupby("seed")["score"].idxmax(), "architecture"]
    places = [table.space.index(cell) for cell in chosen]
    truths, chances = table.scores("test"), handed_over(look.scores(), 6)
    order = np.argsort(truths)
    bins = np.empty(len(truths), dtype=int)
    bins[order] = np.minimum(np.cumsum(chances[order]) * 8, 7)
    seen, expected = np.bincount(bins[places], minlength=8), n * np.bincount(bins, chances)
    assert expected.min() > 30 and stats.chisquare(seen, expected).pvalue > 1e-4
    # and the test would see it if they were half as long
    assert stats.chisquare(seen, n * np.bincount(bins, handed_over(look.scores(), 3))).pvalue < 1e-4


def test_a_spread_by_hand():
    assert spread(np.array([3.0, 1.0, 2.0, 4.0]), np.full(4, 0.25)) == Spread(2.5, 1.0, 2.0, 4.0)
    values = np.arange(5.0)
    inside = spread(values, np.array([0.02, 0.01, 0.46, 0.4855, 0.0245]))
    assert (inside.low, inside.median, inside.high) == (1.0, 3.0, 3.0)
    outside = spread(values, np.array([0.0255, 0.01, 0.47, 0.469, 0.0255]))
    assert (outside.low, outside.median, outside.high) == (0.0, 2.0, 4.0)


def test_what_is_never_handed_over_does_not_count():
    assert spread(np.array([NAN, 1.0, 2.0]), np.array([0.0, 0.5, 0.5])) == Spread(1.5, 1.0, 1.0, 2.0)


def test_a_spread_turned_round_keeps_its_ends_in_order():
    one = Spread(mean=0.5, low=0.25, median=0.625, high=1.0)
    assert one.above(0.25) == Spread(0.25, 0.0, 0.375, 0.75)
    assert one.below(2.0) == Spread(1.5, 1.0, 1.375, 1.75)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True])
def test_a_search_has_at_least_one_evaluation(bad):
    with pytest.raises(nb.NasbookError, match="evaluations"):
        handed_over(np.ones((1, 3)), bad)
