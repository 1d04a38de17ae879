"""What a search without a super-net spends: seeds, budget, failures, and a journal that survives a kill."""

import math
from builtins import map as one_by_one
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from nasbook.base.errors import NasbookError
from nasbook.runs.journal import Evaluation, Journal, as_table
from nasbook.trials.interface import Evaluator, check_list, judged, name_of, seed_of

Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""The seam through which all evaluations of one call go: ``mapper(function, jobs)`` gives the results in the order of
the jobs. The built-in ``map``, ``concurrent.futures.ProcessPoolExecutor().map``, ``multiprocessing.Pool().imap`` and
Ray's pool fit. Function and jobs can be pickled if the evaluator and the architectures can."""


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
        if not isinstance(evaluator, Evaluator):
            given = type(evaluator).__name__
            raise NasbookError(f"evaluator is a {given}; it must be one of nb.evaluators, such as Function(f)")
        self.evaluator, self.seed, self.limit = evaluator, seed, evaluations
        self.seconds_limit = math.inf if seconds is None else seconds
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

    def evaluate(
        self,
        architectures: Sequence[Hashable],
        *,
        evaluator: Evaluator | None = None,
        orders: Sequence[int] | None = None,
    ) -> np.ndarray:
        """The scores of ``architectures``, (n,) float64, in their order; a failed one has 0.

        ``evaluator`` judges these in place of the ledger's own: that one ``at`` fewer epochs. ``orders`` (n,) are the
        numbers of the evaluations whose seeds they have (None: their own), so that a training can go on.

        Raises BudgetSpent when the budget ends before them (those that it pays are evaluated and kept), and
        NasbookError if the journal tells of other architectures, or a score is no reward.
        """
        asked, begun = check_list(architectures), len(self.rows)
        paid = asked if self.left >= len(asked) else asked[: int(self.left)]
        seeds = [seed_of(self.seed, order) for order in orders or range(begun, begun + len(asked))]
        for architecture, row in zip(paid, self._evaluations(paid, evaluator or self.evaluator, seeds)):
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

    def _evaluations(
        self, architectures: list[Hashable], evaluator: Evaluator, seeds: list[int]
    ) -> Iterator[Evaluation]:
        """The next evaluations: from the journal while it lasts, then from the evaluator, into the journal."""
        begun = len(self.rows)
        names = [name_of(architecture) for architecture in architectures]
        known = self._known[begun : begun + len(names)]
        for row, name in zip(known, names):
            if row.architecture != name:
                raise NasbookError(
                    f"evaluation {row.order} in {self._journal.path} is {row.architecture} and this search asks for "
                    f"{name}: other code or another space wrote it; choose another folder"
                )
            yield row
        first = begun + len(known)
        jobs = list(zip(architectures[len(known) :], seeds[len(known) :]))
        results = self._mapper(partial(judged, evaluator), jobs) if jobs else ()
        for order, (name, result) in enumerate(zip(names[len(known) :], results, strict=True), first):
            row = Evaluation(order, name, *result)
            if self._journal:
                self._journal.append(row)
            yield row
