"""A contest is what its searches did, and its comparisons are right by hand."""

from itertools import product

import numpy as np
import pytest
from invented import by_name, invented, rows
from synthetic import synthetic_table
from tables import TinyTable

import nasbook as nb
from nasbook import trials
from nasbook.arena import contests
from nasbook.arena.contests import ENTRANTS, NOISES, RANDOM, Contest, Entrant, standings
from nasbook.book.widgets import arena
from nasbook.spaces.edges.growing import GrowingCells, grown
from nasbook.trials.evaluators import Lookup

TWO = {RANDOM: Entrant("random_search"), "evolution": Entrant("evolution", {"population": 4, "sample": 2})}
TRUTH = {"a": 0.5, "b": 0.7, "c": 0.9, "d": 0.9}


# --- the numbers


def test_regrets_by_hand():
    """The best so far by score, not by truth; the first of equal scores; a search that ended keeps its last."""
    contest = Contest((0, 1), 4, TRUTH, 0.9, {})
    searches = rows([("a", 0.3), ("b", 0.6), ("c", 0.2), ("c", 0.7), ("a", 0.9)], [("b", 0.5), ("d", 0.5)])
    found = contest.joined("x", searches)
    assert found.methods == ("x",) and contest.methods == ()
    for noise in NOISES:
        np.testing.assert_allclose(found.regrets[noise, "x"], [[0.4, 0.2, 0.2, 0.0], [0.2, 0.2, 0.2, 0.2]])


def test_fewer_evaluations_and_seeds_are_as_if_no_more_had_been_run():
    contest = invented({RANDOM: [0.1, 0.2, 0.3], "x": [0.0, 0.0, 0.3]}, budget=3, before=0.4)
    (last,) = standings(contest, "the truth", ["x"])
    (fewer,) = standings(contest, "the truth", ["x"], budget=2)
    assert last.finals.tolist() == [0.0, 0.0, 0.3] and fewer.finals.tolist() == [0.4] * 3
    two = by_name(standings(contest, "the truth", ["x", RANDOM], seeds=2))["x"]
    assert two.finals.tolist() == [0.0, 0.0] and two.gap.mean == pytest.approx(-0.15) and two.p == 2 / 4


def test_a_comparison_by_hand():
    """Differences -1, -2, -3, +0.5, -1.5, 0 percent: of 2**6 signs, how many sums are as far out as -7 of 8?

    Sums of 8 and of 7 in size: all of one sign (1), and all but the .5 (1), each both ways and doubled by the zero.
    """
    base = np.array([0.05, 0.06, 0.07, 0.02, 0.04, 0.03])
    other = base + np.array([-0.01, -0.02, -0.03, 0.005, -0.015, 0.0])
    found = by_name(standings(invented({RANDOM: base, "x": other}), "the truth", [RANDOM, "x"]))
    one = found["x"]
    assert one.gap.mean == pytest.approx(-0.07 / 6) and one.test.difference == pytest.approx(-0.07 / 6)
    squares = 0.01**2 + 0.02**2 + 0.03**2 + 0.005**2 + 0.015**2 - 6 * (0.07 / 6) ** 2
    deviation = (squares / 5) ** 0.5
    half = 2.570582 * deviation / 6**0.5  # Student's t with 5 degrees of freedom
    assert (one.gap.low, one.gap.high) == pytest.approx((-0.07 / 6 - half, -0.07 / 6 + half), abs=1e-8)
    assert one.p == 8 / 64 and one.verdict == "not shown"
    assert (one.test.lower, one.test.higher, one.test.n) == (4, 1, 6)
    assert one.needed == int(np.ceil(7.848880 * (deviation / (0.07 / 6)) ** 2)) == 10
    assert one.regret.mean == pytest.approx(other.mean())
    assert found[RANDOM].test is found[RANDOM].p is found[RANDOM].needed is None and found[RANDOM].verdict == ""


