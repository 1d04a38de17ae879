"""The arena open to everybody: any optimiser, program or person proposes cells one by one and is told their scores.

>>> import nasbook as nb
>>> with nb.arena.open("nasbench201", budget=100, seed=0, out="runs/mine") as arena:
...     while arena.remaining:
...         score = arena.propose(rng.integers(5, size=6))
...     print(arena.summary())

``nasbook arena play`` is the same on the command line.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasbook.arena.contests import NOISES
from nasbook.arena.luck import handed_over, spread
from nasbook.arena.proposals import read_proposal
from nasbook.arena.reports import Report
from nasbook.base import checks, machine
from nasbook.base.config import Config, checked_seed
from nasbook.base.errors import NasbookError, one_of
from nasbook.base.files import folder_path
from nasbook.runs.folder import update_manifest
from nasbook.runs.journal import Evaluation, Journal, read
from nasbook.runs.writer import RunWriter
from nasbook.trials.evaluators import DRAWN, Lookup
from nasbook.trials.ledger import Ledger
from nasbook.trials.running import publish
from nasbook.trials.tables import TABLES, Table, load

TOLD: Mapping[str, Mapping[str, Any]] = {
    "cellbench": NOISES["one training"],
    "nasbench201": {"split": "valid", "epochs": 12, "seed": None},
}
"""What is told of a cell, by the table, as settings of a ``Lookup``. Of NAS-Bench-201 it is what a search there can
afford, the accuracy on held-out images after 12 epochs."""

JUDGED = NOISES["the truth"]
"""What a search is judged by: the mean accuracy on the test images after the most epochs."""


class Look(Config):
    """What is looked up of a cell: settings of ``nb.evaluators.Lookup``."""

    split: str
    epochs: int | None = None
    seed: int | str | None


class Challenge:
    """Cells of a table, proposed one by one within a budget: what :func:`open` gives.

    ``told`` and ``judged`` look up the scores and the truth of the cells of ``space``; the journal lies in ``folder``,
    None keeps nothing. It ends with its ``with`` statement or with :meth:`close`, and what was scored stays.
    """

    def __init__(self, told: Lookup, judged: Lookup, budget: int, seed: int, folder: Path | None) -> None:
        self.told, self.judged, self.budget, self.seed, self.folder = told, judged, budget, seed, folder
        self.space, self._writer, self._closed = told.table.space, None, False
        with ExitStack() as held:
            journal = None if folder is None else self._journal(held)
            self._ledger = Ledger(told, seed=seed, evaluations=budget, journal=journal)
            self._ledger.evaluate([row.architecture for row in journal.rows] if journal else [])
            self._ahead = deque(self._ledger.rows)
            self._held = held
            self._end()
            self._held = held.pop_all()

    def propose(self, cell: str | bytes | Sequence[str | int]) -> float:
        """The score of a cell, given in any form of :func:`nasbook.arena.proposals.read_proposal`: one evaluation.

        A cell that was scored before is scored again, and paid again. But a program that is started again on its folder
        proposes again what it did: as long as proposals repeat the journal from its beginning, they are answered from
        there and cost nothing; the first that departs from it goes on behind its end.

        Raises ``nb.arena.NoCell`` for what is none, which costs nothing, and ``nasbook.trials.ledger.BudgetSpent``.
        """
        name = read_proposal(self.space, cell)
        if self._ahead:
            known = self._ahead.popleft()
            if known.architecture == name:
                return known.score
            self._ahead.clear()
        if self._closed and self.remaining:
            raise NasbookError("this arena was closed, or its folder opened again: nb.arena.open(...) goes on with it")
        try:
            (score,) = self._ledger.evaluate([name])
        except BaseException:
            if self.folder:
                # half a line may be written, behind which nothing may be appended: opening the folder cuts it off
                self.close()
            raise
        self._end()
        return float(score)

    @property
    def spent(self) -> int:
        """How many proposals were scored, in this sitting and before."""
        return len(self._ledger.rows)

    @property
    def remaining(self) -> int:
        """How many the budget still pays."""
        return self.budget - self.spent

    @property
    def ahead(self) -> int:
        """How many evaluations of an earlier sitting are not proposed again yet, see :meth:`propose`."""
        return len(self._ahead)

    @property
    def best(self) -> Evaluation:
        """The evaluation with the highest score, the first of equals. Raises NasbookError before the first."""
        return self._ledger.best

    @property
    def history(self) -> pd.DataFrame:
        """One row a scored proposal: order (from 0), architecture, score, seconds of its training, failure ("")."""
        return self._ledger.table()

    def summary(self) -> Report:
        """What was found so far, held against random searches that spend as much. Raises NasbookError before the
        first evaluation."""
        table, best = self.told.table, self.best
        truths = self.judged.scores()[0]  # (1, A) -> (A,)
        chances = handed_over(self.told.scores(), self.spent)  # (A,)
        truth, optimum = float(truths[self.space.index(best.architecture)]), float(np.nanmax(truths))
        by_chance = spread(truths, chances)
        known = self._judged_by_truth
        average = float(np.nanmean(truths))
        return Report(
            table=table.name,
            budget=self.budget,
            spent=self.spent,
            cell=best.architecture,
            order=best.order,
            score=best.score,
            truth=truth,
            optimum=optimum,
            regret=optimum - truth,
            resolution=table.resolution if known else None,
            leading=known and table.representative(best.architecture) in table.leaders,
            random_regret=by_chance.below(optimum),
            better=float(chances[truths > truth].sum()),
            same=float(chances[truths == truth].sum()),
            gain=truth - average,
            luck=by_chance.above(average),
            left=by_chance.below(truth),
        )

    def close(self) -> None:
        """Let the folder go, for another process or another sitting."""
        self._closed = True
        self._held.close()

    def __enter__(self) -> Challenge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        best = f", best {self.best.score:.4f}" if self.spent else ""
        return f"{self.told.table.name}: {self.spent:,} of {self.budget:,} evaluations are spent{best}"

    @property
    def _judged_by_truth(self) -> bool:
        """Whether the truth is the one of which the table knows the resolution."""
        return _settings(self.judged) == {"epochs": max(self.told.table.epochs), **JUDGED}

    def _journal(self, held: ExitStack) -> Journal:
        """The journal in the folder, which is claimed if anything is left to write there."""
        config = {"method": "ask-and-tell", "budget": self.budget, "seed": self.seed}
        config |= {"evaluator": f"{self.told.table.name}, {described(self.told)}", "judged": described(self.judged)}
        config |= {"scores": self.told.description()["scores_checksum"]}
        self._writer = held.enter_context(RunWriter(self.folder, config))
        journal = Journal(self.folder / "evaluations.csv")
        if self._writer.finished:
            journal.rows = read(journal.path)
        else:
            facts = {"commit": machine.commit(), "versions": machine.versions()}
            update_manifest(self.folder, status="running", **config, **facts)
            held.enter_context(journal)
        strangers = [row for row in journal.rows if row.architecture not in self.space]
        if strangers or len(journal.rows) > self.budget or (self._writer.finished and len(journal.rows) < self.budget):
            raise NasbookError(f"{journal.path} does not hold what was scored here: restore it, or delete the folder")
        return journal

    def _end(self) -> None:
        """Once the budget is spent, write what other runs by trial write, and let the folder go."""
        if self._writer and not self.remaining:
            if not self._writer.finished:
                publish(self.folder, self._ledger, self.best)
                self._writer.finish(evaluations=self.spent, seconds=self._ledger.seconds, failures=0)
            self.close()


_OPEN: weakref.WeakValueDictionary[Path, Challenge] = weakref.WeakValueDictionary()
"""The challenges of this process by their folders: a notebook's cell that is run again opens its folder again."""


