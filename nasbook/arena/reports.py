"""What is said of a search in the open arena: what it found, what that is worth, and what chance would find."""

from dataclasses import asdict, dataclass
from typing import Any

from nasbook.arena.luck import Spread


@dataclass(frozen=True)
class Report:
    """The end of one search. Accuracies, and differences of them, are fractions.

    ``cell``: the best by what was told, a ``score`` at evaluation ``order`` (from 0) of the ``spent`` ones. ``truth``
    is what it is judged by, ``optimum`` the largest truth of the table, ``regret`` what the cell lacks; ``resolution``
    is the standard error of a truth (None where the table does not tell it), and ``leading`` says whether the cell can
    be told from the best at all.

    The rest compares with all random searches of as many evaluations that are told the same. ``random_regret`` is
    theirs; a share ``better`` of them ends with less regret than this search, a share ``same`` with as much. ``gain``
    is the truth less that of one random draw, its mean over the table; ``luck`` is what random searches gain, so what
    a lucky seed explains; ``left`` is the gain less that luck, what is left for the method.
    """

    table: str
    budget: int
    spent: int
    cell: str
    order: int
    score: float
    truth: float
    optimum: float
    regret: float
    resolution: float | None
    leading: bool
    random_regret: Spread
    better: float
    same: float
    gain: float
    luck: Spread
    left: Spread

    def plain(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)

    @property
    def verdict(self) -> str:
        """Whether luck alone may explain the gain: whether it lies within what 95% of random searches gain."""
        if self.left.low > 0:
            return "more than luck brings in 97.5% of seeds"
        return "less than luck brings in 97.5% of seeds" if self.left.high < 0 else "luck alone may explain it"

    def __str__(self) -> str:
        """Four lines: the cell, its regret beside the resolution, the regret of random searches, and luck."""
        told = f"told {self.score:.4f} at evaluation {self.order + 1} of {self.spent}"
        known = "" if self.resolution is None else f"; the standard error of a truth is {points(self.resolution)}"
        known += ": not to be told from the best" if self.leading else ""
        searches = f"searches of {self.spent} evaluation{'s' * (self.spent > 1)}"
        lacks, luck, left = self.random_regret, self.luck, self.left
        return (
            f"cell    {self.cell}, {told}\n"
            f"truth   {self.truth:.2%}, regret {points(self.regret)} of the best, {self.optimum:.2%}{known}\n"
            f"random  {searches}: regret {points(lacks.median)} in the median, {_range(lacks)} for 95% of them; "
            f"{self.better:.1%} end with less, {self.same:.1%} with as much\n"
            f"gain    {points(self.gain)} above one random draw: a random search gains {points(luck.mean)} "
            f"({_range(luck)}), which leaves {points(left.mean)} ({_range(left)}) for the method: {self.verdict}"
        )


def points(difference: float) -> str:
    """A difference of accuracies in percentage points."""
    return f"{100 * difference:z.2f} points"


def _range(spread: Spread) -> str:
    return f"{100 * spread.low:z.2f} to {100 * spread.high:z.2f}"
