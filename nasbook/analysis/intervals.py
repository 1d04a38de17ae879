"""From single runs to a statement: mean, spread and interval over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nasbook.base.errors import NasbookError


@dataclass(frozen=True)
class Summary:
    """``n`` values with mean, sample standard deviation and the ends of a 95% interval of the mean."""

    n: int
    mean: float
    deviation: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1%} (n = {self.n}, 95% interval {self.low:.1%} to {self.high:.1%})"


def summarize(values: Sequence[float]) -> Summary:
    """95% Student-t interval of the mean; it assumes independent, roughly normal values.

    Raises NasbookError for fewer than two values: one run is never a result.
    """
    sample = np.asarray(values, dtype=float)
    if sample.size < 2:
        raise NasbookError(f"an interval needs at least two seeds, and got {sample.size}")
    mean, deviation = float(sample.mean()), float(sample.std(ddof=1))
    half = float(half_widths(sample))
    return Summary(sample.size, mean, deviation, mean - half, mean + half)


def half_widths(values: np.ndarray) -> np.ndarray:
    """Half the 95% Student-t interval of the mean over seeds, (seeds, ...) -> (...), of at least two seeds."""
    return stats.t.ppf(0.975, len(values) - 1) * values.std(axis=0, ddof=1) / len(values) ** 0.5
