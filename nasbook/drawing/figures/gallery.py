"""What a run shows of itself: the files in its ``figures`` folder, and its picture in a notebook."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nasbook.drawing.figures import cells, traces
from nasbook.drawing.parts import describe, render, style
from nasbook.drawing.parts.describe import Kinds
from nasbook.drawing.parts.picture import Bundle, Picture, bundle

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def save_run_figures(
    folder: str | Path,
    trace: pd.DataFrame,
    alphas: np.ndarray,
    steps: Sequence[int],
    kinds: Sequence[str],
    operations: Sequence[str],
    genotype_kinds: Kinds,
) -> list[Path]:
    """Write trace, alphas and cell_KIND as .svg and .png into ``folder``/figures; return their paths.

    Arguments as for ``trace_figure``, ``alphas_figure`` and ``genotype_graph``. The cells come last, so
    that curves are there even where no Graphviz works. Raises NasbookError then, and when the folder
    cannot be written; each file is whole or absent.
    """
    target = Path(folder) / "figures"
    paths, curves, maps = [], traces.trace_figure(trace), traces.alphas_figure(alphas, steps, kinds, operations)
    for name, figure in (("trace", curves), ("alphas", maps)):
        paths += [Picture(name, figure).save(target / f"{name}.{form}") for form in ("svg", "png")]
    for name, cell in genotype_kinds.items():
        picture = cells.draw({name: cell}, complete=False)
        paths += [picture.save(target / f"cell_{name}.{form}") for form in ("svg", "png")]
    return paths


def run_sentence(trace: pd.DataFrame, genotype_kinds: Kinds) -> str:
    """The sentences of a run's curves and cells, in one."""
    return f"{describe.trace_sentence(trace)}; {describe.genotype_sentence(genotype_kinds)}"


def run_picture(trace: pd.DataFrame, genotype_kinds: Kinds) -> Picture:
    """Cells above curves in one figure. Raises NasbookError if no Graphviz works or the trace is empty."""
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    graph = cells.genotype_graph(genotype_kinds, caption=describe.genotype_sentence(genotype_kinds))
    cell = imread(io.BytesIO(render.render(graph.source, "png")))
    tall, wide = cell.shape[:2]
    inches = min(traces.INCHES * tall / wide, tall / render.DPI)
    rows = traces.trace_rows(trace)
    with style.rc():
        height = traces.PANEL * rows
        figure = Figure(figsize=(traces.INCHES, inches + height + 0.3), layout="constrained")
        top, bottom = figure.subfigures(2, 1, height_ratios=(inches + 0.3, height))
        axes = top.add_subplot()
        axes.imshow(cell, interpolation="antialiased")
        axes.set_anchor("W")
        axes.set_axis_off()
        traces.draw_trace(bottom, trace, describe.trace_sentence(trace))
    return Picture.of_figure(figure, run_sentence(trace, genotype_kinds))


def run_mimebundle(trace: pd.DataFrame, genotype_kinds: Kinds) -> Bundle:
    """What ``Run._repr_mimebundle_`` returns: image/png, its alt text, and the same sentence as text/plain.

    Never raises NasbookError: without Graphviz, or before the first epoch, the sentence says why there is
    no picture.
    """
    return bundle(run_sentence(trace, genotype_kinds), lambda: run_picture(trace, genotype_kinds))


def training_mimebundle(trace: pd.DataFrame) -> Bundle:
    """What a training shows of itself: curves as image/png, their alt text, the same sentence as text/plain.

    ``trace``: columns step, split, quantity, value, with splits "train" and, after the last epoch, "test".
    Never raises NasbookError: before the first epoch the sentence says why there is no picture.
    """
    sentence = describe.trace_sentence(trace)
    return bundle(sentence, lambda: Picture.of_figure(traces.trace_figure(trace), sentence))
