"""How wide a beam, how good a predictor? Cells of a small space that grow stage by stage, and which survive."""

from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from nasbook.analysis.measures import spearman
from nasbook.base.errors import NasbookError
from nasbook.drawing.parts import axes, style, svg
from nasbook.drawing.parts.shell import Frame, Shell, slider, steps
from nasbook.spaces.edges.growing import GrowingSpace, check_growing, grown

WIDTH, HEIGHT = 900, 440
TOP, BOTTOM = 92, 380
TREE = (84, 520)
SCATTER = (610, 880)
MOST = 400
"""How many cells a stage may have."""

KEPT, LOST, BEST = "#0072B2", "#8C8C8C", "#D55E00"


class BeamSteps(NamedTuple):
    """All cells of each stage: true ``values`` (n,), ``errors`` (n,) of a predictor that knows them but for noise of
    their own spread, and ``children``, for each cell the places of its extensions in the next stage."""

    values: tuple[np.ndarray, ...]
    errors: tuple[np.ndarray, ...]
    children: tuple[tuple[tuple[int, ...], ...], ...]


class Stage(NamedTuple):
    """One stage of a search: places of its candidates (n,), what is predicted of them (n,), and who survives."""

    candidates: np.ndarray
    predicted: np.ndarray
    survivors: frozenset[int]


def prepare(space: GrowingSpace, value: Callable[[Hashable], float], rng: np.random.Generator) -> BeamSteps:
    """The story of ``space`` with true values as fractions.

    Raises NasbookError for a space that does not grow and for a stage of over ``MOST`` cells.
    """
    stages, children = [_drawable(check_growing(space).first())], []
    for level in range(1, space.levels):
        stages.append(_drawable(grown(space, stages[-1], level)))
        place = {cell: i for i, cell in enumerate(stages[-1])}
        extended = [dict.fromkeys(space.extensions(cell, level)) for cell in stages[-2]]
        children.append(tuple(tuple(sorted(place[larger] for larger in cells)) for cells in extended))
    values = tuple(np.array([float(value(cell)) for cell in stage]) for stage in stages)
    errors = tuple(one.std() * rng.standard_normal(len(one)) for one in values)
    return BeamSteps(values, errors, tuple(children))


def _drawable(cells: list[Hashable]) -> list[Hashable]:
    if len(cells) > MOST:
        raise NasbookError(f"a stage has {len(cells):,} cells, and {MOST} can be drawn: take a smaller space")
    return cells


def play(story: BeamSteps, beam: int, noise: float) -> list[Stage]:
    """The beam search through all stages with a predictor whose error is ``noise`` times the spread of the values."""
    found: list[Stage] = []
    for level, (values, errors) in enumerate(zip(story.values, story.errors)):
        reached = range(len(values))
        if level:
            reached = {child for place in found[-1].survivors for child in story.children[level - 1][place]}
        candidates = np.array(sorted(reached))
        predicted = values[candidates] + noise * errors[candidates]  # (n,)
        kept = np.argsort(-predicted, kind="stable")[: beam if level else None]
        found.append(Stage(candidates, predicted, frozenset(candidates[kept].tolist())))
    return found


def render(story: BeamSteps, beam: int, stage: int, noise: float) -> Frame:
    """The frame of a search with this ``beam`` width and predictor ``noise``, when ``stage``, from 1, is done."""
    search = play(story, beam, noise)
    now, values = search[stage - 1], story.values[stage - 1]
    best = max(now.survivors, key=lambda place: values[place])
    kept = sum(len(one.survivors) for one in search[:stage])
    known = "all are trained" if stage == 1 else f"{len(now.survivors)} survive and are trained"
    sentence = (
        f"Stage {stage}, beam {beam}, predictor noise {noise:.2f}: {len(now.candidates)} candidates of {len(values)} "
        f"cells, {known}{_ranked(now, values)}; best survivor {values[best]:.1%}, best cell of the stage "
        f"{values.max():.1%}; {kept} kept so far of {sum(map(len, story.values[:stage]))}."
    )
    title = f"stage {stage}: {len(now.candidates)} candidates of {len(values)} cells, {len(now.survivors)} survive"
    trained = f"{kept} cells kept and trained so far; best survivor {values[best]:.1%}, best {values.max():.1%}"
    parts = [
        svg.text(20, 26, title, 15),
        svg.text(20, 46, trained),
        *_tree(story, search[:stage]),
        *_scatter(now, values, _range(story), stage),
        _dot(30, 418, True),
        svg.text(42, 422, "survives"),
        _dot(130, 418, False),
        svg.text(142, 422, "is dropped"),
        svg.circle(240, 418, 7, "none", stroke=BEST, width=2),
        svg.text(254, 422, "best cell of the stage, met or not"),
        *axes.key(SCATTER[0], 422, "the cut: from here on, cells survive", KEPT, width=1.2, dash="6 3"),
    ]
    return Frame(svg.page(WIDTH, HEIGHT, sentence, parts), sentence)


