"""Progressive search: the beam, its extremes against enumeration, refitting, failures of predictors, resuming."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from tables import TinyTable

import nasbook as nb
from nasbook import trials
from nasbook.analysis.measures import spearman
from nasbook.searchers import pnas
from nasbook.spaces.blocks import pnas_cells
from nasbook.spaces.blocks.pnas_cells import PnasCells
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EdgeSpace
from nasbook.spaces.edges.growing import GrowingCells, grown
from nasbook.spaces.edges.isomorphism import canonical_form
from nasbook.trials.evaluators import Function, Lookup, Training

SPACE = PnasCells(2, ("sep_conv_3x3", "max_pool_3x3", "skip_connect"))
CELLS = GrowingCells(EdgeSpace(CELLBENCH_OPERATIONS))
QUICK = {"units": 6, "steps": 10, "beam": 5}


def truth(cell):
    """A value from 0 to 1 that has nothing to do with the cell's parts, so that no level tells of the next."""
    return np.random.default_rng(list(str(cell).encode())).random()


def with_predictor(learn):
    """PNAS with a predictor of the test's own."""
    return SimpleNamespace(Config=pnas.Config, PROFILES=pnas.PROFILES, search=lambda trial: pnas.grow(trial, learn))


def perfect(cells, scores, level):
    return lambda candidates: np.array([truth(cell) for cell in candidates])


def play(method="pnas", space=SPACE, evaluator=None, **settings):
    return trials.play(method, space=space, evaluator=evaluator or Function(truth, "truth"), **QUICK | settings)


def notes(trial, name):
    return [value for _, _, key, value in trial.record.rows if key == name]


@pytest.mark.parametrize("beam", [1, 5, 10_000])
def test_with_a_perfect_predictor_it_finds_the_optimum_of_a_two_block_table(beam):
    """All 21 first blocks are extended, so even the best prediction alone is the optimum."""
    trial, found = play(with_predictor(perfect), beam=beam, evaluations=10_000)
    every = grown(SPACE, SPACE.first(), 1)
    assert found.architecture == str(max(every, key=truth))
    assert len(trial.ledger.rows) == 21 + min(beam, len(every))


def test_with_a_wrong_predictor_a_beam_as_wide_as_the_level_still_finds_it():
    def wrong(cells, scores, level):
        return lambda candidates: -np.array([truth(cell) for cell in candidates])

    every = grown(SPACE, SPACE.first(), 1)
    _, found = play(with_predictor(wrong), beam=len(every), evaluations=10_000)
    assert found.score == max(map(truth, every))
    _, found = play(with_predictor(wrong), beam=1, evaluations=10_000)
    assert found.score == min(map(truth, every))


def test_a_beam_of_one_is_greedy():
    """From the second level on there is one cell, the best extension of the one before, of all first blocks' before."""
    space = PnasCells(4, ("sep_conv_3x3", "skip_connect"))
    trial, found = play(with_predictor(perfect), space=space, beam=1)
    greedy = max(grown(space, space.first(), 1), key=truth)
    path = [greedy]
    for level in (2, 3):
        greedy = max(space.extensions(greedy, level), key=truth)
        path.append(greedy)
    assert trial.ledger.architectures == [*space.first(), *path] and found.architecture == str(greedy)


def test_a_beam_of_one_can_miss_what_a_wider_one_finds():
    space = PnasCells(3, ("skip_connect",))
    optimum = max(map(truth, grown(space, grown(space, space.first(), 1), 2)))
    narrow, wide = (play(with_predictor(perfect), space=space, beam=beam)[1].score for beam in (1, 100))
    assert narrow < wide == optimum


@pytest.mark.parametrize("space", [SPACE, PnasCells(4, ("skip_connect", "sep_conv_3x3"))])
@pytest.mark.parametrize("predictor", ["lstm", "mlp"])
def test_no_cell_is_evaluated_twice_and_every_level_extends_the_one_before(space, predictor):
    trial, found = play(space=space, predictor=predictor)
    cells = trial.ledger.architectures
    assert len(set(cells)) == len(cells)
    levels = [[cell for cell in cells if len(cell.blocks) == size] for size in range(1, space.blocks + 1)]
    assert levels[0] == space.first() and [len(level) for level in levels[1:]] == [5] * (space.blocks - 1)
    for size, (smaller, larger) in enumerate(pairwise(levels), 1):
        assert set(larger) <= set(grown(space, smaller, size))
    assert found.score == max(truth(cell) for cell in levels[-1])
    assert notes(trial, "kept") == list(map(len, levels))
    assert notes(trial, "candidates")[1:] == [
        len(grown(space, smaller, size)) for size, smaller in enumerate(levels[:-1], 1)
    ]


