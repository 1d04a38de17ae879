"""From searches to statements: best so far, regret, rank correlations, intervals, and tests over seeds.

Regret compares what a search would hand over at each moment, its best by the scores that it saw, with the best there
is, by the truth. One run is never a result: everything here keeps the seeds apart until the last step.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of

EXACT = 30
"""Up to this many pairs a permutation test counts among all 2**n choices of signs."""

FLIPS = 100_000
"""How many choices of signs it draws where there are more pairs."""


def best_so_far(scores: Sequence[float]) -> np.ndarray:
    """(n,) -> (n,): the highest score up to and with each evaluation."""
    return np.maximum.accumulate(checks.numbers(scores, "scores", (None,)))


def incumbents(scores: Sequence[float]) -> np.ndarray:
    """(n,) -> (n,) int64: the place of the highest score up to and with each evaluation, the first of equals."""
    best = best_so_far(scores)
    new = np.concatenate([[True], best[1:] > best[:-1]])  # (n,)
    return np.maximum.accumulate(np.where(new, np.arange(len(best)), 0))


def best_places(values: np.ndarray, count: int) -> list[int]:
    """The places of the ``count`` largest numbers of (n,), the largest first, the first of equals first."""
    return np.argsort(-values, kind="stable")[:count].tolist()


def expected_best(values: Sequence[float], evaluations: int) -> np.ndarray:
    """(evaluations,): mean of the best of 1, 2, ... architectures drawn uniformly, with replacement, from a table.

    Exact: the best of n is at most the i-th smallest of N with probability (i / N)**n.
    """
    ordered = np.sort(checks.numbers(values, "values", (None,)))
    share = np.arange(len(ordered) + 1) / len(ordered)  # (N + 1,)
    draws = np.arange(1, checks.whole(evaluations, "evaluations", 1) + 1)
    return np.array([np.diff(share**n) @ ordered for n in draws])


def regret(
    evaluations: pd.DataFrame, truth: Mapping[str, float] | Callable[[str], float], optimum: float
) -> pd.DataFrame:
    """What each search still lacked after each evaluation: ``optimum`` minus the truth of its best by score.

    ``evaluations`` as from :func:`nasbook.trials.repeat`; ``truth`` gives an architecture's true value by its name.
    A failed architecture, best only while all have failed, is worth 0. Columns method, seed, evaluations (from 1),
    seconds (of all evaluations so far), regret, best_score. Raises NasbookError for an architecture whose truth is
    not known or above the optimum.
    """
    value = truth if callable(truth) else partial(_looked_up, truth)
    parts = []
    for (method, seed), rows in evaluations.groupby(["method", "seed"], sort=False):
        names, failed = rows["architecture"].to_numpy(), rows["failure"].to_numpy() != ""
        at = incumbents(rows["score"])
        worth = {place: 0.0 if failed[place] else float(value(names[place])) for place in np.unique(at)}
        true = np.array([worth[place] for place in at])  # (n,)
        if true.max() > optimum + 1e-12:
            raise NasbookError(f"{names[at[true.argmax()]]} is worth {true.max():g}, more than the optimum {optimum:g}")
        steps, seconds = np.arange(1, len(rows) + 1), rows["seconds"].cumsum().to_numpy()
        columns = {"evaluations": steps, "seconds": seconds, "regret": optimum - true}
        columns["best_score"] = rows["score"].to_numpy()[at]
        parts.append(pd.DataFrame({"method": method, "seed": seed, **columns}))
    return pd.concat(parts, ignore_index=True)


def regret_at(curves: pd.DataFrame, *, evaluations: int | None = None, seconds: float | None = None) -> pd.DataFrame:
    """Each search's row of ``regret`` when so many evaluations, or seconds, were spent: one row a method and seed.

    A search that ended before keeps its last. Raises NasbookError for one whose first evaluation was not over yet.
    """
    if (evaluations is None) == (seconds is None):
        raise NasbookError("say at how many evaluations, or at how many seconds, and not both")
    column, limit = ("evaluations", evaluations) if seconds is None else ("seconds", seconds)
    limit = checks.positive(limit, column)
    within = curves[curves[column] <= limit]
    late = {*zip(curves["method"], curves["seed"])} - {*zip(within["method"], within["seed"])}
    if late:
        method, seed = min(late)
        raise NasbookError(f"{method} with seed {seed} had no evaluation within {limit:g} {column}")
    return within.groupby(["method", "seed"], sort=False).tail(1).reset_index(drop=True)


def kendall(x: Sequence[float], y: Sequence[float]) -> float:
    """Kendall's tau-b: among pairs, the share ordered alike minus the share ordered otherwise, with ties allowed for.

    Raises NasbookError for fewer than two values, or equal ones only: then there is no order.
    """
    from scipy.stats import kendalltau

    return float(kendalltau(*_ranked(x, y)).statistic)


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's rho: the correlation of the ranks, equal values sharing theirs. Raises NasbookError as ``kendall``."""
    from scipy.stats import spearmanr

    return float(spearmanr(*_ranked(x, y)).statistic)


@dataclass(frozen=True)
class Interval:
    """A statistic of ``n`` observations with the ends of its interval."""

    value: float
    low: float
    high: float
    n: int
    level: float

    def __str__(self) -> str:
        return f"{self.value:.3f} (n = {self.n}, {self.level:.0%} interval {self.low:.3f} to {self.high:.3f})"


