"""``nb.search`` runs every method, and says in one sentence what a method takes."""

import re

import pytest

import nasbook as nb
from nasbook.searchers import METHODS, SHARING, TRIALS


@pytest.fixture(scope="module")
def table():
    return nb.benchmarks.load("cellbench")


def asks(table):
    return {"space": table.space, "evaluator": nb.evaluators.Lookup(table)}


@pytest.mark.parametrize("method", ["random_search", "evolution"])
def test_a_search_by_trial_goes_through_the_same_door(table, tmp_path, method):
    one = nb.search(method, **asks(table), seed=1, out=tmp_path / "one", evaluations=20)
    other = nb.trials.run(method, **asks(table), seed=1, out=tmp_path / "other", evaluations=20)
    assert one.finished and type(one) is nb.Run
    assert one.evaluations["architecture"].tolist() == other.evaluations["architecture"].tolist()


def test_a_method_of_ones_own_too(table, tmp_path):
    class Mine:
        from nasbook.searchers.random_search import PROFILES, Config, search

        search = staticmethod(search)

    assert len(nb.search(Mine, **asks(table), out=tmp_path, evaluations=5).evaluations) == 5


@pytest.mark.parametrize("method", TRIALS)
@pytest.mark.parametrize("wrong", [{"space": None}, {"evaluator": None}, {"data": True}])
def test_what_is_missing_or_too_much_by_trial_is_one_sentence(table, digits, method, wrong):
    given = asks(table) | {"data": digits} | wrong if "data" in wrong else asks(table) | wrong
    name = next(iter(wrong))
    said = f"and no {name}=" if name == "data" else f"and {name}= is missing"
    with pytest.raises(nb.NasbookError, match=f"^{method} takes space= and evaluator=, {said}"):
        nb.search(method, **{key: digits if value is True else value for key, value in given.items()})


@pytest.mark.parametrize("method", [*METHODS, *SHARING])
def test_what_is_missing_or_too_much_inside_a_super_net_is_one_sentence(table, digits, method):
    with pytest.raises(nb.NasbookError, match=f"^{method} takes data=, and data= is missing"):
        nb.search(method)
    with pytest.raises(nb.NasbookError, match=f"^{method} takes data=, and no evaluator="):
        nb.search(method, data=digits, evaluator=nb.evaluators.Lookup(table))
    with pytest.raises(
        nb.NasbookError, match=f"^{method} takes data=, and for space= a name, .*'edges', not 729 cells"
    ):
        nb.search(method, data=digits, space=table.space)


def test_help_shows_both_forms():
    forms = re.findall(r"nb\.search\(.*\)", nb.search.__doc__)
    assert len(forms) == 2 and "data=" in forms[0] and "evaluator=" in forms[1]


@pytest.mark.parametrize("method", [3, None, "gads"])
def test_no_method_is_one_sentence(digits, method):
    with pytest.raises(nb.NasbookError, match=f"unknown method {method!r}"):
        nb.search(method, data=digits)
