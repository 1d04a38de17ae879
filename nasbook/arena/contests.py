"""Searches against each other on a table of truth: the same seeds, the same budget, scores that are more or less noisy.

``prepare`` lets every entrant search with every seed under every noise and keeps the regrets; ``standings`` compares
them at a smaller budget or with fewer seeds, as if no more had been run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, floor, log2
from statistics import NormalDist
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nasbook import trials
from nasbook.analysis.intervals import Summary, summarize
from nasbook.analysis.measures import EXACT, Paired, holm, paired, regret
from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.spaces.edges.growing import GrowingCells
from nasbook.trials.evaluators import DRAWN, Lookup

if TYPE_CHECKING:
    from nasbook.trials.tables import Table

NOISES: Mapping[str, Mapping[str, Any]] = {
    "one training": {"split": "valid", "seed": DRAWN},
    "the mean over trainings": {"split": "valid", "seed": None},
    "the truth": {"split": "test", "seed": None},
}
"""What a search sees of an architecture, as settings of a ``Lookup`` (``nb.evaluators``): the held-out accuracy of
one training, drawn anew each time; its mean over the table's trainings; or what it is judged by, the mean on the test
images."""

LEVEL = 0.05
"""A method is called better or worse than another where its p-value, after correction, is below."""

POWER = 0.8
"""The chance with which :func:`seeds_needed` wants a difference to be shown."""


class Entrant(NamedTuple):
    """A search that takes part: a ``method`` for :func:`nasbook.trials.play` and its ``settings``.

    ``grows``: it searches the cells of the table as they grow node by node (``nasbook.spaces.edges.growing``).
    """

    method: str | trials.TrialMethod
    settings: Mapping[str, Any] = {}
    grows: bool = False


RANDOM = "random search"
PROGRESSIVE = {"predictor": "mlp", "beam": 1000}
"""A growing search for any budget: a beam is evaluated best first, and one wider than the budget is cut there."""

ENTRANTS: Mapping[str, Entrant] = {
    RANDOM: Entrant("random_search"),
    "evolution": Entrant("evolution"),
    "NAS with RL": Entrant("nas_rl"),
    "PNAS": Entrant("pnas", PROGRESSIVE, grows=True),
}


@dataclass(frozen=True)
class Contest:
    """What was run: ``regrets`` (noise, method) to (seeds, budget), after each evaluation what a search still lacked.

    Row i belongs to ``seeds[i]`` for every method. ``truth``: every architecture's true value by its name; ``optimum``
    the best of them. A search that ended before the budget keeps its last regret.
    """

    seeds: tuple[int, ...]
    budget: int
    truth: Mapping[str, float]
    optimum: float
    regrets: Mapping[tuple[str, str], np.ndarray]

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of who took part, in their order."""
        return tuple(dict.fromkeys(method for _, method in self.regrets))

    @cached_property
    def highest(self) -> float:
        """The largest regret of all."""
        return max(float(values.max()) for values in self.regrets.values())

    def joined(self, name: str, evaluations: pd.DataFrame | Mapping[str, pd.DataFrame]) -> Contest:
        """The contest with one more method, whose ``evaluations`` were made elsewhere.

        They are tables as from :func:`nasbook.trials.repeat` (columns method, seed, order, architecture, score,
        seconds, failure), one for each of ``NOISES``, or one for all if the noise of this table is not what the
        method sees. A method that searches the table itself joins by :func:`entered`.
        Raises NasbookError for a name that is taken, a noise or a seed that is missing, and an unknown architecture.
        """
        if name in self.methods:
            raise NasbookError(f"{name} takes part already")
        tables = dict.fromkeys(NOISES, evaluations) if isinstance(evaluations, pd.DataFrame) else dict(evaluations)
        for noise in NOISES:
            if noise not in tables:
                raise NasbookError(f"{name} brings no evaluations that show {noise}")
        found = {(noise, name): self._regrets(name, tables[noise]) for noise in NOISES}
        return replace(self, regrets={**self.regrets, **found})

    def _regrets(self, name: str, evaluations: pd.DataFrame) -> np.ndarray:
        curves = regret(evaluations.assign(method=name), self.truth, self.optimum)
        values = np.empty((len(self.seeds), self.budget))
        for row, seed in enumerate(self.seeds):
            one = curves.loc[curves["seed"] == seed, "regret"].to_numpy()[: self.budget]
            if not len(one):
                raise NasbookError(f"{name} brings no evaluations with seed {seed}")
            values[row] = np.pad(one, (0, self.budget - len(one)), mode="edge")
        values.flags.writeable = False
        return values