def bootstrap(
    statistic: Callable[..., float],
    *samples: Sequence[float],
    rng: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """The percentile interval of ``statistic(*samples)`` when observations are drawn again with replacement.

    Several samples are columns of the same observations and are drawn together. A resample on which the statistic is
    not defined, because all its values are equal, is drawn again (Efron & Tibshirani, 1993, chapter 13).
    Raises NasbookError for samples of different lengths or fewer than two observations.
    """
    checks.generator(rng)
    if not 0 < checks.number(level, "level") < 1:
        raise NasbookError(f"level is {level:g}: it must lie between 0 and 1")
    columns = [checks.numbers(sample, "sample", (None,)) for sample in samples]
    if not columns or len({len(column) for column in columns}) > 1 or len(columns[0]) < 2:
        raise NasbookError("a bootstrap needs samples of one length, of at least two observations")
    n, found = len(columns[0]), []
    value = float(statistic(*columns))
    for _ in range(10 * checks.whole(resamples, "resamples", 1)):
        chosen = rng.integers(n, size=n)  # (n,)
        try:
            found.append(float(statistic(*(column[chosen] for column in columns))))
        except NasbookError:
            continue
        if len(found) == resamples:
            break
    else:
        raise NasbookError("the statistic is defined on too few resamples: take more observations")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), n, level)


@dataclass(frozen=True)
class Paired:
    """Two methods compared seed by seed: ``difference`` is the mean of first minus second over ``n`` pairs.

    ``p`` is two-sided; ``lower`` and ``higher`` count the pairs in which the first is below or above the second.
    """

    difference: float
    p: float
    lower: int
    higher: int
    n: int


def paired(
    first: Sequence[float],
    second: Sequence[float],
    *,
    test: str = "permutation",
    rng: np.random.Generator | None = None,
) -> Paired:
    """Whether two methods differ, from values of the same seeds.

    "permutation": under the null hypothesis each difference may as well have the other sign; exact up to ``EXACT``
    pairs, else from ``FLIPS`` draws of ``rng``. "wilcoxon": the signed-rank test of ``scipy.stats.wilcoxon``.
    Raises NasbookError for different lengths or fewer than two pairs.
    """
    one_of(test, ("permutation", "wilcoxon"), "test")
    a = checks.numbers(first, "first", (None,))
    b = checks.numbers(second, "second", (len(a),))
    if len(a) < 2:
        raise NasbookError("a paired test needs at least two pairs, and got one")
    differences = a - b
    if not differences.any():
        p = 1.0
    elif test == "wilcoxon":
        from scipy.stats import wilcoxon

        p = float(wilcoxon(differences).pvalue)
    else:
        p = _sign_flips(differences, rng)
    lower, higher = int((differences < 0).sum()), int((differences > 0).sum())
    return Paired(float(differences.mean()), p, lower, higher, len(a))


def holm(p_values: Mapping[Hashable, float]) -> dict[Hashable, float]:
    """p-values of several comparisons, raised so that the chance of any false alarm stays below the level (Holm, 1979).

    The k-th smallest of m is multiplied by m - k + 1, and none falls below a smaller one.
    """
    ordered = sorted(p_values, key=lambda name: p_values[name])
    adjusted, reached = {}, 0.0
    for place, name in enumerate(ordered):
        reached = max(reached, min(1.0, (len(ordered) - place) * checks.share(p_values[name], f"p of {name}")))
        adjusted[name] = reached
    return {name: adjusted[name] for name in p_values}


def _sign_flips(differences: np.ndarray, rng: np.random.Generator | None) -> float:
    """The share of sign choices whose sum is at least as far from 0 as the one seen."""
    sizes = np.abs(differences)
    seen = abs(differences.sum()) - 1e-12 * sizes.sum()  # sums in another order differ in their last bits
    if seen <= 0:
        return 1.0
    if len(sizes) <= EXACT:
        # a sum over all pairs is one over the first half plus one over the second: sorted, they are counted in bulk
        first, second = (_signed_sums(half) for half in np.array_split(sizes, 2))
        second.sort()
        below = np.searchsorted(second, -seen - first, side="right").sum()
        above = (len(second) - np.searchsorted(second, seen - first, side="left")).sum()
        return float(below + above) / 2.0 ** len(sizes)
    if rng is None:
        raise NasbookError(f"a permutation test of {len(sizes)} pairs draws signs: pass rng")
    signs = checks.generator(rng).integers(0, 2, (FLIPS, len(sizes))) * 2 - 1
    # what was seen is one of the choices, so p is never 0
    return float(((np.abs(signs @ sizes) >= seen).sum() + 1) / (FLIPS + 1))


def _signed_sums(sizes: np.ndarray) -> np.ndarray:
    """The sums under every choice of signs, (n,) -> (2**n,)."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])  # (2**i,) -> (2**(i + 1),)
    return sums


def _ranked(x: Sequence[float], y: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    first = checks.numbers(x, "x", (None,))
    second = checks.numbers(y, "y", (len(first),))
    for name, values in (("x", first), ("y", second)):
        if len(values) < 2 or np.ptp(values) == 0:
            raise NasbookError(f"all values of {name} are equal: they give no ranking")
    return first, second


def _looked_up(truth: Mapping[str, float], name: str) -> float:
    if name not in truth:
        raise NasbookError(f"the truth of {name} is not known")
    return truth[name]
