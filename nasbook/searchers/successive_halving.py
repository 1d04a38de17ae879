"""Successive halving: many architectures are trained a little, the better ones longer, the best in full.

Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016, arXiv
1502.07943, with the budgets of Li et al., "Hyperband", JMLR 2018, arXiv 1603.06560, Algorithm 1, whose inner loop it
is: rung i trains for r eta^i epochs in all. (The older paper divides one budget evenly among the rungs, which leads to
1, 3, 7, 15, ... times the first; a table of truth has powers.)
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from nasbook.analysis.measures import best_places
from nasbook.base.errors import NasbookError
from nasbook.spaces.tokens import random_tokens
from nasbook.trials.interface import Evaluator, check_fidelity, fidelities_of, in_words
from nasbook.trials.running import Trial, TrialConfig


class HalvingConfig(TrialConfig):
    """``epochs`` R of the last rung (None: the most that the evaluator offers); one in ``eta`` goes on to the next.

    ``evaluations`` counts scores, after however many epochs; ``seconds`` is the budget in which they weigh what they
    cost.
    """

    eta: int = Field(2, ge=2)
    epochs: int | None = Field(None, gt=0)


class Config(HalvingConfig):
    """``arms`` n random architectures begin, and halving is repeated with others until the budget is spent.

    The rungs are as many as the arms allow, floor(log_eta n) + 1, and at most as many as the evaluator offers. All
    settings are ours but ``eta`` 2, the paper's.
    """

    arms: int = Field(64, gt=1, le=10_000)

    @model_validator(mode="after")
    def _halves(self) -> Self:
        if self.arms < self.eta:
            raise ValueError(f"of {self.arms} arms no one in {self.eta} can go on: arms must be at least eta")
        return self


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"evaluations": 100, "arms": 16},
    "lesson": {},
    "paper": {},
}
"""16 arms fill the five rungs of cellbench, 1 to 16 epochs, with 31 evaluations."""


def check(evaluator: Evaluator, config: HalvingConfig) -> None:
    """Raise NasbookError unless ``evaluator`` offers the rungs."""
    ladder(evaluator, config)


def search(trial: Trial) -> None:
    """Halve fresh arms again and again; what is found is the best score of all, after however many epochs."""
    config = trial.config
    rungs = ladder(trial.ledger.evaluator, config)
    while True:
        halve(trial, config.arms, rungs[-rungs_of(config.arms, config.eta) :])


def rungs_of(arms: int, eta: int) -> int:
    """floor(log_eta arms) + 1: how often ``arms`` can be divided until one is left, and once more."""
    return 1 + next(power for power in range(arms) if eta ** (power + 1) > arms)


def ladder(evaluator: Evaluator, config: HalvingConfig) -> tuple[int, ...]:
    """The epochs of all rungs, ascending: R eta^-s for s = s_max, ..., 0, each rounded down to what is offered.

        s_max = floor(log_eta(R / r)),  r the fewest epochs that the evaluator offers

    Algorithm 1 measures R in units of r. Raises NasbookError for an evaluator without fidelities, an R that it does
    not offer, one rung alone, and where two rungs would be rounded to the same epochs.
    """
    offered, eta = fidelities_of(evaluator), config.eta
    most = check_fidelity(evaluator, config.epochs or offered[-1])
    powers = [eta**s for s in reversed(range(rungs_of(most // offered[0], eta)))]
    rungs = tuple(max(count for count in offered if count * power <= most) for power in powers)
    if len(rungs) == 1:
        alone = f"with eta={eta} the rung of {most} epochs is the only one"
        raise NasbookError(f"{alone}, and nothing is halved: {in_words(offered)}")
    if len(set(rungs)) < len(rungs):
        asked = ", ".join(f"{most / power:.4g}" for power in powers)
        raise NasbookError(f"eta={eta} asks for {asked} epochs and {in_words(offered)}: choose a larger eta")
    return rungs


def halve(trial: Trial, arms: int, rungs: Sequence[int]) -> None:
    """Train ``arms`` n random architectures for ``rungs[0]`` epochs, the best of them for ``rungs[1]``, and so on:

        n_i = floor(n eta^-i),  L = scores of T after r eta^i epochs,  T <- the floor(n_i / eta) best of T

    The trainings of a rung go on from those of the rung before, with their seeds. The trace has, for each evaluation,
    its ``epochs`` and its ``arm``: the number of the evaluation in which its training began.
    """
    ledger, before = trial.ledger, 0
    chosen = [trial.space.decode(random_tokens(trial.space, trial.rng)) for _ in range(arms)]
    born = list(range(len(ledger.rows), len(ledger.rows) + arms))
    for epochs in rungs:
        for step, arm in enumerate(born, len(ledger.rows) + 1):
            trial.record.add(step, "search", epochs=epochs, arm=arm)
        scores = ledger.evaluate(chosen, evaluator=ledger.evaluator.at(epochs, before), orders=born)  # (n_i,)
        kept = best_places(scores, len(chosen) // trial.config.eta)
        chosen, born, before = [chosen[place] for place in kept], [born[place] for place in kept], epochs
