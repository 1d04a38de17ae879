"""Optuna's TPE by ask and tell: what it is told, what is repeatable, and that it says nothing."""

import builtins
import logging

import numpy as np
import optuna
import pytest

import nasbook as nb
from nasbook import trials
from nasbook.searchers import tpe
from nasbook.spaces.tokens import Genotypes, Product
from nasbook.trials.evaluators import Function
from nasbook.trials.interface import ChildFailed

SPACE = Product((tuple("abcd"),) * 4)


def matches(architecture):
    return sum(map(str.__eq__, architecture, "dbca")) / 4


def play(seed=0, space=SPACE, score=matches, **settings):
    return trials.play("tpe", space=space, evaluator=Function(score), seed=seed, **settings)[0]


def plain(space, seed, evaluations, startup, candidates):
    """The same search in Optuna's own words: objective and optimize()."""
    sampler = optuna.samplers.TPESampler(
        seed=int(np.random.default_rng(seed).integers(2**32)), n_startup_trials=startup, n_ei_candidates=candidates
    )
    study, asked = optuna.create_study(direction="maximize", sampler=sampler), []

    def objective(trial):
        choices = [trial.suggest_categorical(str(t), list(range(n))) for t, n in enumerate(space.choices)]
        asked.append(space.decode(choices))
        return matches(asked[-1])

    study.optimize(objective, n_trials=evaluations)
    return asked


@pytest.mark.parametrize("settings", [{"startup": 10, "candidates": 24}, {"startup": 4, "candidates": 3}])
def test_it_asks_what_optunas_own_loop_asks(settings):
    assert play(seed=3, evaluations=40, **settings).ledger.architectures == plain(SPACE, 3, 40, **settings)


def test_it_learns_what_random_search_does_not():
    """The mean score of the last 30 of 60 proposals, over 10 seeds: 1/4 is chance."""
    late = [[row.score for row in play(seed, evaluations=60).ledger.rows[30:]] for seed in range(10)]
    early = [[row.score for row in play(seed, evaluations=10).ledger.rows] for seed in range(10)]
    assert np.mean(late) > 0.5 and np.mean(early) < 0.4


def test_the_seed_decides():
    one, same, other = (play(seed, evaluations=25).ledger.architectures for seed in (1, 1, 2))
    assert one == same and one != other


def test_a_failed_child_is_told_as_0():
    def picky(architecture):
        if architecture[0] != "a":
            raise ChildFailed("not an a")
        return 0.5

    trial = play(score=picky, evaluations=80)
    tail = [architecture[0] for architecture in trial.ledger.architectures[40:]]
    assert tail.count("a") > 20 and any(row.failure for row in trial.ledger.rows)


def test_lists_that_are_no_architecture_cost_nothing():
    space = Genotypes(("skip_connect", "sep_conv_3x3"), nodes=2, distinct=True, reduction=False)
    trial = play(space=space, score=lambda genotype: 0.5, evaluations=30)
    assert len(trial.ledger.rows) == 30
    assert all(space.valid(space.encode(one)) for one in trial.ledger.architectures)


def test_a_space_of_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(tpe, "TRIES", 5)
    space = Product((("a", "b"),))
    object.__setattr__(space, "valid", lambda tokens: False)
    with pytest.raises(nb.NasbookError, match="5 lists that Optuna asked for held no architecture"):
        play(space=space, evaluations=3)


def test_decisions_without_a_choice_are_allowed():
    trial = play(space=Product((("a",), ("b", "c"))), score=lambda one: 0.1, evaluations=20)
    assert {one[0] for one in trial.ledger.architectures} == {"a"}


def test_optuna_says_nothing_and_speaks_again_afterwards():
    heard, before = [], optuna.logging.get_verbosity()
    ear = logging.Handler()
    ear.emit = heard.append
    logging.getLogger("optuna").addHandler(ear)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        play(evaluations=12)
        assert heard == []
        optuna.create_study()
        assert len(heard) == 1
    finally:
        optuna.logging.set_verbosity(before)
        logging.getLogger("optuna").removeHandler(ear)


def test_without_optuna_one_sentence_says_how_to_get_it(monkeypatch, tmp_path):
    original = builtins.__import__

    def refused(name, *rest):
        if name == "optuna":
            raise ImportError("No module named 'optuna'")
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refused)
    with pytest.raises(nb.NasbookError, match=r"tpe needs Optuna, which is not installed: .*pip install") as caught:
        nb.search("tpe", space=SPACE, evaluator=Function(matches), out=tmp_path / "run")
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()
