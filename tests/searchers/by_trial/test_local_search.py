"""Local search on spaces whose optima are known: the path, what is evaluated, and where it ends."""

import numpy as np
import pytest

from nasbook import trials
from nasbook.searchers import local_search, random_search
from nasbook.spaces.tokens import Product, neighbours, size
from nasbook.trials.evaluators import Function

GRID = Product((("0", "1", "2"), ("0", "1", "2")))
HEIGHTS = {"00": 0.1, "01": 0.2, "02": 0.9,
           "10": 0.3, "11": 0.4, "12": 0.5,
           "20": 0.8, "21": 0.3, "22": 0.6}  # fmt: skip
"""Two optima: 02, and 20, from which every single change leads down."""


def height(architecture):
    return HEIGHTS["".join(architecture)]


def climb(monkeypatch, start, heights=height, space=GRID, **settings):
    """The first climb, from ``start``: the trial as it ended, with as many evaluations as the climb took."""
    monkeypatch.setattr(local_search, "unseen", lambda trial, known: None if known else start)
    return trials.play("local_search", space=space, evaluator=Function(heights), evaluations=100, **settings)[0]


def names(trial):
    return ["".join(architecture) for architecture in trial.ledger.architectures]


@pytest.fixture
def fewer_tries(monkeypatch):
    monkeypatch.setattr(random_search, "TRIES", 2000)


def test_a_climb_by_hand(monkeypatch):
    """From 11, neighbours 01 21 10 12: up to 12; its new neighbours 02 22: up to 02; its new neighbour 00: the top."""
    trial = climb(monkeypatch, (1, 1))
    assert names(trial) == ["11", "01", "21", "10", "12", "02", "22", "00"]
    assert trial.record.rows == [[8, "search", "local_optimum", 0.9]]


def test_the_other_optimum_holds_a_climb_that_begins_near_it(monkeypatch):
    """From 00, neighbours 10 20 01 02: 02 is the highest. From 21: 20 is, and nothing around it is higher."""
    assert names(climb(monkeypatch, (0, 0))) == ["00", "10", "20", "01", "02", "12", "22"]
    trial = climb(monkeypatch, (2, 1), lambda one: height(one) - 0.5 * (one == ("2", "2")) * height(one))
    assert names(trial) == ["21", "01", "11", "20", "22", "00", "10"]
    assert trial.ledger.best.architecture == "('2', '0')"
    assert trial.record.rows == [[7, "search", "local_optimum", 0.8]]


def test_an_equal_neighbour_is_no_way_up(monkeypatch):
    trial = climb(monkeypatch, (1, 1), lambda architecture: 0.5)
    assert names(trial) == ["11", "01", "21", "10", "12"]


def test_of_equal_neighbours_the_first_is_taken(monkeypatch):
    trial = climb(monkeypatch, (1, 1), lambda one: 0.5 if one == ("1", "1") else 0.7)
    assert names(trial)[5:] == ["00", "02"], "it moved to 01"


def test_a_start_without_neighbours_is_its_own_optimum(monkeypatch, fewer_tries):
    trial, found = trials.play("local_search", space=Product((("a",),)), evaluator=Function(len), evaluations=9)
    assert len(trial.ledger.rows) == 1 and found.order == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_small_space_is_seen_once_in_full_and_then_the_search_ends(seed, fewer_tries):
    trial, found = trials.play("local_search", space=GRID, evaluator=Function(height), evaluations=100, seed=seed)
    assert sorted(names(trial)) == sorted(HEIGHTS) and found.score == 0.9


def test_each_restart_is_random_and_new_and_each_end_a_local_optimum():
    """200 random heights: after the neighbours of the last optimum comes one that was not evaluated, anywhere."""
    rng = np.random.default_rng(0)
    space = Product((tuple("abcd"),) * 5)
    heights = rng.random((4,) * 5)
    truth = Function(lambda architecture: heights[space.encode(architecture)], "heights")
    starts = []
    for seed in range(20):
        trial, _ = trials.play("local_search", space=space, evaluator=truth, evaluations=300, seed=seed)
        ends = [(step, value) for step, _, name, value in trial.record.rows if name == "local_optimum"]
        rows = [space.encode(one) for one in trial.ledger.architectures]
        assert len(set(rows)) == 300 and len(ends) > 3
        for step, value in ends:
            place = next(place for place in rows[:step] if heights[place] == value)
            around = neighbours(space, place)
            assert set(around) <= set(rows[:step]) and max(heights[one] for one in around) < value
        starts += [rows[0]] + [rows[step] for step, _ in ends if step < 300]
    counts = np.bincount(np.array(starts)[:, 0], minlength=4)
    assert counts.min() > len(starts) / 8, "the first decision of a start is anything"


def test_the_published_neighbourhood_has_24_cells():
    from nasbook.spaces.edges.cells import EdgeSpace

    assert len(neighbours(EdgeSpace(), (0,) * 6)) == 24 and size(EdgeSpace()) == 15_625