class Standing(NamedTuple):
    """A method in the comparison: ``finals`` (n,) regrets, their ``regret`` summarised, and the method ``against``
    another on the same seeds: ``gap``, the mean of its regret minus the other's with interval; ``test`` of it; ``p``
    and ``needed`` seeds (:func:`seeds_needed`), corrected for all comparisons that are made.

    None is what cannot be said: with one seed, about the other method itself, or without it.
    """

    method: str
    against: str
    finals: np.ndarray
    regret: Summary | None
    gap: Summary | None = None
    test: Paired | None = None
    p: float | None = None
    needed: int | None = None

    @property
    def verdict(self) -> str:
        """Better, worse, or not shown; empty where nothing was compared."""
        if self.p is None:
            return ""
        return "not shown" if self.p >= LEVEL else "better" if self.test.difference < 0 else "worse"

    @property
    def p_text(self) -> str:
        """Three places of p, or that it is smaller; empty where nothing was compared."""
        if self.p is None:
            return ""
        return f"{self.p:.3f}" if self.p >= 0.001 else "< 0.001"

    def __str__(self) -> str:
        """The comparison in words, with the seeds it would take; the regret where nothing was compared."""
        if self.test is None:
            return f"{self.method}: regret {self.regret or f'{self.finals[0]:.1%} (one seed, no interval)'}"
        verdict = "no difference shown" if self.verdict == "not shown" else self.verdict
        needed = "" if self.needed is None else f"; about {self.needed} seeds would show such a difference"
        gap = f"{self.gap.mean:+.2%} ({self.gap.low:+.2%} to {self.gap.high:+.2%})"
        return (
            f"{self.method} against {self.against}: {gap}, lower in {self.test.lower} of {self.test.n} seeds, "
            f"p {self.p_text} (Holm): {verdict}{needed}"
        )


def prepare(
    table: Table,
    *,
    seeds: Iterable[int] = range(20),
    budget: int = 100,
    entrants: Mapping[str, Entrant] = ENTRANTS,
) -> Contest:
    """Let every one of ``entrants`` (by name) search ``table`` with every seed, ``budget`` evaluations, every noise.

    Raises NasbookError for more than ``nasbook.analysis.measures.EXACT`` seeds or a seed that is there twice.
    """
    given = tuple(seeds)
    if not 1 <= len(given) <= EXACT or len(set(given)) < len(given):
        raise NasbookError(f"{len(given)} seeds: a contest takes 1 to {EXACT} different ones")
    checks.whole(budget, "budget", 1)
    judged = Lookup(table, **NOISES["the truth"])
    truth = {str(architecture): judged.judge(architecture, 0).score for architecture in table.space}
    contest = Contest(given, budget, truth, max(truth.values()), {})
    for name, entrant in entrants.items():
        contest = entered(contest, table, name, entrant)
    return contest


def entered(contest: Contest, table: Table, name: str, entrant: Entrant) -> Contest:
    """The contest with one more entrant, who has searched ``table`` with the seeds and the budget of the others."""
    space = GrowingCells(table.space) if entrant.grows else table.space
    task = {"space": space, "evaluations": contest.budget, "seeds": contest.seeds, **entrant.settings}
    shown = {noise: Lookup(table, **settings) for noise, settings in NOISES.items()}
    found = {noise: trials.repeat(entrant.method, evaluator=seen, **task) for noise, seen in shown.items()}
    return contest.joined(name, found)


