"""What exploring cost: cumulative regret over rounds, a curve and a band for each policy."""

from collections.abc import Mapping

import numpy as np

from nasbook.analysis.intervals import half_widths
from nasbook.base.errors import NasbookError
from nasbook.drawing.parts.picture import Picture, panels

LOOKS = (  # colour of the curve, darker ink of its name, line
    ("#0072B2", "#0072B2", "-"),
    ("#D55E00", "#A84A00", "--"),
    ("#009E73", "#007A59", "-."),
    ("#CC79A7", "#A0457A", ":"),
    ("#000000", "#000000", (0, (6, 1, 1, 1, 1, 1))),
    ("#E69F00", "#8A5F00", (0, (1, 2))),
)


def regret_picture(regrets: Mapping[str, np.ndarray], what: str = "regret") -> Picture:
    """Mean cumulative regret with its 95% Student-t band over seeds, at most six policies.

    ``regrets``: for each policy (seeds, rounds), the regret of each round. Each curve is named at its end.
    The sentence gives every policy's final mean and interval, the least first. Raises NasbookError for
    fewer than two seeds, for another number of axes and for more than six policies.
    """
    if not 1 <= len(regrets) <= len(LOOKS):
        raise NasbookError(f"there are {len(regrets)} policies: one picture tells 1 to {len(LOOKS)} apart")
    bands = {name: band(values, name) for name, values in regrets.items()}
    with panels(8, 3.4) as (figure, axes):
        for (mean, half), (colour, _, dash) in zip(bands.values(), LOOKS):
            rounds = np.arange(1, len(mean) + 1)
            axes.fill_between(rounds, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
            axes.plot(rounds, mean, color=colour, linestyle=dash, linewidth=1.8)
        names = sorted(bands, key=lambda name: bands[name][0][-1])
        top = max(mean[-1] + half[-1] for mean, half in bands.values())
        height = -np.inf
        for name in names:
            # names at least a line apart, however close their curves end
            height = max(float(bands[name][0][-1]), height + 0.075 * top)
            ink = LOOKS[list(bands).index(name)][1]
            axes.annotate(
                name, (len(bands[name][0]), bands[name][0][-1]), xytext=(1.02, height),
                textcoords=("axes fraction", "data"), color=ink, va="center", annotation_clip=False,
            )  # fmt: skip
        axes.set(xlabel="round", ylabel=f"{what} so far", ylim=(0, 1.05 * max(top, height)))
        axes.set_xlim(1, max(len(mean) for mean, _ in bands.values()))
    ends = [(name, *(float(part[-1]) for part in bands[name])) for name in names]
    said = "; ".join(f"{name} {mean:.1f} ({mean - half:.1f} to {mean + half:.1f})" for name, mean, half in ends)
    seeds = " or ".join(str(count) for count in sorted({len(values) for values in regrets.values()}))
    return Picture.of_figure(figure, f"{what} at the end, mean and 95% interval over {seeds} seeds: {said}")


def band(values: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds of the cumulative sum, and half its 95% interval: (seeds, rounds) -> 2 x (rounds,).

    Raises NasbookError for fewer than two seeds or another number of axes.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 2 or len(given) < 2 or not given.shape[1]:
        raise NasbookError(f"{name} has the shape {given.shape}, must be (seeds, rounds) with at least two seeds")
    sums = given.cumsum(axis=1)
    return sums.mean(axis=0), half_widths(sums)
