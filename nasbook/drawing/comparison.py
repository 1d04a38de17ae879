"""Every seed a dot, every group its interval: the picture behind a statement about methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nasbook.drawing import style
from nasbook.drawing.picture import Picture
from nasbook.statistics import summarize


def seeds_picture(groups: Mapping[str, Sequence[float]], label: str, chance: float | None = None) -> Picture:
    """Dots and 95% Student-t intervals of fractions in [0, 1], one row a group, the first on top.

    ``label`` names the quantity; ``chance`` draws the line of a guess. The sentence gives each group's mean, n and
    interval. Raises NasbookError for a group of fewer than two values.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    found = {name: summarize(values) for name, values in groups.items()}
    with style.rc():
        figure = Figure(figsize=(8, 0.9 + 0.5 * len(groups)), layout="constrained")
        axes = figure.add_subplot()
        for row, (name, values) in enumerate(groups.items()):
            summary = found[name]
            axes.plot([summary.low, summary.high], [row, row], color="#0072B2", linewidth=6, alpha=0.3)
            axes.plot(values, [row] * len(values), "o", color="#0072B2", markersize=5)
            axes.plot(summary.mean, row, "|", color="black", markersize=16, markeredgewidth=2)
        if chance is not None:
            axes.axvline(chance, color="#555555", linestyle="--", linewidth=1, label=f"chance, {chance:.0%}")
            axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
        axes.set_yticks(range(len(groups)), list(groups))
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel(f"{label} (dots: seeds; bar: 95% interval of the mean)")
    said = "; ".join(f"{name}: {summary}" for name, summary in found.items())
    return Picture.of_figure(figure, f"{label}: {said}")
