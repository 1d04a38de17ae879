"""What a search without a super-net asks for a score, and what an answer may be: the seam between both."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError

LONGEST = 1000
"""How many characters of a failure's reason are kept."""


class ChildFailed(NasbookError):
    """An architecture that cannot be evaluated, through its own fault: it earns 0 and is logged with this reason.

    ``seconds``: what the attempt took.
    """

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Outcome(NamedTuple):
    """The score, which a search maximises and which is not negative, and the seconds that it took."""

    score: float
    seconds: float


class Evaluator(ABC):
    """Judges architectures. A kind of evaluator has ``judge`` and ``description``.

    One that can judge after fewer epochs of training has ``fidelities``, the epoch counts that it offers, ascending,
    and ``at``.
    """

    fidelities: Sequence[int] = ()

    @abstractmethod
    def judge(self, architecture: Hashable, seed: int) -> Outcome:
        """One architecture's score and seconds; whatever is random comes from ``seed``, 0 to 2**63 - 1.

        Raises ChildFailed if it is the architecture's fault that there is no score, another error if it is not.
        """

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """What decides the scores, as JSON values: it enters a run's config, where it tells two runs apart."""

    def at(self, epochs: int, since: int = 0) -> Evaluator:
        """The same evaluator, judging after ``epochs``, one of its ``fidelities``.

        ``since``: after how many epochs the same training, with the same seed, was judged and paid for before (0: it
        begins). Seconds are then those of the rest if that training can be taken up again, and all of them if not.
        Raises NasbookError for an evaluator without fidelities, and for a number that it does not offer.
        """
        check_fidelity(self, epochs)
        raise NasbookError(f"{type(self).__name__} has fidelities and no at(epochs, since)")

    def evaluate(self, architectures: Sequence[Hashable], seed: int = 0) -> np.ndarray:
        """The scores of ``architectures``, (n,) float64, a failed one's 0; without a budget or a journal."""
        seed, asked = checks.whole(seed, "seed"), check_list(architectures)
        for architecture in asked:
            name_of(architecture)
        jobs = [(one, seed_of(seed, order)) for order, one in enumerate(asked)]
        return np.array([judged(self, job)[0] for job in jobs], dtype=np.float64)


def check_fidelity(evaluator: Evaluator, epochs: int, since: int = 0) -> int:
    """``epochs`` if ``evaluator`` offers it, and ``since`` if that is not 0. Raises NasbookError otherwise."""
    offered = fidelities_of(evaluator)
    for asked in (epochs, since) if since else (epochs,):
        if asked not in offered:
            raise NasbookError(f"there is no score after {asked!r} epochs: {in_words(offered)}")
    if since > epochs:
        raise NasbookError(f"a training of {since} epochs cannot go on to {epochs}")
    return epochs


def fidelities_of(evaluator: Evaluator) -> list[int]:
    """The epoch counts that it offers. Raises NasbookError for none, and for what is not positive and ascending."""
    kind = type(evaluator).__name__
    offered = [checks.whole(epochs, f"an entry of {kind}.fidelities", 1) for epochs in evaluator.fidelities]
    if not offered:
        raise NasbookError(
            f"a {kind} has one score for an architecture and none after fewer epochs: "
            "give a Lookup of a table, or a Training"
        )
    if offered != sorted(set(offered)):
        raise NasbookError(f"{kind}.fidelities are {offered}: they must be ascending")
    return offered


def in_words(offered: Sequence[int]) -> str:
    """What an evaluator offers, for a sentence."""
    every = len(offered) > 2 and offered[-1] - offered[0] == len(offered) - 1
    return f"the evaluator offers {f'{offered[0]} to {offered[-1]}' if every else ', '.join(map(str, offered))}"


def check_list(architectures: Iterable[Hashable]) -> list[Hashable]:
    """``architectures`` as a list. Raises NasbookError for one that stands alone."""
    if isinstance(architectures, str) or not isinstance(architectures, Iterable):
        raise NasbookError(f"architectures must be a list of them, not {architectures!r}")
    return list(architectures)


def seed_of(seed: int, order: int) -> int:
    """The seed, 0 to 2**63 - 1, of evaluation number ``order`` in a search with ``seed``."""
    return int(np.random.SeedSequence((seed, order)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def judged(evaluator: Evaluator, job: tuple[Hashable, int]) -> tuple[float, float, str]:
    """Score, seconds and failure of one job, an architecture and its seed, from what the evaluator says or raises."""
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


def name_of(architecture: Hashable) -> str:
    """The architecture's name in the journal. Raises NasbookError for one that is no single line of text."""
    name = str(architecture)
    if not name or not name.isprintable():
        raise NasbookError(f"an architecture must be named in one line by its str(), and here that is {name!r}")
    return name
