"""Measures against closed forms, brute force and scipy."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

import nasbook as nb
from nasbook.analysis import measures
from nasbook.analysis.measures import bootstrap, expected_best, holm, kendall, paired, spearman

FEW = st.lists(st.integers(0, 4).map(float), min_size=1, max_size=12)


def evaluations(rows):
    columns = ["method", "seed", "order", "architecture", "score", "seconds", "failure"]
    return pd.DataFrame(rows, columns=columns)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(scores=FEW)
def test_the_best_so_far_and_its_place_by_brute_force(scores):
    best, at = measures.best_so_far(scores), measures.incumbents(scores)
    for end in range(len(scores)):
        assert best[end] == max(scores[: end + 1])
        assert at[end] == scores.index(max(scores[: end + 1]))


@settings(derandomize=True, deadline=None, max_examples=20)
@given(values=st.lists(st.integers(0, 4).map(float), min_size=1, max_size=4))
def test_the_expected_best_by_enumeration(values):
    found = expected_best(values, 4)
    for n in range(1, 5):
        every = [max(drawn) for drawn in itertools.product(values, repeat=n)]
        assert found[n - 1] == pytest.approx(np.mean(every), abs=1e-12)


TRUTH = {"a": 0.9, "b": 0.5, "c": 0.7}
ROWS = [
    ["m", 0, 0, "b", 0.6, 10.0, ""], ["m", 0, 1, "a", 0.8, 1.0, ""], ["m", 0, 2, "c", 0.95, 2.0, ""],
    ["m", 1, 0, "x", 0.0, 3.0, "no network"], ["m", 1, 1, "c", 0.0, 3.0, ""],
    ["n", 0, 0, "a", 0.7, 5.0, ""],
]  # fmt: skip


def test_regret_is_the_truth_of_the_best_by_score():
    curves = measures.regret(evaluations(ROWS), TRUTH, 0.9)
    first = curves[(curves["method"] == "m") & (curves["seed"] == 0)]
    # c looks best and is not: regret rises again
    np.testing.assert_allclose(first["regret"], [0.4, 0.0, 0.2], atol=1e-12)
    assert first["evaluations"].tolist() == [1, 2, 3] and first["seconds"].tolist() == [10.0, 11.0, 13.0]
    assert first["best_score"].tolist() == [0.6, 0.8, 0.95]
    failed = curves[(curves["method"] == "m") & (curves["seed"] == 1)]
    np.testing.assert_allclose(failed["regret"], [0.9, 0.9], atol=1e-12)
    by_function = measures.regret(evaluations(ROWS), lambda name: TRUTH[name], 0.9)
    pd.testing.assert_frame_equal(curves, by_function)


def test_regret_at_a_moment():
    curves = measures.regret(evaluations(ROWS), TRUTH, 0.9)
    at = measures.regret_at(curves, evaluations=2)
    assert at[["method", "seed", "evaluations"]].to_numpy().tolist() == [["m", 0, 2], ["m", 1, 2], ["n", 0, 1]]
    np.testing.assert_allclose(measures.regret_at(curves, seconds=10.9)["regret"], [0.4, 0.9, 0.0], atol=1e-12)
    np.testing.assert_allclose(measures.regret_at(curves, seconds=11)["regret"], [0.0, 0.9, 0.0], atol=1e-12)
    with pytest.raises(nb.NasbookError, match=r"m with seed 0 had no evaluation within 9\.5 seconds"):
        measures.regret_at(curves, seconds=9.5)
    for wrong in ({}, {"evaluations": 1, "seconds": 1.0}):
        with pytest.raises(nb.NasbookError, match="and not both"):
            measures.regret_at(curves, **wrong)


def test_regret_refuses_what_cannot_be():
    with pytest.raises(nb.NasbookError, match=r"c is worth 0\.7, more than the optimum 0\.6"):
        measures.regret(evaluations([["m", 0, 0, "c", 0.6, 1.0, ""]]), TRUTH, 0.6)
    with pytest.raises(nb.NasbookError, match="the truth of z is not known"):
        measures.regret(evaluations([["m", 0, 0, "z", 0.6, 1.0, ""]]), TRUTH, 1.0)


def tau_b(x, y):
    """Kendall's tau-b from its definition, pair by pair."""
    agree = untied_x = untied_y = 0
    for i, j in itertools.combinations(range(len(x)), 2):
        a, b = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
        agree, untied_x, untied_y = agree + a * b, untied_x + a * a, untied_y + b * b
    return agree / (untied_x * untied_y) ** 0.5


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=15))
def test_kendall_and_spearman_by_their_definitions(pairs):
    x, y = (np.array(side, dtype=float) for side in zip(*pairs))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        with pytest.raises(nb.NasbookError, match="give no ranking"):
            kendall(x, y)
        return
    assert kendall(x, y) == pytest.approx(tau_b(x, y), abs=1e-12)
    ranks = [[(v < u).sum() + ((v == u).sum() - 1) / 2 for u in v] for v in (x, y)]
    assert spearman(x, y) == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-12)