def test_it_returns_the_best_of_the_last_level_even_if_a_smaller_cell_was_better():
    def smaller_is_better(cell):
        return 1 / len(cell.blocks) - 0.1 * truth(cell)

    trial, found = play(evaluator=Function(smaller_is_better))
    assert found.score < 0.5 < trial.ledger.best.score


def test_the_predictor_is_fitted_anew_to_all_that_is_known():
    asked = []

    def learn(cells, scores, level):
        asked.append((level, list(cells), list(scores)))
        return perfect(cells, scores, level)

    trial, _ = play(with_predictor(learn), space=PnasCells(3, ("skip_connect", "sep_conv_3x3")))
    cells = trial.ledger.architectures
    assert [(level, len(known)) for level, known, _ in asked] == [(1, 10), (2, 15)]
    for _, known, scores in asked:
        assert known == cells[: len(known)] and scores == [truth(cell) for cell in known]


def test_rankings_are_of_the_cells_that_were_chosen_before_anybody_knew():
    """Of the next size: predictions of the beam against its scores. A perfect predictor ranks it perfectly."""
    space = PnasCells(3, ("skip_connect", "sep_conv_3x3"))
    trial, _ = play(with_predictor(perfect), space=space)
    assert notes(trial, "spearman_next_size") == pytest.approx([1.0, 1.0])

    def reverse(cells, scores, level):
        return lambda candidates: -perfect(cells, scores, level)(candidates)

    trial, _ = play(with_predictor(reverse), space=space)
    assert notes(trial, "spearman_next_size") == pytest.approx([-1.0, -1.0])


def test_rankings_of_the_same_size_are_of_members_that_did_not_see_the_cell(monkeypatch):
    fits, fit = [], pnas.Ensemble

    def watched(sentences, scores, **settings):
        fits.append((fit(sentences, scores, **settings), sentences, scores))
        return fits[-1][0]

    monkeypatch.setattr(pnas, "Ensemble", watched)
    trial, _ = play(space=PnasCells(3, ("skip_connect", "sep_conv_3x3")), steps=40)
    expected = [spearman(one.held_out(sentences), scores) for one, sentences, scores in fits]
    assert notes(trial, "spearman_same_size") == expected and len(expected) == 2


def test_the_rate_is_lower_from_the_second_fit_on(monkeypatch):
    rates = []
    fit = pnas.Ensemble

    def watched(*args, **settings):
        rates.append((settings["learning_rate"], settings["steps"], settings["kind"], settings["members"]))
        return fit(*args, **settings)

    monkeypatch.setattr(pnas, "Ensemble", watched)
    play(space=PnasCells(3, ("skip_connect",)), profile="paper", predictor="mlp", beam=3)
    assert rates == [(0.01, 10, "mlp", 5), (0.002, 10, "mlp", 5)]


def test_the_published_settings():
    config = pnas.Config.make(pnas.PROFILES["paper"])
    assert (config.beam, config.units, config.members, config.predictor) == (256, 100, 5, "lstm")
    assert (config.learning_rate, config.later_rate, config.evaluations) == (0.01, 0.002, 136 + 4 * 256)


def test_the_best_places_are_the_largest_and_the_first_of_equals():
    assert pnas.best_places(np.array([0.2, 0.9, 0.5, 0.9]), 3) == [1, 3, 2]
    assert pnas.best_places(np.array([0.2, 0.9]), 9) == [1, 0]


def test_it_learns_in_a_space_whose_blocks_add_up():
    worth = {"sep_conv_3x3": 0.9, "max_pool_3x3": 0.6, "skip_connect": 0.4}

    def mean(cell):
        return np.mean([worth[name] - 0.05 * source for block in cell.blocks for name, source in block])

    space = PnasCells(3, tuple(worth))
    trial, found = play(space=space, evaluator=Function(mean), units=16, steps=150, later_rate=0.01, beam=10)
    optimum = max(map(mean, grown(space, grown(space, space.first(), 1)[:400], 2)))
    assert found.score > 0.98 * optimum
    assert min(notes(trial, "spearman_same_size")) > 0.6 and notes(trial, "predictor_error")[-1] < 0.03


