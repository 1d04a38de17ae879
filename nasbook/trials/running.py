"""Searches that propose architectures and ask an evaluator for their score: one frame for all of them.

A method is a module with ``Config``, ``PROFILES`` and ``search(trial)``; the frame owns the budget, the journal, the
trace, the manifest and progress. A killed run is continued by running it again: the method starts at its first step,
and the scores that it asks for come from the journal as long as that lasts.
"""

import json
import math
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from pydantic import Field

from nasbook.base import machine
from nasbook.base.config import Config, profile_values
from nasbook.base.errors import NasbookError, one_of
from nasbook.base.files import folder_path, run_folder, write_atomically
from nasbook.base.progress import reporter
from nasbook.runs.folder import update_manifest
from nasbook.runs.journal import Evaluation, Journal
from nasbook.runs.record import Record
from nasbook.runs.run import Run
from nasbook.runs.writer import RunWriter
from nasbook.spaces.tokens import TokenSpace, check_space
from nasbook.trials import NAMED
from nasbook.trials.interface import Evaluator
from nasbook.trials.ledger import BudgetSpent, Ledger, Mapper, one_by_one

SIGNS = 10
"""How many signs of life a search gives at most."""


class TrialConfig(Config):
    """What all searches without a super-net have in common: a seed and a budget.

    ``evaluations``: how many architectures are evaluated, repetitions counted. ``seconds``: the search also ends
    when its evaluations took, or are said by a table to have taken, this long (None: no limit).
    """

    seed: int = Field(0, ge=0, lt=2**63)
    evaluations: int = Field(1000, gt=0)
    seconds: float | None = Field(None, gt=0)


@dataclass
class Trial:
    """One search under way: what a method's ``search`` is given.

    ``rng`` is the generator for all that the method draws; further ones come from ``rng.spawn``.
    """

    space: TokenSpace
    config: TrialConfig
    ledger: Ledger
    rng: np.random.Generator
    record: Record = field(default_factory=Record)

    def evaluate(self, architectures: Sequence[Hashable]) -> np.ndarray:
        """Scores of ``architectures``, (n,) float64, failures 0. Raises BudgetSpent, which ends the search."""
        return self.ledger.evaluate(architectures)

    def evaluate_tokens(self, tokens: Iterable[Sequence[int]]) -> np.ndarray:
        """The same for token lists, (n, T) -> (n,): a reward function for ``nasbook.decisions.gradients.reinforce``."""
        return self.evaluate([self.space.decode(tuple(map(int, one))) for one in tokens])

    def note(self, **quantities: float) -> None:
        """Write ``quantities`` into the trace, at the number of evaluations so far."""
        self.record.add(len(self.ledger.rows), "search", **quantities)


class TrialMethod(Protocol):
    """What the file of a method holds.

    ``search`` evaluates until the budget is spent, or returns earlier. It returns the architecture that it found, one
    of those evaluated, or None for the best of them. It draws from ``trial.rng`` alone and looks at no clock, so that
    the same scores lead it the same way. A method that cannot run everywhere also has ``check(evaluator, config)``,
    which raises NasbookError before a folder is claimed.
    """

    Config: type[TrialConfig]
    PROFILES: Mapping[str, Mapping[str, Any]]
    search: Callable[[Trial], Hashable | None]


