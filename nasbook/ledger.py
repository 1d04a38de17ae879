"""What a search without a super-net spends: seeds, budget, failures, and a journal that survives a kill."""

from __future__ import annotations

import math
from builtins import map as one_by_one
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from nasbook.base import checks
from nasbook.errors import NasbookError
from nasbook.evaluators import ChildFailed, Evaluator, check_evaluator
from nasbook.runs.journal import Evaluation, Journal, as_table

Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""The seam through which all evaluations of one call go: ``mapper(function, jobs)`` gives the results in the order of
the jobs. The built-in ``map``, ``concurrent.futures.ProcessPoolExecutor().map``, ``multiprocessing.Pool().imap`` and
Ray's pool fit. Function and jobs can be pickled if the evaluator and the architectures can."""


LONGEST = 1000
"""How many characters of a failure's reason are kept."""


class BudgetSpent(NasbookError):
    """The budget of a search is spent, which is how most searches end."""


class Ledger:
    """The evaluations of one search, in order, within a budget, each with a seed of its own.

    ``evaluations`` and ``seconds`` are the budget (None: no limit); an evaluation that begins before the seconds are
    spent still counts. ``journal``: an entered :class:`nasbook.runs.journal.Journal`, whose evaluations are taken from
    there before new ones are made. ``report`` is called after each. ``.rows`` are the evaluations so far,
    ``.architectures`` what was evaluated, ``.seconds`` their sum. An architecture asked for again is evaluated again.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        seed: int = 0,
        evaluations: int | None = None,
        seconds: float | None = None,
        journal: Journal | None = None,
        mapper: Mapper = one_by_one,
        report: Callable[[Evaluation], None] = lambda row: None,
    ) -> None:
        if not callable(mapper):
            raise NasbookError(f"mapper is {mapper!r}; it must be a function like the built-in map")
        self.evaluator, self.seed = check_evaluator(evaluator), checks.whole(seed, "seed")
        self.limit = None if evaluations is None else checks.whole(evaluations, "evaluations", 1)
        self.seconds_limit = math.inf if seconds is None else checks.positive(seconds, "seconds")
        self.rows: list[Evaluation] = []
        self.architectures: list[Hashable] = []
        self.seconds = 0.0
        self._journal, self._mapper, self.report = journal, mapper, report
        self._known = list(journal.rows) if journal else []

    @property
    def left(self) -> float:
        """How many evaluations the budget still pays, infinity without a limit; 0 when the seconds are spent."""
        if self.seconds >= self.seconds_limit:
            return 0
        return math.inf if self.limit is None else self.limit - len(self.rows)

    @property
    def best(self) -> Evaluation:
        """The evaluation with the highest score, the first of equals; failures count only if there is nothing else.

        Raises NasbookError before the first.
        """
        if not self.rows:
            raise NasbookError("nothing is evaluated yet, so there is no best architecture")
        return max(self.rows, key=lambda row: (row.score, not row.failure))

    def evaluate(self, architectures: Sequence[Hashable]) -> np.ndarray:
        """The scores of ``architectures``, (n,) float64, in their order; a failed one has 0.

        Raises BudgetSpent when the budget ends before them (those that it pays are evaluated and kept), and
        NasbookError if the journal tells of other architectures, or a score is no reward.
        """
        if isinstance(architectures, str) or not isinstance(architectures, Iterable):
            raise NasbookError(f"architectures must be a list of them, not {architectures!r}")
        asked, begun = list(architectures), len(self.rows)
        paid = asked if self.left >= len(asked) else asked[: int(self.left)]
        for architecture, row in zip(paid, self._evaluations(paid)):
            self.architectures.append(architecture)
            self.rows.append(row)
            self.seconds += row.seconds
            self.report(row)
            if self.seconds >= self.seconds_limit:
                break
        if len(self.rows) - begun < len(asked):
            raise BudgetSpent(f"the budget is spent: {len(self.rows):,} evaluations, {self.seconds:,.1f} seconds")
        return np.array([row.score for row in self.rows[begun:]], dtype=np.float64)  # (n,)

    def table(self) -> pd.DataFrame:
        """One row an evaluation: order, architecture, score, seconds, failure."""
        return as_table(self.rows)

    def _evaluations(self, architectures: list[Hashable]) -> Iterator[Evaluation]:
        """The next evaluations: from the journal while it lasts, then from the evaluator, into the journal."""
        begun = len(self.rows)
        names = [_name(architecture) for architecture in architectures]
        known = self._known[begun : begun + len(names)]
        for row, name in zip(known, names):
            if row.architecture != name:
                raise NasbookError(
                    f"evaluation {row.order} in {self._journal.path} is {row.architecture} and this search asks for "
                    f"{name}: other code or another space wrote it; choose another folder"
                )
            yield row
        first = begun + len(known)
        jobs = [(one, seed_of(self.seed, order)) for order, one in enumerate(architectures[len(known) :], first)]
        results = self._mapper(partial(_judged, self.evaluator), jobs) if jobs else ()
        for order, (name, result) in enumerate(zip(names[len(known) :], results, strict=True), first):
            row = Evaluation(order, name, *result)
            if self._journal:
                self._journal.append(row)
            yield row


def seed_of(seed: int, order: int) -> int:
    """The seed, 0 to 2**63 - 1, of evaluation number ``order`` in a search with ``seed``."""
    return int(np.random.SeedSequence((seed, order)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _judged(evaluator: Evaluator, job: tuple[Hashable, int]) -> tuple[float, float, str]:
    """Score, seconds and failure of one job, an architecture and its seed."""
    architecture, seed = job
    try:
        outcome = evaluator.judge(architecture, seed)
    except ChildFailed as failed:
        return 0.0, failed.seconds, " ".join(str(failed).split())[:LONGEST] or "no reason given"
    try:
        score, seconds = map(float, outcome)
    except (TypeError, ValueError, OverflowError):
        given = " and ".join(map(repr, outcome)) if isinstance(outcome, tuple) else repr(outcome)
        raise NasbookError(f"the evaluator gave {given[:80]}: score and seconds are wanted, two numbers") from None
    if not 0 <= seconds < math.inf:
        raise NasbookError(f"the evaluator says that {architecture} took {seconds} seconds")
    if not math.isfinite(score):
        return 0.0, seconds, f"the score is {score}"
    if score < 0:
        raise NasbookError(
            f"the score of {architecture} is {score:g}: scores are not negative, since a failure earns 0"
        )
    return score, seconds, ""


def _name(architecture: Hashable) -> str:
    """The architecture's name in the journal. Raises NasbookError for one that is no single line of text."""
    name = str(architecture)
    if not name or not name.isprintable():
        raise NasbookError(f"an architecture must be named in one line by its str(), and here that is {name!r}")
    return name
