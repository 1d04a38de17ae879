"""The open arena: what is told, what is paid, and a report whose every number is worked out by hand."""

import numpy as np
import pytest
from counted import SKIPS, SPACE, cell, counted_table
from scipy import stats

import nasbook as nb
from nasbook.arena import challenges
from nasbook.trials.interface import seed_of
from nasbook.trials.ledger import BudgetSpent


@pytest.fixture(scope="module")
def nasbench():
    return nb.benchmarks.load("nasbench201")


@pytest.fixture(scope="module")
def cellbench():
    return nb.benchmarks.load("cellbench")


def test_the_arena_is_on_the_public_face():
    assert nb.arena.open is challenges.open and nb.arena.Challenge is challenges.Challenge
    assert "arena" in dir(nb) and nb.arena.contests.RANDOM == "random search"


# --- what is told and judged


def test_nasbench201_tells_the_validation_accuracy_after_12_epochs_and_judges_by_the_test_accuracy_after_200(nasbench):
    arena = nb.arena.open(nasbench, budget=3)
    for tokens in ([3, 3, 1, 3, 3, 3], [0, 1, 2, 3, 4, 0], [2, 2, 1, 2, 2, 2]):
        name = nasbench.space.decode(tokens)
        assert arena.propose(tokens) == nasbench.accuracy(name, "valid", 12)
    report = arena.summary()
    assert report.cell == arena.best.architecture == max(
        arena.history["architecture"], key=lambda name: nasbench.accuracy(name, "valid", 12)
    )  # fmt: skip
    assert report.truth == nasbench.accuracy(report.cell, "test", 200) and report.optimum == pytest.approx(0.9437, 1e-4)
    assert report.resolution == nasbench.resolution and report.table == "nasbench201 (cifar10)"


def test_the_tables_are_opened_by_their_names(cellbench):
    arena = nb.arena.open()
    assert len(arena.told.table) == 15_625 and arena.budget == arena.remaining == 100 and arena.seed == 0
    assert len(nb.arena.open("cellbench").told.table) == 729


def test_cellbench_tells_one_training_drawn_anew_and_judges_by_the_mean(cellbench):
    arena, again, other = (nb.arena.open(cellbench, budget=12, seed=seed) for seed in (5, 5, 6))
    best = cellbench.best("test").architecture
    scores = [arena.propose(best) for _ in range(12)]
    assert scores == [cellbench.accuracy(best, "valid", 16, seed=seed_of(5, order) % 3) for order in range(12)]
    assert len(set(scores)) == 3 and scores == [again.propose(best) for _ in range(12)]
    assert scores != [other.propose(best) for _ in range(12)]
    report = arena.summary()
    assert (report.truth, report.regret) == (cellbench.best("test").accuracy, 0.0) and report.leading
    assert report.better == 0 and report.same > 0


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (None, {0.3, 0.5}),
        ("one training", {0.3, 0.5}),
        ("the mean over trainings", {0.4}),
        ("the truth", {0.4}),
        ({"seed": 1}, {0.5}),
        ({"split": "test"}, {0.39, 0.41}),
        ({"split": "test", "epochs": 4, "seed": 0}, {0.39}),
    ],
)
def test_another_score_may_be_told(told, shown):
    arena = nb.arena.open(counted_table(told=0.1), budget=20, told=told)
    assert {round(arena.propose(cell(2)), 12) for _ in range(20)} == shown


def test_another_truth_may_judge_and_then_no_resolution_is_known():
    arena = nb.arena.open(counted_table(told=0.1), judged={"split": "valid"})
    arena.propose(cell(2))
    report = arena.summary()
    assert report.truth == pytest.approx(0.4) and report.optimum == pytest.approx(0.8)
    assert report.resolution is None and not report.leading and "standard error" not in str(report)
    arena.propose(cell(6))
    assert arena.summary().regret == 0 and not arena.summary().leading
    arena = nb.arena.open(counted_table(), judged={"seed": 1})
    arena.propose(cell(2))
    assert arena.summary().truth == pytest.approx(0.41) and arena.summary().resolution is None


# --- what is paid


def test_the_budget_by_hand():
    arena = nb.arena.open(counted_table(), budget=4)
    assert (arena.spent, arena.remaining, len(arena.history)) == (0, 4, 0)
    assert repr(arena) == "counted table: 0 of 4 evaluations are spent"
    for left, skips in zip((3, 2, 1, 0), (1, 4, 4, 2)):
        assert arena.propose(cell(skips)) == pytest.approx((skips + 2) / 10) and arena.remaining == left
    assert arena.history["order"].tolist() == [0, 1, 2, 3] and arena.history["seconds"].tolist() == [1.0] * 4
    assert arena.history["architecture"].tolist() == [SPACE.decode(cell(skips)) for skips in (1, 4, 4, 2)]
    assert arena.best.order == 1 and repr(arena).endswith("4 of 4 evaluations are spent, best 0.6000")
    with pytest.raises(BudgetSpent, match="the budget is spent: 4 evaluations"):
        arena.propose(cell(6))
    assert arena.spent == 4 and arena.summary().spent == 4


