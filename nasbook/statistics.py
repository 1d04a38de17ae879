"""From single runs to a statement: mean, spread and interval over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nasbook.errors import NasbookError


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
    half = float(stats.t.ppf(0.975, sample.size - 1)) * deviation / sample.size**0.5
    return Summary(sample.size, mean, deviation, mean - half, mean + half)