def test_holm_is_over_the_comparisons_that_are_ticked():
    """Seven seeds all one way: p is 2 / 2**7, below 5% once, twice and three times, but not four times."""
    base = np.full(7, 0.04)
    others = {name: base - 0.001 * np.arange(1, 8) for name in "uvwx"}
    contest = invented({RANDOM: base, **others})
    for count in (1, 2, 3, 4):
        found = by_name(standings(contest, "one training", [RANDOM, *"uvwx"[:count]]))
        assert found["u"].p == pytest.approx(count * 2 / 128)
        assert found["u"].verdict == ("better" if count < 4 else "not shown")
    worse = by_name(standings(invented({RANDOM: others["u"], "x": base}), "the truth", [RANDOM, "x"]))["x"]
    assert worse.verdict == "worse" and str(worse).endswith(
        "lower in 0 of 7 seeds, p 0.016 (Holm): worse; about 6 seeds would show such a difference"
    )


def test_ties_in_every_seed_are_no_difference():
    same = [0.01, 0.03, 0.02]
    one = by_name(standings(invented({RANDOM: same, "x": same}), "the truth", [RANDOM, "x"]))["x"]
    assert one.p == 1.0 and one.gap.low == one.gap.high == 0.0 and one.needed is None
    assert (one.test.lower, one.test.higher, one.test.n) == (0, 0, 3)
    assert str(one).endswith("p 1.000 (Holm): no difference shown")
    svg, sentence = arena.render(invented({RANDOM: same, "x": same}), 1, "the truth", 3, [RANDOM, "x"])
    assert ">0 / 3 / 0<" in svg and ">-<" in svg and "no difference shown for x (p 1.000)" in sentence


def test_with_one_seed_there_is_no_interval_and_it_says_so():
    contest = invented({RANDOM: [0.01, 0.03], "x": [0.02, 0.05]})
    found = standings(contest, "the truth", [RANDOM, "x"], seeds=1)
    assert all(one.regret is one.test is one.p is one.gap is None for one in found)
    assert str(found[1]) == "x: regret 2.0% (one seed, no interval)"
    svg, sentence = arena.render(contest, 1, "the truth", 1, [RANDOM, "x"])
    assert "random search 1.00%, x 2.00%. One seed gives no interval and no test." in sentence
    assert "one seed: no interval, no test, no verdict" in svg and 'opacity="0.15"' not in svg


def test_very_small_p_and_very_many_seeds_are_said_to_be_so():
    base = np.linspace(0.01, 0.03, 20)
    nearly = base + np.where(np.arange(20) % 2, 0.001, -0.000999)
    contest = invented({RANDOM: base, "x": base - 0.005, "y": nearly})
    found = by_name(standings(contest, "the truth", contest.methods))
    assert found["x"].p == pytest.approx(2 * 2 / 2**20) and found["x"].p_text == "< 0.001"
    assert found["y"].needed > 999 and found["y"].p_text == f"{found['y'].p:.3f}"
    svg, sentence = arena.render(contest, 1, "the truth", 20, contest.methods)
    assert ">&gt; 999<" in svg and ">&lt; 0.001<" in svg and "better x (p < 0.001)" in sentence


def test_another_method_can_be_what_all_are_compared_with():
    contest = invented({RANDOM: [0.01, 0.03], "x": [0.02, 0.05]})
    found = by_name(standings(contest, "the truth", [RANDOM, "x"], against="x"))
    assert found["x"].test is None and found[RANDOM].gap.mean == pytest.approx(-0.015)
    assert str(found[RANDOM]).startswith("random search against x: -1.50%")


def test_few_seeds_are_needed_for_a_difference_that_is_always_the_same():
    assert contests.seeds_needed([0.25] * 4) == contests.fewest_seeds() == 6
    assert contests.seeds_needed([1.0, 3.0]) == 6 and contests.seeds_needed([-1.0, 3.0]) == 63
    assert contests.seeds_needed([-1.0, 1.0]) is None


@pytest.mark.parametrize("comparisons", [1, 2, 3, 5, 12])
def test_more_comparisons_need_more_seeds(comparisons):
    """Every seed the same way: with the fewest seeds all are shown, with one less nobody is. And a level shared."""
    fewest = contests.fewest_seeds(comparisons)
    for count, verdict in ((fewest, "better"), (fewest - 1, "not shown")):
        base = np.full(count, 0.04)
        others = {f"m{place}": base - 0.001 * np.arange(1, count + 1) for place in range(comparisons)}
        found = standings(invented({RANDOM: base, **others}), "the truth", [RANDOM, *others])[1:]
        assert {one.verdict for one in found} == {verdict} and all(one.needed >= fewest for one in found)
    z = {1: 1.959964, 2: 2.241403, 3: 2.393980, 5: 2.575829, 12: 2.865196}[comparisons]  # of 1 - .05 / m / 2
    assert contests.seeds_needed([-1.0, 3.0], comparisons) == int(np.ceil(8 * (z + 0.841621) ** 2))