def run(
    method: str | TrialMethod,
    *,
    space: TokenSpace,
    evaluator: Evaluator,
    profile: str = "smoke",
    seed: int = 0,
    out: str | Path | None = None,
    mapper: Mapper = one_by_one,
    **overrides: Any,
) -> Run:
    """Search ``space`` with a method and return the run.

    ``method``: a name of ``nasbook.searchers.TRIALS``, or a module of your own like theirs. ``profile``, ``seed``,
    ``out`` and ``overrides`` as for :func:`nasbook.search`: an unfinished run in the folder is continued, a finished
    one loaded. ``mapper`` runs the evaluations of one call, see ``nasbook.trials.ledger.Mapper``; it changes no result.

    Raises NasbookError for anything misspelt, ill-typed or impossible, for a folder that holds another run, and for
    a journal that does not belong to this search.
    """
    module, name = _method(method)
    config = _config(module, profile, seed, overrides)
    check_space(space)
    Ledger(evaluator, mapper=mapper)  # raises for what is none, before the folder is claimed
    if hasattr(module, "check"):
        module.check(evaluator, config)
    header = {
        "method": name,
        "profile": profile,
        "space": _described(space),
        "choices": list(space.choices),
        "evaluator": evaluator.description(),
        **config.model_dump(mode="json"),
    }
    about = {**overrides, "space": header["space"], "evaluator": header["evaluator"]}
    folder = run_folder(name, profile, seed, about) if out is None else folder_path(out)
    with RunWriter(folder, header) as writer:
        if writer.finished:
            print(f"nasbook: {folder} holds this search, finished: loaded, nothing is evaluated", file=sys.stderr)
        else:
            facts = {key: header[key] for key in ("method", "profile", "space", "evaluator", "seed")}
            update_manifest(folder, status="running", **facts, **_provenance(evaluator))
            with Journal(folder / "evaluations.csv") as journal:
                known, total = len(journal.rows), min(config.evaluations, SIGNS)
                with reporter(f"{name} seed {config.seed}", total, known * total // config.evaluations) as say:
                    ledger = _ledger(evaluator, config, journal=journal, mapper=mapper)
                    ledger.report = lambda row: _say(say, ledger, known, total)
                    trial, found = _search(module, space, config, ledger)
            publish(folder, ledger, found, trial.record)
            writer.finish(evaluations=len(ledger.rows), seconds=ledger.seconds, failures=_failures(ledger.rows))
            if config.seconds is None and len(ledger.rows) < config.evaluations:
                asked = f"{len(ledger.rows)} of at most {config.evaluations} evaluations"
                print(f"nasbook: {name} ended by itself after {asked}", file=sys.stderr)
    return Run.load(folder)


def play(
    method: str | TrialMethod,
    *,
    space: TokenSpace,
    evaluator: Evaluator,
    profile: str = "smoke",
    seed: int = 0,
    mapper: Mapper = one_by_one,
    **overrides: Any,
) -> tuple[Trial, Evaluation]:
    """The same search in memory, without a folder: the trial as it ended, and the evaluation that it settled on."""
    module, _ = _method(method)
    config = _config(module, profile, seed, overrides)
    return _search(module, check_space(space), config, _ledger(evaluator, config, mapper=mapper))


def repeat(method: str | TrialMethod, *, seeds: Iterable[int], **settings: Any) -> pd.DataFrame:
    """``play`` once for each seed: columns method, seed, and those of the ledger's table, one row an evaluation."""
    tables = []
    for seed in seeds:
        trial, _ = play(method, seed=seed, **settings)
        table = trial.ledger.table()
        table.insert(0, "method", _method(method)[1])
        table.insert(1, "seed", seed)
        tables.append(table)
    if not tables:
        raise NasbookError("seeds must list at least one seed")
    return pd.concat(tables, ignore_index=True)


def _method(method: str | TrialMethod) -> tuple[TrialMethod, str]:
    if isinstance(method, str):
        module = import_module(NAMED[one_of(method, NAMED, "method")])
        if not hasattr(module, "search"):
            raise NasbookError(f"{method} searches inside a super-net: call nasbook.search({method!r}, data=...)")
        return module, method
    missing = [name for name in ("Config", "PROFILES", "search") if not hasattr(method, name)]
    if missing:
        raise NasbookError(f"the method {method!r} has no {missing[0]}; a method has Config, PROFILES and search")
    return method, getattr(method, "__name__", type(method).__name__).rpartition(".")[2]


def _config(module: TrialMethod, profile: str, seed: int, overrides: Mapping[str, Any]) -> TrialConfig:
    return module.Config.make(profile_values(module.PROFILES, profile, seed) | dict(overrides))


def _ledger(evaluator: Evaluator, config: TrialConfig, **options: Any) -> Ledger:
    return Ledger(evaluator, seed=config.seed, evaluations=config.evaluations, seconds=config.seconds, **options)


def _search(module: TrialMethod, space: TokenSpace, config: TrialConfig, ledger: Ledger) -> tuple[Trial, Evaluation]:
    """Run the method to its end; the trial, and the evaluation of what it found."""
    trial = Trial(space, config, ledger, np.random.default_rng(config.seed))
    try:
        found = module.search(trial)
    except BudgetSpent:
        found = None
    if found is None:
        return trial, ledger.best
    places = [place for place, one in enumerate(ledger.architectures) if one == found]
    if not places:
        raise NasbookError(f"the method found {found}, which it never evaluated")
    return trial, ledger.rows[places[0]]


def _provenance(evaluator: Evaluator) -> dict[str, Any]:
    """Commit and versions; the device too, where the evaluator computes on one."""
    if hasattr(evaluator, "data"):
        return machine.provenance(evaluator.data.device)
    return {"commit": machine.commit(), "versions": machine.versions()}


def _say(say: Callable[[str], None], ledger: Ledger, known: int, total: int) -> None:
    """One sign of life for each of ``total`` parts of the budget, not for what the journal knew."""
    done, of = len(ledger.rows), ledger.limit
    if done > known and done * total // of > (done - 1) * total // of:
        failed = _failures(ledger.rows)
        say(f"{done:,} evaluated  best {ledger.best.score:.4g}" + (f"  {failed:,} failed" if failed else ""))


def _failures(rows: Sequence[Evaluation]) -> int:
    return sum(bool(row.failure) for row in rows)


def publish(folder: Path, ledger: Ledger, found: Evaluation, notes: Record | None = None) -> None:
    """Write the trace (scores, best so far, and of the ``notes`` those on evaluations that were made) and the find."""
    best, record = -math.inf, Record()
    for step, row in enumerate(ledger.rows, 1):
        best = max(best, row.score)
        record.add(step, "search", score=row.score, best=best)
    trace = pd.concat([record.trace(), (notes or Record()).trace()]).sort_values("step", kind="stable")
    trace = trace[trace["step"] <= len(ledger.rows)]
    write_atomically(folder / "trace.csv", trace.to_csv(index=False))
    write_atomically(folder / "best.json", json.dumps(vars(found), indent=1) + "\n")


def _described(space: TokenSpace) -> str:
    """The space in words that are the same in every process: its repr, or its class if it has none of its own."""
    plain = type(space).__repr__ is object.__repr__
    return f"{type(space).__module__}.{type(space).__qualname__}" if plain else repr(space)
