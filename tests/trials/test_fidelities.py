"""Evaluators that judge after fewer epochs: what they offer, what that costs, and the seeds of what goes on."""

import pytest
from tables import TinyTable
from torch import nn

import nasbook as nb
from nasbook.trials.evaluators import Function, Lookup, Training
from nasbook.trials.interface import Evaluator, Outcome, seed_of
from nasbook.trials.ledger import Ledger

ONE = ("b", "a", "a")  # 2 seconds an epoch in the tiny table


def build(architecture, seed):
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 10))


def test_a_lookup_offers_the_epochs_of_its_table_up_to_its_own():
    table = TinyTable()
    assert Lookup(table).fidelities == (1, 4) and Lookup(table, epochs=1).fidelities == (1,)
    assert Lookup(nb.benchmarks.load("cellbench")).fidelities == (1, 2, 4, 8, 16)
    assert Function(len).fidelities == ()


def test_a_lookup_offers_only_what_the_table_holds():
    """The compact NAS-Bench-201 has the split valid after 12 epochs alone."""
    table = nb.benchmarks.load("nasbench201")
    assert Lookup(table, epochs=12, seed=None).fidelities == (12,)
    assert Lookup(table, split="test", seed=None).fidelities == (12, 200)


def test_a_lookup_at_fewer_epochs_is_that_lookup():
    table = TinyTable()
    look = Lookup(table, split="test", seed=8)
    assert look.at(1).judge(ONE, 0) == Lookup(table, split="test", seed=8, epochs=1).judge(ONE, 0)
    assert look.at(1).judge(ONE, 0) != look.at(4).judge(ONE, 0) == look.judge(ONE, 0)
    assert look.epochs == 4 and type(look.at(1)) is Lookup


@pytest.mark.parametrize(("on_the_way", "seconds"), [(True, 6.0), (False, 8.0)])
def test_what_goes_on_costs_the_rest_where_that_is_the_same_training(on_the_way, seconds):
    table = TinyTable()
    table.on_the_way = on_the_way
    look = Lookup(table)
    assert (look.at(1).judge(ONE, 0).seconds, look.at(4).judge(ONE, 0).seconds) == (2.0, 8.0)
    assert look.at(4, since=1).judge(ONE, 0) == (look.judge(ONE, 0).score, seconds)
    assert look.at(4, since=1).at(4).judge(ONE, 0).seconds == 8.0


def test_the_tables_say_whether_their_accuracies_are_those_on_the_way():
    assert nb.benchmarks.load("cellbench").on_the_way and not nb.benchmarks.load("nasbench201").on_the_way


def test_a_training_of_fewer_epochs_is_one_of_its_own(digits):
    settings = {"data": digits, "padding": 1, "threads": 1}
    training = Training(build, epochs=3, **settings)
    assert training.fidelities == range(1, 4)
    two = Training(build, epochs=2, **settings)
    assert training.at(2).config == training.at(2, since=1).config == two.config and training.config.epochs == 3
    assert training.at(2).description() == two.description()
    assert training.at(2).parts is training.parts


def test_the_ledger_takes_another_judge_and_other_seeds_and_keeps_its_own():
    class Seeds(Evaluator):
        def judge(self, architecture, seed):
            return Outcome(float(seed), 1.0)

        def description(self):
            return {}

    ledger = Ledger(Seeds(), seed=2, evaluations=6)
    own = [float(seed_of(2, order)) for order in range(6)]
    assert ledger.evaluate(["a", "b"]).tolist() == own[:2]
    assert ledger.evaluate(["b", "a"], orders=[1, 0]).tolist() == [own[1], own[0]]
    assert ledger.evaluate(["c"], evaluator=Function(lambda one: 0.5, "half")).tolist() == [0.5]
    assert ledger.evaluate(["d"]).tolist() == own[5:]
    assert [row.order for row in ledger.rows] == list(range(6))


class Forgetful(Evaluator):
    fidelities = (1, 2)
    judge = description = None


class Offering(Forgetful):
    def __init__(self, *fidelities):
        self.fidelities = fidelities


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Function(len).at(1), "a Function has one score for an architecture and none after fewer epochs"),
        (lambda: Lookup(TinyTable()).at(3), "there is no score after 3 epochs: the evaluator offers 1, 4"),
        (lambda: Lookup(TinyTable(), epochs=1).at(4), "there is no score after 4 epochs: the evaluator offers 1"),
        (lambda: Lookup(TinyTable()).at(4, since=2), "there is no score after 2 epochs"),
        (lambda: Lookup(TinyTable()).at("4"), "there is no score after '4' epochs"),
        (lambda: Forgetful().at(1), "Forgetful has fidelities and no at"),
        (lambda: Lookup(TinyTable()).at(1, since=4), "a training of 4 epochs cannot go on to 1"),
        (lambda: Offering(4, 1).at(4), r"Offering.fidelities are \[4, 1\]: they must be ascending"),
        (lambda: Offering(1, 1).at(1), "they must be ascending"),
        (lambda: Offering(0, 1).at(1), "an entry of Offering.fidelities is 0: it must be a whole number of at least 1"),
        (lambda: Offering("1").at(1), "an entry of Offering.fidelities is '1'"),
        (lambda: Offering(*range(1, 9)).at(9), "the evaluator offers 1 to 8"),
        (lambda: Forgetful().at(3), "there is no score after 3 epochs: the evaluator offers 1, 2"),
    ],
)
def test_what_is_not_offered_is_one_sentence(call, said):
    with pytest.raises(nb.NasbookError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_training_says_what_it_offers(digits):
    training = Training(build, data=digits, epochs=3, padding=1)
    for wrong in (0, 4, None):
        with pytest.raises(nb.NasbookError, match="the evaluator offers 1 to 3"):
            training.at(wrong)