# --- the searches


def test_the_contest_is_what_the_searches_did():
    table, seeds = TinyTable(), (3, 5)
    contest = contests.prepare(table, seeds=seeds, budget=12, entrants=TWO)
    best = max(table.accuracy(one, "test", 4) for one in table.space)
    assert contest.optimum == best and contest.methods == tuple(TWO)
    sees = {"one training": ("valid", "drawn"), "the mean over trainings": ("valid", None), "the truth": ("test", None)}
    for (noise, (split, seed)), (row, start) in product(sees.items(), enumerate(seeds)):
        task = {"space": table.space, "evaluator": Lookup(table, split=split, seed=seed), "evaluations": 12}
        trial, _ = trials.play("evolution", seed=start, **task, population=4, sample=2)
        scores = [one.score for one in trial.ledger.rows]
        for step in range(12):
            chosen = trial.ledger.architectures[int(np.argmax(scores[: step + 1]))]
            expected = best - table.accuracy(chosen, "test", 4)
            assert contest.regrets[noise, "evolution"][row, step] == pytest.approx(expected, abs=1e-12)


def test_cells_in_an_order_that_was_fixed_beforehand():
    """Under the truth the regret after k evaluations is that of the best of the order's first k, for every seed."""
    table, seeds = TinyTable(), (0, 4)
    contest = contests.prepare(table, seeds=seeds, budget=5, entrants=TWO)
    orders = {seed: np.random.default_rng(seed).permutation(list(map("".join, table.space)))[:9] for seed in seeds}
    orders = {seed: [tuple(name) for name in names] for seed, names in orders.items()}
    found = contests.entered(contest, table, "ordered", contests.in_order(orders))
    assert found.methods == (*TWO, "ordered") and contest.methods == tuple(TWO)
    for row, seed in enumerate(seeds):
        worth = [table.accuracy(one, "test", 4) for one in orders[seed][:5]]
        expected = contest.optimum - np.maximum.accumulate(worth)
        np.testing.assert_allclose(found.regrets["the truth", "ordered"][row], expected, atol=1e-12)
    with pytest.raises(nb.NasbookError, match="no order for seed 4, only for 0"):
        contests.entered(contest, table, "half", contests.in_order({0: orders[0]}))


def test_who_sees_the_truth_never_gets_worse():
    contest = contests.prepare(TinyTable(), seeds=range(6), budget=30, entrants=TWO)
    for method in TWO:
        assert (np.diff(contest.regrets["the truth", method], axis=1) <= 0).all()
        assert not contest.regrets["the truth", method].flags.writeable
        assert (contest.regrets["one training", method] >= -1e-12).all()


def test_the_contest_is_a_function_of_its_seeds():
    one, same, other = (
        contests.prepare(TinyTable(), seeds=seeds, budget=10, entrants=TWO) for seeds in ((0, 1), (0, 1), (1, 2))
    )
    for key, values in one.regrets.items():
        np.testing.assert_array_equal(values, same.regrets[key])
        np.testing.assert_array_equal(values[1], other.regrets[key][0])
    assert any((values != other.regrets[key]).any() for key, values in one.regrets.items())


def test_the_four_of_the_book_search_the_cells_of_the_table():
    table = synthetic_table()
    contest = arena.prepare(table, seeds=[0], budget=25)
    assert contest.methods == tuple(ENTRANTS) == (RANDOM, "evolution", "NAS with RL", "PNAS")
    assert {values.shape for values in contest.regrets.values()} == {(1, 25)}
    # PNAS that sees the truth has trained all cells of one and two nodes first
    space = GrowingCells(table.space)
    small = {*space.first(), *grown(space, space.first(), 1)}
    best = max(table.accuracy(cell, "test") for cell in small)
    assert contest.regrets["the truth", "PNAS"][0, len(small) - 1] == pytest.approx(contest.optimum - best)
