"""Searches by trial as pictures: the truth they search in, one search's scores, and regret over seeds by method."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nasbook.analysis.intervals import half_widths
from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.drawing.figures.regret import LOOKS
from nasbook.drawing.parts import style
from nasbook.drawing.parts.picture import Picture, panels, percent

NARROW = 0.002
"""Regrets are drawn as log(1 + regret / NARROW), as in the arena: small differences at the bottom stay visible."""
TICKS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)

UNITS = {
    "evaluations": ("evaluations", "at the last evaluation"),
    "seconds": ("seconds of evaluation", "when the first seed has spent its time"),
}
"""The axes that regret is drawn over: what each is called, and where its curves end."""


def trainings_picture(accuracies: np.ndarray, what: str = "accuracy") -> Picture:
    """Every training of every architecture, (R, S) fractions of R architectures with S seeds, ordered by their means.

    The sentence counts the architectures of which a training looks better than the best one is. Raises NasbookError
    for another shape or for what is no finite number.
    """
    found = checks.numbers(accuracies, "accuracies", (None, None))
    means = found.mean(axis=1)  # (R, S) -> (R,)
    lucky = int(((found > means.max()).any(axis=1) & (means < means.max())).sum())
    order = means.argsort(kind="stable")
    with panels(8, 3) as (figure, axes):
        places = np.repeat(np.arange(len(found)), found.shape[1])  # (R * S,)
        axes.plot(places, found[order].ravel(), ".", color="#56B4E9", markersize=3, label="one training")
        axes.plot(means[order], color="#000000", linewidth=1.4, label="mean of its trainings")
        axes.axhline(means.max(), color=style.QUIET, linewidth=1, linestyle="--")
        axes.set(xlabel="architectures, ordered by their mean", ylabel=what)
        percent(axes.yaxis)
        axes.legend(loc="lower right")
    said = f"{len(found)} architectures by {what}, best mean {means.max():.1%}; of {lucky} others a training exceeds it"
    return Picture.of_figure(figure, said)


def search_picture(evaluations: pd.DataFrame, method: str) -> Picture:
    """Every score of one search as a dot, a failure as a cross, and the best so far as a line.

    ``evaluations``: columns score and failure, in order. Raises NasbookError if there are none.
    """
    if not len(evaluations):
        raise NasbookError("nothing is evaluated yet: there is no curve to draw")
    scores, failed = evaluations["score"].to_numpy(), evaluations["failure"].to_numpy() != ""
    steps, best = np.arange(1, len(scores) + 1), np.maximum.accumulate(scores)
    with panels(8, 3) as (figure, axes):
        axes.plot(steps[~failed], scores[~failed], ".", color="#56B4E9", label="score of each architecture")
        if failed.any():
            axes.plot(steps[failed], scores[failed], "x", color="#A84A00", label="failed")
        axes.step(steps, best, where="post", color="#000000", linewidth=1.8, label="best so far")
        axes.set(xlabel="evaluations", ylabel="score")
        axes.legend(loc="lower right", frameon=True, edgecolor="none")
    at = int(scores.argmax())
    lost = f", {failed.sum()} failed" if failed.any() else ""
    said = f"{method}: {len(scores):,} evaluations{lost}, best score {scores[at]:.4g} at evaluation {at + 1:,}"
    return Picture.of_figure(figure, said)


def regret_curves_picture(curves: pd.DataFrame, *by: str, exact: Sequence[float] | None = None) -> Picture:
    """Mean regret with its 95% Student-t band over seeds, a curve a method, each with its own dash.

    ``curves``: from ``nasbook.analysis.measures.regret``. ``by``: a panel for each of "evaluations" (the default) and
    "seconds", with regrets on the arena's scale. ``exact``: a law to compare with, the regret of random search, one
    value an evaluation. The sentence gives, for each panel, every method's last mean and interval, the least first.
    Raises NasbookError for fewer than two seeds and for more methods than can be told apart.
    """
    shown = [one_of(axis, UNITS, "axis") for axis in by or ("evaluations",)]
    methods = list(dict.fromkeys(curves["method"]))
    if not 1 <= len(methods) <= len(LOOKS):
        raise NasbookError(f"there are {len(methods)} methods: one picture tells 1 to {len(LOOKS)} apart")
    seeds = " or ".join(str(n) for n in sorted(set(curves.groupby("method")["seed"].nunique())))
    said, top = [], NARROW
    with panels(8 + 2 * (len(shown) > 1), 3.6, 1, len(shown), squeeze=False, sharey=True) as (figure, grid):
        for axes, axis in zip(grid[0], shown):
            bands = {method: _band(curves[curves["method"] == method], axis, method) for method in methods}
            for (method, (places, mean, low, high)), (colour, _, dash) in zip(bands.items(), LOOKS):
                look = {"facecolor": (colour, 0.1), "edgecolor": (colour, 0.7), "linestyle": dash, "linewidth": 0.6}
                axes.fill_between(places, low, high, **look)
                top = max(top, high.max())
                axes.plot(places, mean, color=colour, linestyle=dash, linewidth=1.8, label=method)
            if exact is not None and axis == "evaluations":
                law = np.arange(1, len(exact) + 1), exact
                axes.plot(*law, color="#555555", linewidth=1, label="random search that sees the truth, exactly")
            axes.set(xlabel=UNITS[axis][0])
            ends = sorted((mean[-1], low[-1], high[-1], method) for method, (_, mean, low, high) in bands.items())
            at = "; ".join(f"{method} {mean:.2%} ({low:.2%} to {high:.2%})" for mean, low, high, method in ends)
            said.append(f"{UNITS[axis][1]}, {at}")
        for axes in figure.axes:
            axes.set_yscale("function", functions=(narrowed, lambda heights: NARROW * np.expm1(heights)))
            axes.set(ylim=(0, top), yticks=[tick for tick in TICKS if tick <= top])
            axes.yaxis.set_major_formatter(lambda tick, _: f"{100 * tick:g}%")
        figure.axes[0].set(ylabel="regret (mean, 95% interval)")
        figure.axes[0].legend(loc="upper right")
    return Picture.of_figure(figure, f"regret, mean and 95% interval over {seeds} seeds: {'; '.join(said)}")


def narrowed(regrets: np.ndarray) -> np.ndarray:
    """The height at which regrets are drawn."""
    return np.log1p(np.maximum(regrets, 0) / NARROW)


def _band(curves: pd.DataFrame, by: str, method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Places, mean, and the ends of its interval over seeds, each (n,): where all seeds have spent as much."""
    seeds = [rows for _, rows in curves.groupby("seed")]
    if len(seeds) < 2:
        raise NasbookError(f"{method} has {len(seeds)} seed: an interval needs at least two")
    first, last = max(rows[by].iloc[0] for rows in seeds), min(rows[by].iloc[-1] for rows in seeds)
    places = np.arange(first, last + 1) if by == "evaluations" else np.linspace(first, last, 200)  # (n,)
    read = [rows["regret"].to_numpy()[np.searchsorted(rows[by], places, side="right") - 1] for rows in seeds]
    values = np.array(read)  # (seeds, n)
    mean = values.mean(axis=0)  # (seeds, n) -> (n,)
    half = half_widths(values)
    return places, mean, np.maximum(mean - half, 0), mean + half