def in_order(orders: Mapping[int, Sequence[str]]) -> Entrant:
    """A method that evaluates, for each seed, the architectures of ``orders`` one after the other.

    So ENAS takes part: shared weights have put all cells in an order, in which they are then trained. What it cost to
    find the order is not in the budget, and is for the reader to be told. Searching with a seed that is not in
    ``orders`` raises NasbookError.
    """

    def search(trial: trials.Trial) -> None:
        if trial.config.seed not in orders:
            raise NasbookError(
                f"there is no order for seed {trial.config.seed}, only for {', '.join(map(str, orders))}"
            )
        trial.evaluate(list(orders[trial.config.seed]))

    return Entrant(
        SimpleNamespace(Config=trials.TrialConfig, PROFILES={"smoke": {}}, search=search, __name__="in_order")
    )


def standings(
    contest: Contest,
    noise: str,
    methods: Collection[str],
    *,
    budget: int | None = None,
    seeds: int | None = None,
    against: str = RANDOM,
) -> list[Standing]:
    """``methods`` after ``budget`` evaluations with the first ``seeds`` seeds (None: all), in the contest's order.

    Each is compared with ``against``, if that is among them; Holm's correction is for these comparisons. Raises
    NasbookError for an unknown method or noise, and for a budget or a number of seeds that was not run.
    """
    one_of(noise, NOISES, "noise")
    budget = _within(contest.budget if budget is None else budget, contest.budget, "budget")
    seeds = _within(len(contest.seeds) if seeds is None else seeds, len(contest.seeds), "seeds")
    chosen = {one_of(method, contest.methods, "method") for method in methods}
    names = [method for method in contest.methods if method in chosen]
    finals = {method: contest.regrets[noise, method][:seeds, budget - 1] for method in names}  # (n,) each
    rivals = [method for method in names if method != against] if seeds > 1 and against in names else []
    tests = {method: paired(finals[method], finals[against]) for method in rivals}
    adjusted = holm({method: test.p for method, test in tests.items()})
    found = []
    for method in names:
        standing = Standing(method, against, finals[method], summarize(finals[method]) if seeds > 1 else None)
        if method in tests:
            gaps = finals[method] - finals[against]
            compared = {"gap": summarize(gaps), "test": tests[method], "p": adjusted[method]}
            standing = standing._replace(**compared, needed=seeds_needed(gaps, len(tests)))
        found.append(standing)
    return found


def fewest_seeds(comparisons: int = 1) -> int:
    """With fewer no permutation test comes below ``LEVEL``: the least it can say is 2 / 2**n, times ``comparisons``."""
    return floor(log2(2 * checks.whole(comparisons, "comparisons", 1) / LEVEL)) + 1


def seeds_needed(differences: Iterable[float], comparisons: int = 1) -> int | None:
    """How many seeds would show a difference like this at ``LEVEL / comparisons``, in four of five repetitions.

    The share of the level is what Holm's correction leaves to the smallest of so many p-values. If mean d and standard
    deviation s over seeds were as seen, normal quantiles give ((z + .84) s / d)**2 with z = 1.96 for one comparison and
    2.58 for five; the test asks for :func:`fewest_seeds`. None where the mean is 0.
    """
    least, seen = fewest_seeds(comparisons), summarize(tuple(differences))
    if not seen.mean:
        return None
    normal = NormalDist()
    quantiles = normal.inv_cdf(1 - LEVEL / comparisons / 2) + normal.inv_cdf(POWER)
    return max(least, ceil((quantiles * seen.deviation / seen.mean) ** 2))


def _within(value: int, most: int, what: str) -> int:
    if checks.whole(value, what, 1) > most:
        raise NasbookError(f"{what} is {value}, and the contest was run with {most}")
    return value
