"""A search or a training as curves, alphas as heat maps: made without pyplot, so that none is shown twice."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasbook.base.errors import NasbookError
from nasbook.drawing.parts import describe, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

INCHES = 8.2
PANEL = 2.45
COLUMNS = 3
LEAST_SPAN = 0.02  # nats: a drop by a millionth shall not look like a decision


def trace_figure(trace: pd.DataFrame) -> Figure:
    """Loss, accuracy, entropy of the alphas, skips in the derived cell and temperature, by epoch.

    A training (splits "train" and "test") has loss, accuracy and learning rate.
    ``trace``: columns step, split, quantity, value; a quantity that is missing leaves its panel out.
    Raises NasbookError if a column is missing or nothing in it can be drawn.
    """
    from matplotlib.figure import Figure

    with style.rc():
        figure = Figure(figsize=(INCHES, PANEL * trace_rows(trace) + 0.2), layout="constrained")
        draw_trace(figure, trace, describe.trace_sentence(trace))
    return figure


def draw_trace(figure: Figure | SubFigure, trace: pd.DataFrame, sentence: str) -> None:
    """Draw the panels of ``trace`` into ``figure``, and ``sentence`` after the last of them: below where their
    rows are full."""
    panels = trace_panels(trace)
    rows = trace_rows(trace)
    for index, panel in enumerate(panels):
        _draw_panel(figure.add_subplot(rows, COLUMNS, index + 1), *panel)
    if not len(panels) % COLUMNS:
        figure.supxlabel(textwrap.fill(sentence, 120), x=0.01, ha="left", fontsize=9)
        return
    words = figure.add_subplot(rows, COLUMNS, len(panels) + 1)
    words.set_axis_off()
    wrapped = "\n\n".join(textwrap.fill(part, 34) for part in sentence.split("; "))
    words.text(0, 1, wrapped, va="top", fontsize=9, linespacing=1.2, in_layout=False)


def trace_rows(trace: pd.DataFrame) -> int:
    """Rows that the panels of ``trace`` fill. Raises as ``trace_panels`` does."""
    return -(-len(trace_panels(trace)) // COLUMNS)


def trace_panels(trace: pd.DataFrame) -> list[tuple[str, dict[str, tuple[pd.Series, tuple[str, str, str]]]]]:
    """The panels that ``trace`` has data for: (title, {curve: (values by step, (colour, dash, marker))}).

    Raises NasbookError if a column is missing or nothing in it can be drawn.
    """
    describe.check_trace(trace)
    splits, kinds = style.SPLITS.items(), style.KINDS.items()
    wanted = [
        ("loss", {split: ("loss", split, looks) for split, looks in splits}),
        ("accuracy (%)", {split: ("accuracy", split, looks) for split, looks in splits}),
        ("entropy (nats per edge)", {kind: (f"entropy_{kind}", "search", looks) for kind, looks in kinds}),
        ("skips in the cell", {kind: (f"skips_{kind}", "search", looks) for kind, looks in kinds}),
        ("temperature", {"": ("temperature", "search", (style.INK, "-", "o"))}),
        ("learning rate", {"": ("learning_rate", "train", (style.INK, "-", "o"))}),
    ]
    panels = []
    for label, curves in wanted:
        found = {name: (describe.series(trace, *which), looks) for name, (*which, looks) in curves.items()}
        found = {name: curve for name, curve in found.items() if len(curve[0])}
        if found:
            panels.append((label, found))
    if not panels:
        raise NasbookError(
            "this trace holds no loss, accuracy, entropy, skips, temperature or learning rate: there is no curve"
        )
    return panels


def _draw_panel(axes: Axes, label: str, curves: dict[str, tuple[pd.Series, tuple[str, str, str]]]) -> None:
    """Draw the curves of one panel; their names stand above the frame, where they cover no data."""
    from matplotlib.ticker import MaxNLocator

    scale = 100 if label.startswith("accuracy") else 1
    for name, (values, (colour, dash, marker)) in curves.items():
        look = {"color": colour, "linestyle": dash, "marker": marker if len(values) <= 30 else ""}
        axes.plot(values.index, scale * values.to_numpy(), label=name, **look)
    axes.set_title(label, loc="left", pad=20 if len(curves) > 1 else 6)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=label.startswith("skips")))
    axes.ticklabel_format(useOffset=False)
    if label.startswith("skips"):
        axes.set_ylim(bottom=-0.2)
    if label.startswith("entropy"):
        low, high = axes.get_ylim()
        slack = max(0.0, LEAST_SPAN - (high - low)) / 2
        axes.set_ylim(low - slack, high + slack)
    if len(curves) > 1:
        tight = {"borderpad": 0, "columnspacing": 0.7, "handlelength": 1.8, "handletextpad": 0.3}
        names = axes.legend(loc="lower left", bbox_to_anchor=(-0.04, 0.97), ncols=3, **tight)
        names.set_in_layout(False)


def alphas_figure(alphas: np.ndarray, steps: Sequence[int], kinds: Sequence[str], operations: Sequence[str]) -> Figure:
    """softmax(alphas) as heat maps: one panel an operation, rows are edges, columns are epochs.

    ``alphas`` (snapshots, cell kinds, edges, operations). White is uniform, 1 / operations; the scale is
    symmetric about it and taken from the data, so that small preferences show. A dot marks each edge's
    largest probability at the last snapshot. Raises NasbookError if the shapes do not agree.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    describe.check_alphas(alphas, steps, kinds, operations)
    chance = describe.probabilities(alphas)
    uniform = 1 / len(operations)
    reach = max(float(np.abs(chance - uniform).max()), 1e-3)
    edges = describe.edge_names(chance.shape[2])
    ticks = sorted({0, len(steps) - 1})
    with style.rc():
        figure = Figure(figsize=(INCHES, len(kinds) * (0.6 + 0.17 * len(edges)) + 0.9), layout="constrained")
        grid = figure.subplots(len(kinds), len(operations), sharex=True, sharey=True, squeeze=False)
        for row, kind in enumerate(kinds):
            for column, operation in enumerate(operations):
                axes = grid[row, column]
                # (snapshots, kinds, edges, operations) -> (edges, snapshots)
                values, ends = chance[:, row, :, column].T, {"vmin": uniform - reach, "vmax": uniform + reach}
                image = axes.imshow(values, aspect="auto", interpolation="nearest", cmap="PuOr_r", **ends)
                axes.grid(False)
                axes.set_title(style.look(operation).label, fontsize=9, color=style.look(operation).ink)
                lead = np.flatnonzero(chance[-1, row].argmax(axis=-1) == column)
                last = np.full(len(lead), len(steps) - 1)
                dots = axes.plot(last, lead, ".", color=style.INK, markersize=4, clip_on=False)
                dots[0].set_in_layout(False)
                axes.tick_params(left=column == 0)
                # ticks are named by their epochs: snapshots need not be evenly spaced
                axes.set_xticks(ticks, [str(steps[tick]) for tick in ticks], fontsize=8)
            grid[row, 0].set_yticks(range(len(edges)), [_mathtext(name) for name in edges], fontsize=8)
            grid[row, 0].set_ylabel(f"{kind} cell: edge")
        sentence = textwrap.fill(describe.alphas_sentence(alphas, steps, kinds, operations), 110)
        figure.supxlabel(f"epoch (dot: the edge's largest at the end)\n{sentence}", fontsize=9)
        levels = np.linspace(chance.min(), max(chance.max(), chance.min() + 1e-6), 257)
        place = {"ax": grid, "aspect": 40, "pad": 0.02, "fraction": 0.03}
        bar = figure.colorbar(image, boundaries=levels, spacing="proportional", **place)
        bar.locator = MaxNLocator(7)
        bar.update_ticks()
        bar.set_label(f"softmax(alpha); white = uniform = {uniform:.3f}", fontsize=9)
    return figure


def _mathtext(edge: str) -> str:
    node, _, source = edge.partition(" <- ")
    if not source:
        return edge
    return rf"{node} $\leftarrow$ " + (f"${source}$" if source.startswith("c_") else source)