def test_the_budget_ends_it_in_the_middle_of_a_level():
    trial, found = play(evaluations=23)
    assert len(trial.ledger.rows) == 23 and found == trial.ledger.best


# --- a table, node by node


class StringTable(TinyTable):
    """A table over the 729 strings: cells that are the same up to naming have one accuracy, with noise by seed."""

    def __init__(self):
        super().__init__()
        self.space = EdgeSpace(CELLBENCH_OPERATIONS)

    def accuracy(self, architecture, split, epochs=None, seed=None):
        form = canonical_form(architecture)
        names = [name for name, _ in form.operations]
        spread = np.random.default_rng(len(names) + 7 * len(form.output)).random()
        return 0.3 + 0.1 * len(names) + 0.02 * spread + 0.001 * (seed or 8)

    def seconds(self, architecture, epochs=None):
        return 1.0


def test_on_a_table_a_wide_beam_finds_the_best_string():
    table = StringTable()
    settings = {"space": CELLS, "evaluator": Lookup(table, seed=None)}
    trial, found = play(beam=729, evaluations=729, **settings)
    assert found.score == pytest.approx(table.best("valid").accuracy)
    assert {canonical_form(cell) for cell in trial.ledger.architectures} == {
        canonical_form(cell) for cell in table.space
    }
    assert notes(trial, "candidates") == [3, 18, 132]
    trial, found = play(beam=6, units=12, steps=80, **settings)
    assert len(trial.ledger.rows) <= 3 + 6 + 6 and found.score > np.median(table.scores("valid"))


def test_a_cell_that_grew_by_nothing_is_not_evaluated_again():
    """The two-node cell (a, hand on) is the one-node cell a: its score is known."""
    trial, _ = play(space=CELLS, evaluator=Lookup(StringTable(), seed=None), beam=729, evaluations=729)
    names = [row.architecture for row in trial.ledger.rows]
    assert len(set(names)) == len(names) < 3 + 18 + 132


def test_a_space_that_does_not_grow_is_refused():
    with pytest.raises(nb.NasbookError, match="PNAS needs one that grows"):
        play(space=EdgeSpace(CELLBENCH_OPERATIONS), evaluator=Lookup(StringTable()))


# --- resuming


class Stop(BaseException):
    pass


@pytest.mark.parametrize("stop", [0, 1, 20, 21, 22, 30])
def test_a_search_stopped_at_an_evaluation_continues_bit_for_bit(tmp_path, stop):
    asked, left = [], [10**9]

    def watched(cell):
        asked.append(cell)
        if left[0] == 0:
            raise Stop
        left[0] -= 1
        return truth(cell)

    def run(folder, seed=1):
        settings = {**QUICK, "beam": 10, "seed": seed, "out": folder}
        return trials.run("pnas", space=SPACE, evaluator=Function(watched, "truth"), **settings)

    whole = run(tmp_path / "whole")
    left[0] = stop
    with pytest.raises(Stop):
        run(tmp_path / "broken")
    left[0], asked[:] = 10**9, []
    again = run(tmp_path / "broken")
    assert len(asked) == 31 - stop
    assert whole.evaluations.equals(again.evaluations) and whole.trace.equals(again.trace)
    assert whole.found == again.found
    other = run(tmp_path / "other", seed=2)
    assert not other.trace.equals(whole.trace)


def test_with_real_training(tmp_path):
    """Three one-block cells and two of two blocks, each a network that is trained for an epoch."""
    data = nb.datasets.load("digits")
    build = pnas_cells.network
    evaluator = Training(build, data=data, epochs=1, padding=1, threads=1, batch_size=256)
    small = PnasCells(2, ("skip_connect",))
    trial, found = play(space=small, evaluator=evaluator, evaluations=5, beam=2, predictor="mlp")
    assert [len(cell.blocks) for cell in trial.ledger.architectures] == [1, 1, 1, 2, 2]
    assert not any(row.failure for row in trial.ledger.rows) and found.score > 0
