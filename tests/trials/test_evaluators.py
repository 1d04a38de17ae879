"""Kinds of evaluators that need no torch: functions and look-ups, and how their descriptions tell them apart."""

from functools import partial

import pytest
from scipy import stats
from tables import TinyTable

import nasbook as nb
from nasbook.trials import evaluators
from nasbook.trials.evaluators import Function, Lookup


def length(architecture):
    return len(architecture) / 10


def test_a_lookup_is_the_table_with_its_seconds():
    table = TinyTable()
    fixed = Lookup(table, split="test", epochs=1, seed=8)
    assert fixed.evaluate([("a", "b", "c")])[0] == table.accuracy(("a", "b", "c"), "test", 1, 8)
    mean = Lookup(table, seed=None)
    assert mean.judge(("b", "a", "a"), 0) == (table.accuracy(("b", "a", "a"), "valid", 4), 8.0)
    assert fixed.judge(("b", "a", "a"), 0).seconds == 2.0, "a training that stops early costs its own epochs"


def test_a_drawn_lookup_gives_each_training_equally_often():
    table, one = TinyTable(), ("a", "a", "a")
    scores = Lookup(table).evaluate([one] * 900)
    values = [table.accuracy(one, "valid", 4, seed) for seed in table.seeds]
    counts = [int((scores == value).sum()) for value in values]
    assert sum(counts) == 900
    assert stats.chisquare(counts).pvalue > 1e-4


def test_descriptions_tell_evaluators_apart():
    table = TinyTable()
    other = TinyTable()
    other.accuracy = lambda *given, **named: 0.5
    described = [
        Lookup(table), Lookup(table, epochs=1), Lookup(table, split="test"), Lookup(table, seed=None),
        Lookup(table, seed=7), Lookup(other), Function(length), Function(length, "other"),
    ]  # fmt: skip
    texts = [str(one.description()) for one in described]
    assert len(set(texts)) == len(texts)
    assert Lookup(table).description() == Lookup(TinyTable()).description()


def test_a_functions_name_holds_what_a_partial_fixes():
    assert evaluators.function_name(partial(length, 3, b=1)).endswith("length(3, b=1)")
    assert evaluators.function_name(length).endswith("test_evaluators.length")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Function(lambda a: -0.5, "f").evaluate(["a"]), "the score of a is -0.5: scores are not negative"),
        (lambda: Function(lambda a: "x", "f").evaluate(["a"]), "gave 'x' and 0.0"),
        (lambda: Function(lambda a: None, "f").evaluate(["a"]), "gave None"),
        (lambda: Function(3), "function is 3"),
        (lambda: Lookup("cellbench"), r"table is a str; it must come from nasbook\.benchmarks\.load"),
        (lambda: Lookup(TinyTable(), split="train"), "no train after 4 epochs"),
        (lambda: Lookup(TinyTable(), epochs=3), "no valid after 3 epochs"),
        (lambda: Lookup(TinyTable(), seed="draw"), "unknown seed of a look-up 'draw'.*did you mean 'drawn'"),
        (lambda: Lookup(TinyTable(), seed=1), "with seed 1"),
    ],
)
def test_bad_input_is_one_sentence(call, said):
    with pytest.raises(nb.NasbookError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_table_of_means_has_no_seed_to_draw():
    table = TinyTable()
    table.seeds = ()
    with pytest.raises(nb.NasbookError, match="look up the means with seed=None"):
        Lookup(table)
