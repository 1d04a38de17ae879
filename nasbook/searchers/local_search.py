"""Local search: look at all neighbours of an architecture, move to the best, until none is better.

White, Nolen & Savani, "Exploring the Loss Landscape in Neural Architecture Search", UAI 2021, arXiv 2005.02960,
Algorithm 1. They find it as good as elaborate methods where scores have little noise. A neighbour has another
alternative in one decision.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from nasbook.searchers.random_search import unseen
from nasbook.spaces.tokens import Tokens, neighbours
from nasbook.trials.running import Trial, TrialConfig


class Config(TrialConfig):
    """Local search has no settings of its own. The budget, 300, is that of a few climbs in NAS-Bench-201, where an
    architecture has 24 neighbours."""

    evaluations: int = Field(300, gt=0)


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"evaluations": 100},
    "lesson": {"evaluations": 1000},
    "paper": {},
}


def search(trial: Trial) -> None:
    """Climb from a random architecture that was not evaluated yet, and again until the budget is spent.

    A score that is known is not asked for again; so a small space is seen in full, and the search then ends. The trace
    has the score of each ``local_optimum``, at the number of evaluations with which it was known to be one.
    """
    known: dict[Tokens, float] = {}
    while (start := unseen(trial, known)) is not None:
        trial.note(local_optimum=known[climb(trial, start, known)])


def climb(trial: Trial, start: Tokens, known: dict[Tokens, float]) -> Tokens:
    """The local optimum above ``start``; enters all new scores into ``known``.

        v_(i+1) = argmax of the score over N(v_i),  while score(v_(i+1)) > score(v_i)

    The first of equal neighbours is the best one, and an equal one is no way up.
    """
    here, around = None, [start]
    while (best := best_of(around, trial, known)) != here:
        here, around = best, [best, *neighbours(trial.space, best)]
    return here


def best_of(around: Sequence[Tokens], trial: Trial, known: dict[Tokens, float]) -> Tokens:
    """The one with the highest score, the first of equals; what is not ``known`` is evaluated and entered there."""
    new = [tokens for tokens in around if tokens not in known]
    known.update(zip(new, trial.evaluate_tokens(new).tolist(), strict=True))
    return max(around, key=known.__getitem__)