def explore(story: BeamSteps) -> Shell:
    """The widget: beam width, stage, and how wrong the predictor is."""
    last = len(story.values)
    controls = {
        "beam": steps("beam width K", 4, 1, 20),
        "stage": steps("stage b", last, 1, last),
        "noise": slider("predictor noise", 0.5, 0.0, 3.0, 0.05),
    }
    return Shell(lambda **values: render(story, **values), controls, HEIGHT)


def _ranked(stage: Stage, values: np.ndarray) -> str:
    """How the predictor orders the candidates, in words; nothing where there is no order."""
    try:
        return f", rank correlation {spearman(stage.predicted, values[stage.candidates]):.2f}"
    except NasbookError:
        return ""


def _range(story: BeamSteps) -> tuple[float, float]:
    """The ends of the axis of values, a little beyond them; a few very low values would hide how the others differ."""
    every = np.concatenate(story.values)
    first, third = np.quantile(every, (0.25, 0.75))
    lowest = max(every.min(), first - 3 * (third - first))
    room = 0.05 * max(every.max() - lowest, 1e-3)
    return lowest - room, every.max() + room


def _tree(story: BeamSteps, search: list[Stage]) -> list[str]:
    """A column a stage, a dot a cell at the height of its true value, lines from survivors to their extensions."""
    low, high = _range(story)
    left, right = TREE
    y = axes.scale(low, high, BOTTOM, TOP, clip=True)

    def x(level: int, place: int) -> float:
        # cells of one value would hide each other: their places spread them over the column
        middle = left + (level + 0.5) * (right - left) / len(story.values)
        return middle + 80 * (place / max(len(story.values[level]) - 1, 1) - 0.5)

    said = "" if low <= min(map(np.min, story.values)) else "; lower values stand on the lowest line"
    parts = [svg.text(20, 74, f"true value; lines lead from survivors to extensions{said}")]
    parts += axes.rows(y, np.linspace(low, high, 5), left - 4, right, "{:.0%}".format)
    for level, values in enumerate(story.values):
        middle = left + (level + 0.5) * (right - left) / len(story.values)
        parts.append(svg.text(middle, BOTTOM + 20, f"stage {level + 1}", 12, "middle"))
        if level >= len(search):
            continue
        if level:
            for parent in sorted(search[level - 1].survivors):
                begin = x(level - 1, parent), y(story.values[level - 1][parent])
                for child in story.children[level - 1][parent]:
                    stroke = KEPT if child in search[level].survivors else "#D5D5D5"
                    parts.append(svg.line(*begin, x(level, child), y(values[child]), stroke, width=0.7, opacity=0.6))
        for place in search[level].candidates.tolist():
            parts.append(_dot(x(level, place), y(values[place]), place in search[level].survivors))
        top = int(values.argmax())
        parts.append(svg.circle(x(level, top), y(values[top]), 7, "none", stroke=BEST, width=2))
    return parts


def _scatter(stage: Stage, values: np.ndarray, ends: tuple[float, float], number: int) -> list[str]:
    """Prediction against truth, the diagonal, and the cut below which nobody survives."""
    room = 0.05 * (ends[1] - ends[0])
    low = min(ends[0], np.quantile(stage.predicted, 0.1) - room)
    high = max(ends[1], stage.predicted.max() + room)
    left, right = SCATTER
    x, y = axes.scale(low, high, left, right, clip=True), axes.scale(low, high, BOTTOM, TOP, clip=True)
    cut = min(guess for place, guess in zip(stage.candidates.tolist(), stage.predicted) if place in stage.survivors)
    parts = [
        svg.text(left, 74, f"stage {number}: predicted and true value"),
        svg.line(left, BOTTOM, right, BOTTOM, style.QUIET),
        svg.line(left, TOP, left, BOTTOM, style.QUIET),
        svg.line(x(low), y(low), x(high), y(high), style.QUIET, dash="2 3"),
        svg.line(x(cut), TOP, x(cut), BOTTOM, KEPT, width=1.2, dash="6 3"),
        svg.text((left + right) / 2, BOTTOM + 20, "predicted", 12, "middle"),
        svg.text(left - 12, (TOP + BOTTOM) / 2, "true", 12, "middle", turn=-90),
    ]
    for place, guess in zip(stage.candidates.tolist(), stage.predicted):
        parts.append(_dot(x(guess), y(values[place]), place in stage.survivors))
    top = int(values.argmax())
    if top in stage.candidates:
        guess = stage.predicted[stage.candidates.tolist().index(top)]
        parts.append(svg.circle(x(guess), y(values[top]), 7, "none", stroke=BEST, width=2))
    return parts


def _dot(x: float, y: float, kept: bool) -> str:
    return svg.circle(x, y, 4, KEPT) if kept else svg.circle(x, y, 3, "none", stroke=LOST, width=1.1)
