"""Regularized evolution: a queue of architectures, in which a child of a good one replaces the oldest.

Real, Aggarwal, Huang & Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019, arXiv
1802.01548, Algorithm 1. A lucky evaluation cannot keep an architecture alive: it must win again through its children.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from nasbook.spaces.tokens import Tokens, mutate, random_tokens
from nasbook.trials.running import Trial, TrialConfig


class Config(TrialConfig):
    """The paper's settings.

    ``population`` P individuals live; of ``sample`` S drawn uniformly, with ``replacement`` as in Algorithm 1, the
    best becomes a parent; ``removed`` is who dies for its child. ``identity`` is the chance that a child is its
    parent unchanged. ``batch`` children are made before they are evaluated together; 1 is the sequential algorithm.
    """

    evaluations: int = Field(20_000, gt=0)
    population: int = Field(100, gt=1)
    sample: int = Field(25, gt=0)
    replacement: bool = True
    removed: Literal["oldest", "worst"] = "oldest"
    identity: float = Field(0.05, ge=0, lt=1)
    batch: int = Field(1, gt=0, le=10_000)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.replacement and self.sample > self.population:
            raise ValueError(
                f"a sample of {self.sample} without replacement needs a population of as many, not {self.population}"
            )
        return self


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"evaluations": 100, "population": 10, "sample": 3},
    "lesson": {"evaluations": 1000, "population": 50, "sample": 10},
    "paper": {},
}
"""The smoke population and sample are those of the evolution in NAS-Bench-201 (Dong & Yang, 2020, arXiv 2001.00326)."""


class Individual(NamedTuple):
    """One architecture alive: its token list, its score, and the number of its evaluation, from 0."""

    tokens: Tokens
    score: float
    born: int


def search(trial: Trial) -> None:
    """Fill the population at random, then replace one individual at a time until the budget is spent: Algorithm 1,

        child = mutate(argmax of S uniform draws from the population);  append(child);  remove(oldest)

    The trace has, for each evaluation after the first P, its ``parent``: the number of the parent's evaluation.
    """
    config = trial.config
    first = [random_tokens(trial.space, trial.rng) for _ in range(config.population)]
    scores = trial.evaluate_tokens(first)
    population = deque(map(Individual, first, scores, range(len(first))))
    while True:
        parents = [best_of_sample(population, config, trial.rng) for _ in range(config.batch)]
        children = [child_of(parent, trial) for parent in parents]
        born = len(trial.ledger.rows)
        for place, parent in enumerate(parents, born):
            trial.record.add(place + 1, "search", parent=parent.born)
        for place, (tokens, score) in enumerate(zip(children, trial.evaluate_tokens(children)), born):
            population.append(Individual(tokens, score, place))
            remove(population, config.removed)


def best_of_sample(population: Sequence[Individual], config: Config, rng: np.random.Generator) -> Individual:
    """The best of ``config.sample`` individuals drawn uniformly; the first drawn of equals."""
    drawn = rng.choice(len(population), size=config.sample, replace=config.replacement)  # (S,)
    return max((population[place] for place in drawn), key=lambda one: one.score)


def child_of(parent: Individual, trial: Trial) -> Tokens:
    """The parent with one token changed, or unchanged with the chance ``identity``."""
    unchanged = trial.rng.random() < trial.config.identity
    return parent.tokens if unchanged else mutate(trial.space, parent.tokens, trial.rng)


def remove(population: deque[Individual], removed: str) -> Individual:
    """Take out the oldest individual, or the worst (the oldest of equals), and return it."""
    if removed == "oldest":
        return population.popleft()
    worst = min(population, key=lambda one: one.score)
    population.remove(worst)
    return worst
