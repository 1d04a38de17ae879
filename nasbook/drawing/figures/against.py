"""A measured quantity against a setting, every seed a dot: the picture behind a statement about that setting."""

from collections.abc import Mapping, Sequence

from nasbook.analysis.intervals import summarize
from nasbook.drawing.parts.picture import Picture, panels, percent

LOOKS = (("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", ":", "^"))
"""Colour, line and marker of a series, in the order given."""


def against_picture(
    series: Mapping[str, Mapping[float, Sequence[float]]], setting: str, quantity: str, apart: float = 0.12
) -> Picture:
    """Fractions against a ``setting``: each of at most three series maps its values to those of the seeds.

    Dots are seeds, bars 95% Student-t intervals of the mean, joined by lines; series stand ``apart`` on the axis so
    that none hides another. The sentence gives each mean and interval. Raises NasbookError for fewer than two seeds.
    """
    said = []
    with panels(8, 3) as (figure, axes):
        for place, ((name, points), (colour, dash, marker)) in enumerate(zip(series.items(), LOOKS)):
            shift = (place - (len(series) - 1) / 2) * apart
            found = {at: summarize(list(values)) for at, values in points.items()}
            xs, means = [at + shift for at in found], [one.mean for one in found.values()]
            half = [one.high - one.mean for one in found.values()]
            axes.errorbar(xs, means, half, color=colour, linestyle=dash, capsize=4, label=name)
            for x, values in zip(xs, points.values()):
                axes.plot([x] * len(values), values, marker, color=colour, alpha=0.55)
            said += [f"{name}, {setting} {at:g}: {one}" for at, one in found.items()]
        if any(value < 0 for points in series.values() for values in points.values() for value in values):
            axes.axhline(0, color="#555555", linewidth=1)
        axes.set_xticks(sorted({at for points in series.values() for at in points}))
        percent(axes.yaxis)
        axes.set(xlabel=f"{setting} (dots: seeds; bars: 95% intervals of the mean)", ylabel=quantity)
        axes.legend()
    return Picture.of_figure(figure, f"{quantity}: {'; '.join(said)}")
