"""An optimiser from elsewhere drives the arena: Optuna, which asks itself for a cell and is told its score."""

import pytest

import nasbook as nb

optuna = pytest.importorskip("optuna", reason="Optuna is not installed; `pip install optuna` brings it")


def drive(arena):
    """Optuna's TPE until the budget is spent."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    while arena.remaining + arena.ahead:
        trial = study.ask()
        cell = [trial.suggest_categorical(f"edge {edge}", arena.space.operations) for edge in range(6)]
        study.tell(trial, arena.propose(cell))
    return study


def test_optuna_spends_the_budget_and_finds_what_the_arena_says():
    arena = nb.arena.open("nasbench201", budget=40)
    study = drive(arena)
    cell = [study.best_params[f"edge {edge}"] for edge in range(6)]
    assert len(study.trials) == arena.spent == 40 and study.best_value == arena.best.score
    assert arena.best.architecture == arena.space.decode([arena.space.operations.index(name) for name in cell])
    assert [trial.value for trial in study.trials] == arena.history["score"].tolist()


def test_optuna_that_begins_again_is_answered_from_the_journal(tmp_path):
    whole = drive(nb.arena.open("cellbench", budget=25, seed=3))
    with nb.arena.open("cellbench", budget=25, seed=3, out=tmp_path) as arena:
        for trial in whole.trials[:12]:
            arena.propose(list(trial.params.values()))
    again = drive(nb.arena.open("cellbench", budget=25, seed=3, out=tmp_path))
    assert [trial.value for trial in again.trials] == [trial.value for trial in whole.trials]