def open(
    table: str | Table = "nasbench201",
    budget: int = 100,
    *,
    seed: int = 0,
    out: str | Path | None = None,
    told: str | Mapping[str, Any] | None = None,
    judged: str | Mapping[str, Any] | None = None,
) -> Challenge:
    """A challenge on ``table``, a name or what ``nb.benchmarks.load`` gives: ``budget`` proposals are scored.

    ``told`` and ``judged`` say what a proposal's score is and what the found cell is judged by: a name in
    ``nasbook.arena.contests.NOISES``, or settings of a ``Lookup`` that replace those of ``TOLD`` (default: one training
    drawn anew) and ``JUDGED``. Where trainings are drawn, ``seed`` draws them.

    ``out``: the folder with the journal, from which a challenge goes on that was left or killed; None keeps nothing.

    Raises NasbookError for anything misspelt or impossible, for a folder of another table, budget, seed, or of other
    scores, and for one that another process writes.
    """
    held = load(table) if isinstance(table, str) else table
    if not isinstance(held, Table):
        given = type(table).__name__
        raise NasbookError(f"table is of the type {given}: give a name ({', '.join(TABLES)}) or a table")
    default = TOLD.get(held.name.partition(" ")[0], NOISES["one training"])
    look, judge = _lookup(held, "told", told, default), _lookup(held, "judged", judged, JUDGED)
    if judge.seed == DRAWN:
        raise NasbookError("judged draws a training anew each time, which is no truth: give seed=None, the mean")
    folder = None if out is None else folder_path(out)
    budget, seed = checks.whole(budget, "budget", 1), checked_seed(seed)
    if folder is None:
        return Challenge(look, judge, budget, seed, None)
    place = folder.resolve()
    earlier = _OPEN.get(place)
    if earlier is not None:
        earlier.close()
    _OPEN[place] = challenge = Challenge(look, judge, budget, seed, folder)
    return challenge


def described(look: Lookup) -> str:
    """What a look-up finds, in words."""
    which = {DRAWN: "one training drawn anew each time", None: "mean over trainings"}
    return f"{look.split} accuracy after {look.epochs} epochs, {which.get(look.seed, f'seed {look.seed}')}"


def _lookup(table: Table, what: str, given: str | Mapping[str, Any] | None, default: Mapping[str, Any]) -> Lookup:
    if isinstance(given, str):
        default, given = NOISES[one_of(given, NOISES, what)], None
    if not isinstance(given, Mapping | None):
        raise NasbookError(f"{what} is {given!r}: valid are {', '.join(NOISES)}, or settings such as {dict(default)}")
    return Lookup(table, **Look.make({**default, **(given or {})}).model_dump())


def _settings(look: Lookup) -> dict[str, Any]:
    return {"split": look.split, "epochs": look.epochs, "seed": look.seed}
