"""Evaluators and the ledger: order, seeds, budgets, failures, the seam."""

import math
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from judges import Noisy, length

import nasbook as nb
from nasbook.runs.journal import Evaluation, Journal, read
from nasbook.trials import ledger
from nasbook.trials.evaluators import Function
from nasbook.trials.ledger import BudgetSpent, Ledger


def test_scores_come_in_order_and_every_evaluation_is_written_down():
    spent = Ledger(Function(length))
    assert spent.evaluate(["aaa", "b"]).tolist() == [0.3, 0.1]
    assert spent.evaluate(["cc"]).dtype == np.float64
    assert spent.rows == [
        Evaluation(0, "aaa", 0.3, 0.0), Evaluation(1, "b", 0.1, 0.0), Evaluation(2, "cc", 0.2, 0.0)
    ]  # fmt: skip
    assert spent.architectures == ["aaa", "b", "cc"] and spent.best.architecture == "aaa"
    assert list(spent.table().columns) == ["order", "architecture", "score", "seconds", "failure"]


def test_nothing_asked_is_nothing_answered():
    assert Ledger(Function(length)).evaluate([]).shape == (0,)


def test_each_evaluation_has_a_seed_of_its_own_that_depends_on_the_search_alone():
    spent = Ledger(Noisy(), seed=5)
    together = spent.evaluate([2, 2, 4, 2])
    assert len(set(together)) == 4  # a repeated architecture is evaluated again
    apart = Ledger(Noisy(), seed=5)
    assert [float(apart.evaluate([one])[0]) for one in [2, 2, 4, 2]] == together.tolist()
    assert not np.isin(Ledger(Noisy(), seed=6).evaluate([2, 2, 4, 2]), together).any()
    assert all(0 <= ledger.seed_of(s, o) < 2**63 for s in (0, 2**63 - 1) for o in (0, 10**9))


def test_a_failed_child_earns_nothing_and_is_logged_with_its_reason():
    spent = Ledger(Noisy())
    assert spent.evaluate([2, 3])[1] == 0.0
    assert spent.rows[1] == Evaluation(1, "3", 0.0, 0.25, "3 is odd")
    assert spent.seconds == 2.25


def test_among_scores_of_zero_one_that_did_not_fail_is_the_best():
    spent = Ledger(Noisy())
    spent.evaluate([3])
    assert spent.best.failure == "3 is odd"
    spent.evaluator = Function(lambda architecture: 0.0, "zero")
    spent.evaluate([2, 4])
    assert spent.best.order == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float32("nan")])
def test_a_score_that_is_not_finite_is_a_failure(value):
    spent = Ledger(Function(lambda architecture: value, "f"))
    assert spent.evaluate(["a"])[0] == 0.0 and spent.rows[0].failure.startswith("the score is")


def test_an_error_that_is_not_the_architectures_fault_stops_the_search():
    def broken(architecture):
        raise nb.NasbookError("the disk is full")

    spent = Ledger(Function(broken, "f"))
    with pytest.raises(nb.NasbookError, match="the disk is full"):
        spent.evaluate(["a"])
    assert spent.rows == []


def test_the_budget_of_evaluations_pays_what_it_can_and_then_ends():
    spent = Ledger(Function(length), evaluations=3)
    spent.evaluate(["a", "b"])
    assert spent.left == 1
    with pytest.raises(BudgetSpent, match="3 evaluations"):
        spent.evaluate(["c", "d"])
    assert [row.architecture for row in spent.rows] == ["a", "b", "c"] and spent.left == 0
    with pytest.raises(BudgetSpent):
        spent.evaluate(["e"])
    assert len(spent.rows) == 3


@pytest.mark.parametrize("batched", [True, False])
def test_the_budget_of_seconds_pays_what_begins_within_it(batched):
    spent, asked = Ledger(Noisy(), seconds=10.0), [4, 4, 4, 4]
    with pytest.raises(BudgetSpent):
        if batched:
            spent.evaluate(asked)
        else:
            for one in asked:
                spent.evaluate([one])
    assert len(spent.rows) == 3 and spent.seconds == 12.0 and spent.left == 0


def test_an_exact_end_of_the_budget_is_not_an_error():
    assert len(Ledger(Noisy(), seconds=12.0, evaluations=3).evaluate([4, 4, 4])) == 3


def test_all_evaluations_of_one_call_go_through_the_seam_together():
    calls = []

    def mapper(function, jobs):
        calls.append(list(jobs))
        return reversed([function(job) for job in reversed(calls[-1])])

    spent = Ledger(Noisy(), seed=1, mapper=mapper)
    scores = spent.evaluate([2, 4, 6])
    assert [[one for one, _ in jobs] for jobs in calls] == [[2, 4, 6]]
    assert scores.tolist() == Ledger(Noisy(), seed=1).evaluate([2, 4, 6]).tolist()


@pytest.mark.slow
def test_a_pool_of_processes_changes_nothing(tmp_path):
    asked = [2, 3, 4, 5, 6, 7]
    alone = Ledger(Noisy(), seed=2)
    alone.evaluate(asked)
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool, Journal(tmp_path / "j.csv") as journal:
        shared = Ledger(Noisy(), seed=2, journal=journal, mapper=pool.map)
        shared.evaluate(asked)
    assert shared.rows == alone.rows == read(tmp_path / "j.csv")


@pytest.mark.parametrize("given", [None, 0.5, (0.5,), (0.5, 1, 2), (0.5, None), (10**400, 1.0)])
def test_an_outcome_that_is_no_pair_of_numbers_is_one_sentence(given):
    class Odd(Noisy):
        def judge(self, architecture, seed):
            return given

    with pytest.raises(nb.NasbookError, match="score and seconds are wanted, two numbers"):
        Ledger(Odd()).evaluate(["a"])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Ledger(length), "evaluator is a function; it must be one of nb.evaluators"),
        (lambda: Ledger(Noisy(), mapper=3), "mapper is 3"),
        (lambda: Ledger(Noisy()).evaluate("|a~0|"), "architectures must be a list"),
        (lambda: Ledger(Noisy()).evaluate(3), "architectures must be a list"),
        (lambda: Ledger(Function(length)).evaluate(["a\nb"]), "named in one line"),
        (lambda: Ledger(Function(length)).evaluate([""]), "named in one line"),
        (lambda: Ledger(Noisy()).best, "nothing is evaluated yet"),
    ],
)
def test_bad_input_is_one_sentence(call, said):
    with pytest.raises(nb.NasbookError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
