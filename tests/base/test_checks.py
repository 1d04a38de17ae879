"""Everything that the checks at the door refuse, with the whole sentence; and what they hand on."""

from fractions import Fraction

import numpy as np
import pytest

from nasbook.base import checks
from nasbook.base.errors import NasbookError

NAN, INF = float("nan"), float("inf")
ROWS = ((0.5, 0.5), (0.3, 0.7))

REFUSED = {
    "words for numbers": (
        lambda: checks.numbers(["a", "b"], "rewards"),
        "rewards must be a rectangular array of numbers, not ['a', 'b']",
    ),
    "ragged": (
        lambda: checks.numbers([[1, 2], [3]], "rewards"),
        "rewards must be a rectangular array of numbers, not [[1, 2], [3]]",
    ),
    "nothing": (
        lambda: checks.numbers(None, "rewards", (2,)),
        "rewards must be a rectangular array of numbers, not None",
    ),
    "too few": (
        lambda: checks.numbers([1, 2], "rewards", (3,)),
        "rewards has the shape (2,), must be (3,)",
    ),
    "none of several shapes": (
        lambda: checks.numbers([[1, 2]], "rewards", (2,), (None, 3), (2, 2, 2)),
        "rewards has the shape (1, 2), must be (2,) or (any, 3) or (2, 2, 2)",
    ),
    "empty": (
        lambda: checks.numbers([], "prior", (None,)),
        "prior has the shape (0,), must be (any,)",
    ),
    "not a number": (
        lambda: checks.numbers([[0, 1], [NAN, 0]], "rewards"),
        "rewards[1, 0] is nan: all entries must be finite",
    ),
    "infinite": (lambda: checks.number(INF, "c"), "c is inf: all entries must be finite"),
    "an array for one number": (
        lambda: checks.number([1, 2], "c"),
        "c has the shape (2,), must be one number",
    ),
    "a negative probability": (
        lambda: checks.rows([[1.5, -0.5], [0, 1]], "transitions"),
        "transitions[0, 1] is -0.5: a probability is not negative",
    ),
    "a row that sums to less": (
        lambda: checks.rows([[0.5, 0.5], [0.3, 0.6]], "transitions", (2, 2)),
        "transitions[1] sums to 0.9: a row of probabilities must sum to 1",
    ),
    "a row of one of several matrices": (
        lambda: checks.rows([ROWS, [[0.5, 0.5], [0.5, 0.50001]]], "transitions"),
        "transitions[1, 1] sums to 1.00001: a row of probabilities must sum to 1",
    ),
    "a distribution that sums to more": (
        lambda: checks.rows([0.5, 0.6], "prior", (2,)),
        "prior sums to 1.1: a row of probabilities must sum to 1",
    ),
    "rows of another shape": (
        lambda: checks.rows(ROWS, "emissions", (3, None)),
        "emissions has the shape (2, 2), must be (3, any)",
    ),
    "a discount of one": (
        lambda: checks.discount(1),
        "gamma is 1: a discount must be at least 0 and less than 1",
    ),
    "a negative discount": (
        lambda: checks.discount(-0.1),
        "gamma is -0.1: a discount must be at least 0 and less than 1",
    ),
    "no discount": (lambda: checks.discount(NAN), "gamma is nan: all entries must be finite"),
    "a discount in words": (
        lambda: checks.discount("much"),
        "gamma must be one number, not 'much'",
    ),
    "too small": (lambda: checks.whole(-1, "steps"), "steps is -1: it must be a whole number of at least 0"),
    "less than the least": (
        lambda: checks.whole(0, "horizon", least=1),
        "horizon is 0: it must be a whole number of at least 1",
    ),
    "a fraction": (lambda: checks.whole(2.0, "steps"), "steps is 2.0: it must be a whole number of at least 0"),
    "a truth value": (lambda: checks.whole(True, "steps"), "steps is True: it must be a whole number of at least 0"),
    "an index too large": (
        lambda: checks.index(2, 2, "action"),
        "unknown action 2: valid are 0 to 1",
    ),
    "an index before the first": (
        lambda: checks.index(-1, 2, "action", ("listen", "open")),
        "unknown action -1: valid are 0 to 1 or listen, open",
    ),
    "an index that is a truth value": (lambda: checks.index(True, 2, "state"), "unknown state True: valid are 0 to 1"),
    "a name where there are none": (
        lambda: checks.index("listen", 2, "action"),
        "unknown action 'listen': valid are 0 to 1",
    ),
    "a misspelt name": (
        lambda: checks.index("lisen", 2, "action", ("listen", "open")),
        "unknown action 'lisen': valid are listen, open; did you mean 'listen'?",
    ),
    "no observations": (
        lambda: checks.indices([], 2, "observation"),
        "observations must be a flat sequence of at least one, not []",
    ),
    "observations in one string": (
        lambda: checks.indices("O1", 2, "observation", ("O1", "O2")),
        "observations must be a flat sequence of at least one, not 'O1'",
    ),
    "observations in a table": (
        lambda: checks.indices([[0, 1]], 2, "observation"),
        "observations must be a flat sequence of at least one, not [[0, 1]]",
    ),
    "rows of observations of different lengths": (
        lambda: checks.indices([[0, 1], [0]], 2, "observation"),
        "observations must be a flat sequence of at least one, not [[0, 1], [0]]",
    ),
    "one observation alone": (
        lambda: checks.indices(1, 2, "observation"),
        "observations must be a flat sequence of at least one, not 1",
    ),
    "an observation that does not exist": (
        lambda: checks.indices([0, 1, 2], 2, "observation"),
        "unknown observation 2: valid are 0 to 1",
    ),
    "an observation that is a fraction": (
        lambda: checks.indices([0.0, 1.0], 2, "observation"),
        "unknown observation 0.0: valid are 0 to 1",
    ),
    "a seed for a generator": (
        lambda: checks.generator(0),
        "rng is 0: it must be a generator, such as numpy.random.default_rng(0)",
    ),
    "no number at all": (lambda: checks.discount(None), "gamma must be one number, not None"),
    "a number in words": (lambda: checks.discount("0.9"), "gamma must be one number, not '0.9'"),
    "rows in words": (
        lambda: checks.rows([["0.5", "0.5"]], "transitions"),
        "transitions must be a rectangular array of numbers, not [['0.5', '0.5']]",
    ),
    "a hole in a row": (
        lambda: checks.rows([0.5, None], "prior"),
        "prior must be a rectangular array of numbers, not [0.5, None]",
    ),
    "complex numbers": (
        lambda: checks.numbers(np.array([1j]), "rewards"),
        "rewards must be a rectangular array of numbers, not array([0.+1.j])",
    ),
    "masked numbers": (
        lambda: checks.numbers(np.ma.masked_equal([1, 2], 2), "pay"),
        "pay must be a rectangular array of numbers, not masked_array(data=[1, --], mask=[False, True], fill_value=2)",
    ),
    "no names at all": (
        lambda: checks.labels(None, 2, "state", "S"),
        "state names must be 2 different strings in a list, not None",
    ),
    "numbers as names": (
        lambda: checks.labels([1, "1"], 2, "state", "S"),
        "state names must be 2 different strings in a list, not [1, '1']",
    ),
    "names without order": (
        lambda: checks.labels({"a"}, 1, "state", "S"),
        "state names must be 1 different strings in a list, not {'a'}",
    ),
    "a name that cannot be printed": (
        lambda: checks.labels(["a\x00b"], 1, "state", "S"),
        "state names must be 1 different strings in a list, not ['a\\x00b']",
    ),
    "nothing above 0": (lambda: checks.positive(0, "tol"), "tol is 0: it must be more than 0"),
    "more than all": (lambda: checks.share(1.5, "epsilon"), "epsilon is 1.5: it must lie in [0, 1]"),
    "less than nothing": (lambda: checks.share(-0.5, "epsilon"), "epsilon is -0.5: it must lie in [0, 1]"),
    "too few names": (
        lambda: checks.labels(("wet",), 2, "state", "S"),
        "state names must be 2 different strings, not ('wet',)",
    ),
    "a name twice": (
        lambda: checks.labels(("wet", "wet"), 2, "state", "S"),
        "state names must be 2 different strings, not ('wet', 'wet')",
    ),
    "names in one string": (
        lambda: checks.labels("ab", 2, "state", "S"),
        "state names must be 2 different strings in a list, not 'ab'",
    ),
    "something long": (
        lambda: checks.labels([f"name {place}" for place in range(20)], 2, "state", "S"),
        "state names must be 2 different strings, not ['name 0', 'name 1', 'name 2', 'name 3', 'name 4', 'name ...",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_gets_its_sentence(what):
    call, sentence = REFUSED[what]
    with pytest.raises(NasbookError) as caught:
        call()
    assert str(caught.value) == sentence


def test_arrays_are_copied_and_cannot_be_changed():
    given = np.array(ROWS)
    taken = checks.rows(given, "transitions", (2, 2))
    given[0] = (1, 0)
    assert taken.tolist() == [[0.5, 0.5], [0.3, 0.7]] and taken.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        taken[0, 0] = 1


def test_rounding_of_typed_decimals_is_let_through():
    thirds = [0.33333333, 0.33333333, 0.33333334]
    assert checks.rows(thirds, "prior", (3,)).tolist() == thirds
    with pytest.raises(NasbookError, match=r"sums to 0\.9999999"):
        checks.rows([0.5, 0.4999999], "prior")


def test_numbers_names_and_indices_come_out_in_one_form():
    assert checks.discount(0) == 0.0 and checks.discount(np.float32(0.5)) == 0.5
    assert checks.number(np.int64(3), "c") == 3.0
    assert checks.whole(np.int64(3), "steps") == 3 and type(checks.whole(np.int64(3), "steps")) is int
    assert checks.index("open", 2, "action", ("listen", "open")) == checks.index(np.int64(1), 2, "action") == 1
    assert checks.labels((), 2, "state", "S") == ("S1", "S2")
    assert checks.labels(["wet", "dry"], 2, "state", "S") == ("wet", "dry")


@pytest.mark.parametrize(
    "values", [[0, 1, 1], np.array([0, 1, 1], dtype=np.uint8), ("O1", 1, "O2"), ["O1", "O2", "O2"]]
)
def test_a_sequence_of_observations_may_mix_names_and_numbers(values):
    found = checks.indices(values, 2, "observation", ("O1", "O2"))
    assert found.tolist() == [0, 1, 1] and found.dtype == np.int64


def test_truth_values_are_no_indices():
    with pytest.raises(NasbookError):
        checks.indices(np.array([True, False]), 2, "observation")


def test_rows_that_miss_one_by_rounding_are_divided_by_their_sum():
    row = checks.rows([0.5, 0.5 + 9e-9], "prior")
    assert abs(row.sum() - 1) < 1e-15 and not row.flags.writeable
    exact = [0.7, 0.2, 0.1]
    assert checks.rows(exact, "prior").tolist() == exact


def test_fractions_are_numbers():
    third = Fraction(1, 3)
    assert checks.rows([third, 2 * third], "prior").tolist() == [1 / 3, 2 / 3]