def test_a_bad_proposal_costs_nothing_and_draws_nothing():
    """The seeds that are drawn count evaluations, not proposals."""
    clean, disturbed = (nb.arena.open(counted_table(told=0.1), budget=8) for _ in range(2))
    for skips in range(4):
        for bad in ("skip_conect", b"\xff", 7, [0], "|none~0|"):
            with pytest.raises(nb.arena.NoCell):
                disturbed.propose(bad)
        assert disturbed.remaining == 8 - skips
        assert disturbed.propose(cell(skips)) == clean.propose(cell(skips))
    with pytest.raises(nb.arena.NoCell, match="did you mean 'skip_connect'"):
        disturbed.propose("skip_conect")


def test_before_the_first_evaluation_there_is_nothing_to_sum_up():
    arena = nb.arena.open(counted_table())
    for ask in (arena.summary, lambda: arena.best):
        with pytest.raises(nb.NasbookError, match="nothing is evaluated yet"):
            ask()


def test_a_closed_arena_takes_no_proposal():
    with nb.arena.open(counted_table()) as arena:
        arena.propose(cell(1))
    with pytest.raises(nb.NasbookError, match="this arena was closed"):
        arena.propose(cell(1))
    assert arena.spent == 1 and arena.summary().truth == pytest.approx(0.3)


def test_a_training_that_a_table_lacks_costs_nothing_and_leaves_the_arena_open():
    table = counted_table()
    shown = {split: values.copy() for split, values in table._accuracies.items()}
    shown["valid"][-1] = shown["test"][-1] = np.nan
    lacking = type(table)("half a table", SPACE, trained=list(SPACE), epochs=(4,), seeds=(0, 1), accuracies=shown,
                          seconds=np.ones((64, 1)), rows=np.arange(64), count=table._count)  # fmt: skip
    arena = nb.arena.open(lacking, told="the truth")
    with pytest.raises(nb.NasbookError, match="has no such training"):
        arena.propose(cell(6))
    arena.propose(cell(5))
    assert arena.spent == 1 and arena.summary().gain == pytest.approx(0.7 - (64 * 0.5 - 0.8) / 63)
    assert arena.summary().optimum == pytest.approx(0.7) and arena.summary().better == 0 and arena.summary().leading


# --- the report


def test_the_report_by_hand():
    """The skips of a random cell are binomial(6, 1/2), so a random search of n draws ends with the largest of n such.

    Told k/10 +- .08, where seeds are drawn, a cell with a lucky seed beats one with a skip more, so each entry of the
    order (k, seed) counts by itself.
    """
    for told in (0.0, 0.02, 0.08):
        arena = nb.arena.open(counted_table(told), budget=50)
        for skips in (3, 5, 1, 2, 4):
            arena.propose(cell(skips))
        report = arena.summary()
        chosen = SPACE.encode(report.cell).count(1)
        assert report.score == arena.history["score"].max() and report.order == arena.history["score"].idxmax()
        entries = sorted((round(k / 10 + by, 6), k) for k in range(7) for by in (-told, told))
        below, chances = 0.0, np.zeros(7)
        for score in sorted({score for score, _ in entries}):
            here = {k: stats.binom.pmf(k, 6, 0.5) / 2 for at, k in entries if at == score}
            here = {k: value * [at for at, _ in entries].count(score) / len(here) for k, value in here.items()}
            reached = below + sum(here.values())
            for k, value in here.items():
                chances[k] += (reached**5 - below**5) * value / (reached - below)
            below = reached
        assert below == pytest.approx(1)
        law = stats.rv_discrete(values=(range(7), chances))
        low, median, high = law.ppf([0.025, 0.5, 0.975])
        mean = law.mean()
        assert report.truth == pytest.approx((chosen + 2) / 10) and report.optimum == pytest.approx(0.8)
        assert report.regret == pytest.approx((6 - chosen) / 10)
        assert report.resolution == pytest.approx(0.01)  # two seeds .01 below and above: variance .0002, over two
        assert report.better == pytest.approx(law.sf(chosen)) and report.same == pytest.approx(law.pmf(chosen))
        lacks = report.random_regret
        assert (lacks.mean, lacks.low, lacks.median, lacks.high) == pytest.approx(
            ((6 - mean) / 10, (6 - high) / 10, (6 - median) / 10, (6 - low) / 10), abs=1e-12
        )
        assert report.gain == pytest.approx((chosen - 3) / 10)  # a random cell has three skips in the mean
        luck, left = report.luck, report.left
        assert (luck.mean, luck.low, luck.median, luck.high) == pytest.approx(
            ((mean - 3) / 10, (low - 3) / 10, (median - 3) / 10, (high - 3) / 10), abs=1e-12
        )
        assert (left.mean, left.low, left.median, left.high) == pytest.approx(
            ((chosen - mean) / 10, (chosen - high) / 10, (chosen - median) / 10, (chosen - low) / 10), abs=1e-12
        )
        assert report.budget == 50 and report.spent == 5