def test_a_ranking_and_its_reverse():
    assert kendall([1, 2, 3], [10, 20, 30]) == spearman([1, 2, 3], [10, 20, 30]) == 1
    assert kendall([1, 2, 3], [3, 2, 1]) == spearman([1, 2, 3], [3, 2, 1]) == -1


def test_the_bootstrap_of_a_mean_has_the_spread_of_a_mean():
    """For n normal values the percentile interval tends to mean +- 1.96 s / sqrt(n), s with divisor n."""
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = bootstrap(np.mean, values, rng=np.random.default_rng(1), resamples=20_000)
    half = stats.norm.ppf(0.975) * values.std() / 20
    assert found.value == values.mean() and found.n == 400
    # the quantile of 20,000 draws has a standard error of about .02 of the half width
    assert (
        abs(found.low - (values.mean() - half)) < 0.1 * half and abs(found.high - (values.mean() + half)) < 0.1 * half
    )


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says():
    rng, covered = np.random.default_rng(2), 0
    for _ in range(300):
        found = bootstrap(np.mean, rng.exponential(size=60), rng=rng, resamples=200, level=0.9)
        covered += found.low <= 1 <= found.high
    # a percentile interval of 60 skewed values covers a little less than 90%
    assert stats.binomtest(covered, 300, 0.88).pvalue > 1e-4


def test_columns_of_a_bootstrap_are_drawn_together():
    x = np.arange(30.0)
    found = bootstrap(kendall, x, 2 * x, rng=np.random.default_rng(3), resamples=50)
    np.testing.assert_allclose([found.low, found.high, found.value], 1.0, rtol=0, atol=1e-12)
    assert str(found) == "1.000 (n = 30, 95% interval 1.000 to 1.000)"


def test_a_bootstrap_repeats_and_draws_undefined_resamples_again():
    x, y = [0.0, 0.0, 1.0], [0.0, 1.0, 2.0]
    one, two = (bootstrap(kendall, x, y, rng=np.random.default_rng(4), resamples=100) for _ in range(2))
    assert one == two and np.isfinite([one.low, one.high]).all()


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=9))
def test_the_exact_permutation_test_is_scipys(pairs):
    a, b = (np.array(side, dtype=float) for side in zip(*pairs))
    found = paired(a, b)
    differences = a - b
    reference = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert found.p == pytest.approx(min(1.0, reference.pvalue), abs=1e-9)
    assert found.difference == pytest.approx(differences.mean()) and found.n == len(pairs)
    assert (found.lower, found.higher) == ((a < b).sum(), (a > b).sum())


def signs_as_far_out(sizes):
    """How many of the 2**n sums of whole numbers with either sign are as far from 0 as all positive less the last two.

    One number after the other: how many choices of signs lead to each sum.
    """
    ways = {0: 1}
    for size in sizes:
        grown = Counter()
        for total, count in ways.items():
            grown[total + size] += count
            grown[total - size] += count
        ways = grown
    seen = abs(sum(sizes) - 2 * sizes[-1] - 2 * sizes[-2])
    return sum(count for total, count in ways.items() if abs(total) >= seen)


