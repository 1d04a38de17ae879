"""Hyperband: successive halving with few arms and much training, many arms and little, and all that lies between.

Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization", JMLR 2018, arXiv 1603.06560, Algorithm 1. How many arms halving should begin with depends on how soon
good and bad can be told apart, which nobody knows; so Hyperband spends the same on each choice.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from nasbook.searchers.successive_halving import HalvingConfig, halve, ladder
from nasbook.trials.interface import Evaluator
from nasbook.trials.running import Trial


class Config(HalvingConfig):
    """``eta`` is the paper's 3; ``evaluations``, 206, are all brackets with R = 81 once."""

    evaluations: int = Field(206, gt=0)
    eta: int = Field(3, ge=2)


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"evaluations": 100, "eta": 2},
    "lesson": {"evaluations": 1000, "eta": 2},
    "paper": {},
}
"""With eta = 2 the rungs are the epochs of cellbench, 1, 2, 4, 8 and 16; all brackets are then 72 evaluations."""


def check(evaluator: Evaluator, config: Config) -> None:
    """Raise NasbookError unless ``evaluator`` offers the rungs."""
    ladder(evaluator, config)


def search(trial: Trial) -> None:
    """Algorithm 1, again and again until the budget is spent:

        for s = s_max, ..., 0:  halve n_s random architectures, from R eta^-s epochs to R

    What is found is, as there, the best score of all, after however many epochs. The trace has each ``bracket``, s, at
    the number of evaluations with which it ended.
    """
    rungs = ladder(trial.ledger.evaluator, trial.config)
    while True:
        for bracket in reversed(range(len(rungs))):
            halve(trial, arms_of(bracket, len(rungs) - 1, trial.config.eta), rungs[-1 - bracket :])
            trial.note(bracket=bracket)


def arms_of(bracket: int, most: int, eta: int) -> int:
    """How many arms ``bracket`` s of s_max = ``most`` begins with:

        n = ceil((B / R) eta^s / (s + 1)),  B = (s_max + 1) R

    B is the budget of each bracket, in epochs.
    """
    return -((most + 1) * eta**bracket // -(bracket + 1))
