"""Every seed a dot, every group its interval: the picture behind a statement about methods."""

from collections.abc import Mapping, Sequence

import numpy as np

from nasbook.analysis.intervals import summarize
from nasbook.drawing.parts.picture import Picture, panels, percent

APART = 1 / 60
"""The width of a dot as a share of the range of all values."""


def seeds_picture(
    groups: Mapping[str, Sequence[float]], label: str, chance: float | None = None, exact: float | None = None
) -> Picture:
    """Dots and 95% Student-t intervals of fractions in [0, 1], one row a group, the first on top.

    ``label`` names the quantity; ``chance`` draws the line of a guess, ``exact`` that of the true value. Dots that
    would hide one another stand one above the other. The sentence gives each group's mean, n and interval.
    Raises NasbookError for a group of fewer than two values.
    """
    found = {name: summarize(values) for name, values in groups.items()}
    lines = {name: at for name, at in (("chance", chance), ("exact", exact)) if at is not None}
    wide = APART * np.ptp(np.concatenate([*map(list, groups.values()), list(lines.values())]))
    with panels(8, 0.9 + 0.5 * len(groups)) as (figure, axes):
        for row, (name, values) in enumerate(groups.items()):
            summary = found[name]
            axes.plot([summary.low, summary.high], [row, row], color="#0072B2", linewidth=6, alpha=0.3)
            axes.plot(values, row + stacked(values, wide), "o", color="#0072B2", markersize=5)
            axes.plot(summary.mean, row, "|", color="black", markersize=16, markeredgewidth=2)
        for (name, at), dash in zip(lines.items(), ("--", ":")):
            axes.axvline(at, color="#555555", linestyle=dash, linewidth=1.5, label=f"{name}, {100 * at:.3g}%")
        if lines:
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
        axes.set_yticks(range(len(groups)), list(groups))
        axes.set_ylim(len(groups) - 0.5, -0.5)
        percent(axes.xaxis)
        axes.set_xlabel(f"{label} (dots: seeds; bar: 95% interval of the mean)")
    said = "; ".join(f"{name}: {summary}" for name, summary in found.items())
    return Picture.of_figure(figure, f"{label}: {said}")


def stacked(values: Sequence[float], wide: float) -> np.ndarray:
    """Heights (n,) in rows, within .4 of the middle, at which no two dots of width ``wide`` hide one another."""
    levels, ends = np.zeros(len(values), dtype=int), []
    for place in np.argsort(values, kind="stable"):
        free = (level for level, end in enumerate(ends) if values[place] - end >= (wide or 1))
        levels[place] = level = next(free, len(ends))
        ends[level : level + 1] = [values[place]]
    # levels 0, 1, 2, 3, ... stand in the middle, above, below, further above, ...
    return np.where(levels % 2, -1, 1) * ((levels + 1) // 2) * min(0.17, 0.8 / len(ends))