@pytest.mark.parametrize("n", [*range(19, 31)])
def test_the_permutation_test_of_many_pairs_by_counting_all_signs(n):
    """Tenths, whose sums as floats miss one another by their last bits, must still tie as the whole numbers do."""
    sizes = np.random.default_rng(n).integers(0, 9, n).tolist()
    signed = np.array([*sizes[:-2], -sizes[-2], -sizes[-1]]) / 10
    other = np.random.default_rng(n + 100).permutation(n)
    assert paired(signed[other], np.zeros(n)).p == signs_as_far_out(sizes) / 2**n


def test_the_permutation_test_of_21_pairs_by_brute_force():
    rng = np.random.default_rng(8)
    differences = rng.normal(0.3, 1, 21)
    seen, count = abs(differences.sum()), 0
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=13)))  # (2**13, 13)
    for head in itertools.product((-1.0, 1.0), repeat=8):
        sums = signs @ differences[8:] + np.dot(head, differences[:8])
        count += (np.abs(sums) >= seen - 1e-9).sum()
    assert paired(differences, np.zeros(21)).p == count / 2**21


def test_the_drawn_permutation_test_agrees_with_the_exact_one(monkeypatch):
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.25, 1, 14), rng.normal(0, 1, 14)
    exact = paired(a, b).p
    monkeypatch.setattr(measures, "EXACT", 5)
    drawn = paired(a, b, rng=np.random.default_rng(6)).p
    assert abs(drawn - exact) < 5 * (exact * (1 - exact) / measures.FLIPS) ** 0.5 + 1e-5
    with pytest.raises(nb.NasbookError, match="draws signs: pass rng"):
        paired(a, b)


def test_the_smallest_p_of_n_pairs():
    assert paired([1, 2, 3, 4, 5], [0, 0, 0, 0, 0]).p == 2 / 32
    assert paired([1, 1], [1, 1]).p == 1.0 and paired([1, 1], [1, 1], test="wilcoxon").p == 1.0


def test_wilcoxon_is_scipys():
    a, b = [5.0, 3.0, 8.0, 6.0, 9.0, 1.5], [4.0, 3.5, 6.0, 2.0, 4.0, 1.0]
    assert paired(a, b, test="wilcoxon").p == stats.wilcoxon(np.subtract(a, b)).pvalue


def test_the_permutation_test_keeps_its_level():
    """Under the null hypothesis p <= 5% happens at most one time in twenty."""
    rng = np.random.default_rng(7)
    alarms = sum(paired(rng.normal(size=10), rng.normal(size=10)).p <= 0.05 for _ in range(1000))
    assert stats.binomtest(alarms, 1000, 0.05, alternative="greater").pvalue > 1e-4
    assert stats.binomtest(alarms, 1000, 0.03, alternative="less").pvalue > 1e-4


def test_holm_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert list(holm({"z": 0.5, "a": 0.01})) == ["z", "a"] and holm({}) == {}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: measures.best_so_far([]), "scores has the shape"),
        (lambda: measures.incumbents([1, np.nan]), "finite"),
        (lambda: expected_best([1, 2], 0), "evaluations is 0"),
        (lambda: kendall([1, 2], [1, 2, 3]), "y has the shape"),
        (lambda: kendall([1], [1]), "give no ranking"),
        (lambda: spearman([1, 1], [1, 2]), "all values of x are equal"),
        (lambda: bootstrap(np.mean, [1.0], rng=np.random.default_rng(0)), "at least two observations"),
        (lambda: bootstrap(kendall, [1, 2], [1, 2, 3], rng=np.random.default_rng(0)), "of one length"),
        (lambda: bootstrap(np.mean, [1.0, 2.0], rng=3), "rng is 3"),
        (lambda: bootstrap(np.mean, [1.0, 2.0], rng=np.random.default_rng(0), level=95), "level is 95"),
        (lambda: bootstrap(np.mean, [1.0, 2.0], rng=np.random.default_rng(0), resamples=0), "resamples is 0"),
        (lambda: paired([1.0], [2.0]), "at least two pairs"),
        (lambda: paired([1, 2], [1, 2, 3]), "second has the shape"),
        (lambda: paired([1, 2], [2, 1], test="t"), "unknown test 't'"),
        (lambda: holm({"a": 1.5}), "p of a is 1.5"),
    ],
)
def test_bad_input_is_one_sentence(call, said):
    with pytest.raises(nb.NasbookError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