def test_the_report_in_words():
    arena = nb.arena.open(counted_table())
    arena.propose(cell(5))
    said = str(arena.summary()).splitlines()
    assert [line.split()[0] for line in said] == ["cell", "truth", "random", "gain"]
    assert said[0].endswith(", told 0.7000 at evaluation 1 of 1")
    assert said[1] == (
        "truth   70.00%, regret 10.00 points of the best, 80.00%; the standard error of a truth is 1.00 points"
    )
    # of 64 cells one has no skip, which is less than 2.5%, and six have one skip; so many have six and five, too
    assert said[2] == (
        "random  searches of 1 evaluation: regret 30.00 points in the median, 10.00 to 50.00 for 95% of them; "
        "1.6% end with less, 9.4% with as much"
    )
    assert said[3] == (
        "gain    20.00 points above one random draw: a random search gains 0.00 points (-20.00 to 20.00), which leaves "
        "20.00 points (0.00 to 40.00) for the method: luck alone may explain it"
    )
    arena.propose(cell(6))
    assert "luck alone" in str(arena.summary()) and "1.00 points: not to be told from the best" in str(arena.summary())
    best = nb.arena.open(counted_table(), budget=1)
    best.propose(cell(6))
    assert str(best.summary()).endswith("more than luck brings in 97.5% of seeds")
    worst = nb.arena.open(counted_table(), budget=1)
    worst.propose(cell(0))
    assert str(worst.summary()).endswith("(-50.00 to -10.00) for the method: less than luck brings in 97.5% of seeds")
    plain = best.summary().plain()
    assert plain["left"] == vars(best.summary().left) and plain["cell"] == SPACE[-1] and SKIPS[-1] == 6


# --- what cannot be opened


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"table": "nasbench-201"}, "unknown table of truth 'nasbench-201'.*did you mean 'nasbench201'"),
        ({"table": None}, "table is of the type NoneType: give a name .cellbench, nasbench201. or a table"),
        ({"table": 201}, "table is of the type int"),
        ({"budget": 0}, "budget is 0"),
        ({"budget": -3}, "budget is -3"),
        ({"budget": 2.0}, "budget is 2.0"),
        ({"budget": "100"}, "budget is '100'"),
        ({"budget": None}, "budget is None"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"seed": True}, "seed is True"),
        ({"told": "the trutth"}, "unknown told 'the trutth'.*did you mean 'the truth'"),
        ({"told": 12}, "told is 12: valid are one training, the mean over trainings, the truth, or settings"),
        ({"told": {"epoch": 4}}, "unknown setting 'epoch'.*did you mean 'epochs'"),
        ({"told": {"split": "vaild"}}, "did you mean 'valid'"),
        ({"told": {"epochs": 5}}, "read after 4 epochs, not 5"),
        ({"told": {"epochs": "4"}}, "epochs is '4'"),
        ({"told": {"seed": 2}}, "holds no seed 2"),
        ({"told": {"seed": "drown"}}, "unknown seed of a look-up 'drown': valid are drawn; did you mean 'drawn'"),
        ({"told": {"seed": 0.5}}, "seed.* is 0.5"),
        ({"told": {4: 4}}, "unknown setting 4"),
        ({"judged": {"seed": "drawn"}}, "judged draws a training anew each time, which is no truth"),
        ({"judged": "one training"}, "judged draws a training anew each time"),
        ({"judged": []}, "judged is .*: valid are"),
        ({"out": ""}, "'' is no folder"),
        ({"out": 5}, "5 is no folder"),
        ({"out": "a\0b"}, "is no folder"),
        ({"out": "/dev/null/x"}, "cannot write into|is no folder"),
    ],
    ids=str,
)
def test_what_cannot_be_opened_is_said_in_one_sentence(call, says):
    with pytest.raises(nb.NasbookError, match=says) as caught:
        nb.arena.open(**{"table": counted_table(), **call})
    assert "\n" not in str(caught.value)


def test_a_table_of_means_has_no_training_to_draw(nasbench):
    with pytest.raises(nb.NasbookError, match="there is no seed to draw"):
        nb.arena.open(nasbench, told="one training")
    with pytest.raises(nb.NasbookError, match="holds no valid accuracy after 200"):
        nb.arena.open(nasbench, told={"epochs": 200})
