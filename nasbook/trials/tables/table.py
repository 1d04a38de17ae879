"""A table of truth in memory: accuracies of every architecture of a space, looked up by its string."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasbook.base.errors import NasbookError, one_of
from nasbook.spaces.edges.cells import Count, EdgeSpace


class Best(NamedTuple):
    """The best architecture of a table and its accuracy, a fraction."""

    architecture: str
    accuracy: float


class CellCost(NamedTuple):
    """What a network costs: its weights, the multiply-adds of one image, and the seconds of its training."""

    parameters: int
    multiply_adds: int
    seconds: float


class Variances(NamedTuple):
    """Of accuracies as fractions: between cells, and between the seeds of one cell."""

    cells: float
    seeds: float


class Table:
    """Accuracies after each of ``epochs``, by split and seed, and what each architecture costs.

    ``.space``: all architecture strings. ``.epochs``: epoch counts, ascending. ``.splits``: "valid" to select by,
    "test" to report. ``.seeds``: those with which every architecture that is there was trained; none if the table
    holds only means. ``.trained``: the strings that were trained, and ``.missing`` what is not there yet, as (string,
    seed). All accuracies are fractions.

    Made from arrays over R trainings' architectures ``trained``, E ``epochs`` and S ``seeds``, NaN where there is
    nothing: ``accuracies`` and ``losses``, split to (R, E, S), and ``seconds`` (R, E). ``rows`` (A,) says which of
    the R each of the A in ``space`` is, ``count`` what a string's network costs, ``remedy`` what to do about what is
    missing. ``alike`` (R,), where there are no seeds: equal numbers for trainings of one and the same network.
    ``on_the_way``: whether accuracies after fewer epochs are those of one training on its way to the most, and not of
    shorter trainings.
    """

    def __init__(
        self,
        name: str,
        space: EdgeSpace,
        *,
        trained: Sequence[str],
        epochs: Sequence[int],
        seeds: Sequence[int],
        accuracies: Mapping[str, np.ndarray],
        seconds: np.ndarray,
        rows: np.ndarray,
        count: Callable[[str], Count],
        losses: Mapping[str, np.ndarray] | None = None,
        alike: np.ndarray | None = None,
        missing: Sequence[tuple[str, int]] = (),
        remedy: str = "",
        on_the_way: bool = False,
    ) -> None:
        self.name, self.space, self.trained, self.on_the_way = name, space, tuple(trained), on_the_way
        self.epochs, self.splits = tuple(epochs), tuple(accuracies)
        self.missing = tuple(missing)
        self._all_seeds, self._remedy = tuple(seeds), remedy
        self._accuracies, self._losses = dict(accuracies), dict(losses or {})
        self._seconds, self._rows, self._count, self._alike = seconds, rows, count, alike
        self._read: dict[tuple, np.ndarray] = {}
        for array in (seconds, rows, *self._accuracies.values(), *self._losses.values()):
            array.flags.writeable = False
        absent = np.stack([np.isnan(values).all(axis=1) for values in accuracies.values()]).any(axis=0)  # (R, S)
        there = ~absent.all(axis=1)  # (R, S) -> (R,)
        self.seeds = tuple(seed for s, seed in enumerate(seeds) if there.any() and not absent[there, s].any())

    def accuracy(self, architecture: str, split: str, epochs: int | None = None, seed: int | None = None) -> float:
        """The accuracy of one architecture after ``epochs`` (None: the most), a fraction.

        ``seed`` None: the mean over the seeds it was trained with. Raises NasbookError for a bad string, and for what
        the table does not hold.
        """
        return self._one(self._accuracies, "accuracy", architecture, split, epochs, seed)

    def loss(self, architecture: str, split: str, epochs: int | None = None, seed: int | None = None) -> float:
        """The mean cross-entropy in nats, otherwise as :meth:`accuracy`; not every table has it."""
        return self._one(self._losses, "loss", architecture, split, epochs, seed)

    def scores(self, split: str, epochs: int | None = None, seed: int | None = None) -> np.ndarray:
        """The accuracies of all of ``space`` in its order, (A,) float64, NaN for what is missing."""
        return self._all(self._accuracies, "accuracy", split, epochs, seed)[self._rows]  # (R,) -> (A,)

    def best(self, split: str, epochs: int | None = None, seed: int | None = None) -> Best:
        """The architecture with the highest accuracy, the first in ``space`` of equal ones."""
        scores = self.scores(split, epochs, seed)  # (A,)
        if np.isnan(scores).all():
            raise NasbookError(f"{self.name} holds no row yet{self._remedy}")
        place = int(np.nanargmax(scores))
        return Best(self.space[place], float(scores[place]))

    def rank(self, architecture: str, split: str, epochs: int | None = None, seed: int | None = None) -> int:
        """1 + the number of architectures with a higher accuracy: 1 is the best, and equal ones share a rank.

        Architectures of ``space`` that are the same up to naming are counted each.
        """
        own = self.accuracy(architecture, split, epochs, seed)
        return 1 + int((self.scores(split, epochs, seed) > own).sum())

    def variances(self, split: str, epochs: int | None = None) -> Variances:
        """How accuracies vary between the cells that were trained with every seed, and between the seeds of one cell.

        The estimates of a one-way analysis of variance with S seeds for each cell: ``seeds`` is the mean over cells of
        the variance over seeds, ``cells`` the variance of the cells' means less ``seeds`` / S. Raises NasbookError for
        fewer than two cells or seeds.
        """
        self._all(self._accuracies, "accuracy", split, epochs, None)  # refuses what is not there
        values = self._accuracies[split][:, self._epoch(epochs)]  # (R, E, S) -> (R, S)
        whole = values[~np.isnan(values).any(axis=1)]
        if min(whole.shape) < 2:
            raise NasbookError(
                f"variances need two cells with two seeds, and {self.name} holds {whole.shape[1]} seeds of "
                f"{whole.shape[0]} complete cells"
            )
        seeds = float(whole.var(axis=1, ddof=1).mean())
        cells = float(whole.mean(axis=1).var(ddof=1)) - seeds / whole.shape[1]
        return Variances(max(cells, 0.0), seeds)

    @cached_property
    def resolution(self) -> float:
        """The standard error of a truth, a fraction: of a cell's mean test accuracy after the most epochs.

        Pooled over the better half of the cells, which is where searches end: the variance between the seeds of one
        cell over the number of its seeds; in a table of means, the variance between the means of strings that are one
        and the same network, each trained by itself.
        """
        values = self._accuracies["test"][:, -1]  # (R, E, S) -> (R, S)
        means = mean_over_seeds(values)  # (R, S) -> (R,)
        better = means >= np.nanmedian(means)
        if self.seeds:
            errors = [row.var(ddof=1) / len(row) for row in (one[~np.isnan(one)] for one in values[better])]
            return float(np.sqrt(np.mean(errors)))
        groups = pd.Series(means[better]).groupby(self._alike[better])
        freedom = groups.size() - 1
        return float(np.sqrt((groups.var(ddof=1) * freedom).sum() / freedom.sum()))

    @cached_property
    def leaders(self) -> tuple[str, ...]:
        """The trained cells whose truth is not distinguishable from the best: within 1.96 standard errors of a
        difference between two truths, best first."""
        truths = mean_over_seeds(self._accuracies["test"][:, -1])  # (R, S) -> (R,), NaN for a cell that is missing
        least = np.nanmax(truths) - 1.96 * np.sqrt(2) * self.resolution
        return tuple(self.trained[row] for row in np.argsort(-truths, kind="stable") if truths[row] >= least)

    def cost(self, architecture: str, epochs: int | None = None) -> CellCost:
        """Parameters, multiply-adds of one image, and :meth:`seconds`. Raises NasbookError for a bad string."""
        return CellCost(*self._count(architecture), self.seconds(architecture, epochs))

    def seconds(self, architecture: str, epochs: int | None = None) -> float:
        """Seconds that training for ``epochs`` took, the mean over seeds; 0 in a table that does not tell."""
        column = self._epoch(epochs)
        return self._there(architecture, self._seconds[self._rows[self.space.index(architecture)], column])

    def representative(self, architecture: str) -> str:
        """The string that was trained for ``architecture``: the same one up to naming, without what is unused."""
        return self.trained[self._rows[self.space.index(architecture)]]

    def _one(self, arrays: Mapping, what: str, architecture: str, split: str, epochs, seed) -> float:
        row = self._rows[self.space.index(architecture)]
        return self._there(architecture, self._all(arrays, what, split, epochs, seed)[row])

    def _there(self, architecture: str, value: float) -> float:
        if np.isnan(value):
            raise NasbookError(f"{self.name} has no such training of {architecture}{self._remedy}")
        return float(value)

    def _all(self, arrays: Mapping[str, np.ndarray], what: str, split: str, epochs, seed) -> np.ndarray:
        """(R,) values of one split and epoch count: of one seed, or their mean over seeds."""
        key = (what, split, epochs, seed)
        if key not in self._read:
            self._read[key] = self._column(arrays, *key)
        return self._read[key]

    def _column(self, arrays: Mapping[str, np.ndarray], what: str, split: str, epochs, seed) -> np.ndarray:
        if not arrays:
            raise NasbookError(f"{self.name} holds no {what}")
        values = arrays[one_of(split, arrays, f"split of {self.name}")][:, self._epoch(epochs)]  # (R, E, S) -> (R, S)
        held = [f"{name} after {n}" for name, v in arrays.items() for e, n in enumerate(self.epochs) if _any(v[:, e])]
        if held and not _any(values):
            asked = f"{split} {what} after {epochs or self.epochs[-1]} epochs"
            raise NasbookError(f"{self.name} holds no {asked}: it holds {', '.join(held)}")
        if seed is not None:
            if seed not in self._all_seeds:
                known = ", ".join(map(str, self._all_seeds)) or "none, only means"
                raise NasbookError(f"{self.name} holds no seed {seed!r}: it holds {known}")
            return values[:, self._all_seeds.index(seed)]  # (R, S) -> (R,)
        return mean_over_seeds(values)  # (R, S) -> (R,)

    def _epoch(self, epochs: int | None) -> int:
        if epochs is None:
            return len(self.epochs) - 1
        if epochs not in self.epochs:
            raise NasbookError(f"{self.name} was read after {', '.join(map(str, self.epochs))} epochs, not {epochs!r}")
        return self.epochs.index(epochs)

    def __len__(self) -> int:
        return len(self.space)

    def __repr__(self) -> str:
        seeds = f"{len(self._all_seeds)} seeds" if self._all_seeds else "means over seeds"
        absent = f", {len(self.missing):,} trainings missing" if self.missing else ""
        return (
            f"{self.name}: {len(self.space):,} strings, {len(self.trained):,} cells trained, {seeds}, "
            f"{' and '.join(self.splits)} accuracy after {', '.join(map(str, self.epochs))} epochs{absent}"
        )


def mean_over_seeds(values: np.ndarray) -> np.ndarray:
    """The mean along the last axis of what is there, (..., S) -> (...); NaN where nothing is."""
    with np.errstate(invalid="ignore"):
        return np.nansum(values, axis=-1) / (~np.isnan(values)).sum(axis=-1)


def _any(values: np.ndarray) -> bool:
    """Whether anything is there."""
    return not np.isnan(values).all()
