"""Evaluators, the ledger and its journal: order, seeds, budgets, failures, the seam, damaged files."""

import math
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import nasbook as nb
from nasbook import ledger
from nasbook.evaluators import ChildFailed, Evaluator, Function, Outcome
from nasbook.journal import Evaluation, Journal, read
from nasbook.ledger import BudgetSpent, Ledger


class Noisy(Evaluator):
    """A score drawn from the evaluation's seed, for as many seconds as the architecture says; odd ones fail."""

    def judge(self, architecture, seed):
        if architecture % 2:
            raise ChildFailed(f"{architecture} is\n odd", seconds=0.25)
        return Outcome(np.random.default_rng(seed).random(), float(architecture))

    def description(self):
        return {"kind": "noisy"}


def length(architecture):
    return len(architecture) / 10


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


# --- the journal


def filled(path, architectures, **options):
    with Journal(path) as journal:
        spent = Ledger(Noisy(), seed=3, journal=journal, **options)
        return spent, spent.evaluate(architectures)


def test_a_journal_gives_back_the_same_bits_and_only_the_rest_is_evaluated(tmp_path):
    path, asked = tmp_path / "evaluations.csv", [2, 5, 4, 6, 8]
    whole, expected = filled(path, asked)
    assert read(path) == whole.rows
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(len(asked) + 1):
        path.write_bytes(b"".join(lines[: kept + 1]))
        calls = []

        def mapper(function, jobs, calls=calls):
            calls += [one for one, _ in jobs]
            return map(function, jobs)

        again, scores = filled(path, asked, mapper=mapper)
        assert calls == asked[kept:]
        assert scores.tolist() == expected.tolist() and again.rows == whole.rows
        assert path.read_bytes() == b"".join(lines)


def test_each_row_is_on_disk_before_the_next_evaluation_begins(tmp_path):
    path, seen = tmp_path / "evaluations.csv", []

    def look(architecture):
        seen.append(len(path.read_bytes().splitlines()) - 1)
        return 0.5

    with Journal(path) as journal:
        Ledger(Function(look, "look"), journal=journal).evaluate(["a", "b", "c"])
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_half_a_line_is_cut_off_with_a_word_and_evaluated_again(tmp_path, capfd, cut):
    path = tmp_path / "evaluations.csv"
    whole, _ = filled(path, [2, 4, 6])
    raw = path.read_bytes()
    path.write_bytes(raw[:-cut])
    again, _ = filled(path, [2, 4, 6])
    assert again.rows == whole.rows and path.read_bytes() == raw
    assert "ended in half a line" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda lines: [b"order,architecture\n", *lines[1:]], "its first line is not order,architecture,score"),
        (lambda lines: [], "its first line is not"),
        (lambda lines: [*lines[:2], b"\x00\xff\n", *lines[3:]], "damaged in line 3"),
        (lambda lines: [lines[0], *lines[2:]], "damaged in line 2"),
        (lambda lines: [*lines[:3], lines[3].replace(b"0.", b"x.")], "damaged in line 4"),
        (lambda lines: [*lines[:3], b"2,6,nan,6.0,\n"], "damaged in line 4"),
        (lambda lines: [*lines[:3], b"2,6,0.5,-1.0,\n"], "damaged in line 4"),
        (lambda lines: [*lines[:3], b"2,6,-0.5,6.0,\n"], "damaged in line 4"),
        (lambda lines: [*lines[:3], b"2,6,0.5\n"], "damaged in line 4"),
    ],
)
def test_a_damaged_journal_is_one_sentence_and_is_not_touched(tmp_path, harm, said):
    path = tmp_path / "evaluations.csv"
    filled(path, [2, 4, 6])
    path.write_bytes(b"".join(harm(path.read_bytes().splitlines(keepends=True))))
    before = path.read_bytes()
    with pytest.raises(nb.NasbookError, match=said) as caught:
        filled(path, [2, 4, 6])
    assert "\n" not in str(caught.value) and path.read_bytes() == before


def test_a_journal_of_another_search_is_refused(tmp_path):
    path = tmp_path / "evaluations.csv"
    filled(path, [2, 4])
    with pytest.raises(nb.NasbookError, match=r"evaluation 1 in .* is 4 and this search asks for 6"):
        filled(path, [2, 6])


def test_commas_quotes_and_umlauts_survive_the_journal(tmp_path):
    names = ['[("a", 1), ("b", 2)]', "größe, 'x'", 'he said "no"']
    with Journal(tmp_path / "j.csv") as journal:
        Ledger(Function(length), journal=journal).evaluate(names)
    assert [row.architecture for row in read(tmp_path / "j.csv")] == names


def test_a_full_disk_is_one_sentence_and_what_is_there_stays(tmp_path):
    path = tmp_path / "evaluations.csv"
    with Journal(path) as journal:
        spent = Ledger(Noisy(), seed=3, journal=journal)
        spent.evaluate([2, 4])

        class Full:
            def write(self, line):
                raise OSError(28, "No space left on device")

            def close(self):
                pass

        stream, journal._stream = journal._stream, Full()
        with pytest.raises(nb.NasbookError, match="No space left on device; free space"):
            spent.evaluate([6])
        stream.close()
    assert [row.architecture for row in read(path)] == ["2", "4"]


def test_a_disk_that_is_full_stays_one_sentence_when_the_journal_closes(tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "evaluations.csv"
    filled(path, [2, 4])
    before = path.read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 9, limits[1]))
        with pytest.raises(nb.NasbookError, match=r"cannot write .*; free space"):
            filled(path, [2, 4, 6])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes().startswith(before)
    filled(path, [2, 4, 6])
    assert [row.architecture for row in read(path)] == ["2", "4", "6"]


def test_whatever_a_failed_child_says_the_journal_can_be_read_again(tmp_path):
    def fail(architecture):
        raise ChildFailed("shape \ud800 \0 " + "9" * 200_000)

    for _ in range(2):
        with Journal(tmp_path / "j.csv") as journal:
            Ledger(Function(fail, "fail"), journal=journal).evaluate(["a"])
    (row,) = read(tmp_path / "j.csv")
    assert row.failure.startswith("shape") and len(row.failure) < 2000


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
        (lambda: Ledger(length), "evaluator is a function; it must be one of nasbook.evaluators"),
        (lambda: Ledger(Noisy(), evaluations=0), "evaluations is 0"),
        (lambda: Ledger(Noisy(), seconds=-1), "seconds is -1"),
        (lambda: Ledger(Noisy(), seed=-1), "seed is -1"),
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
