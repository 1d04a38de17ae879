"""Progressive search: cells grow block by block, and a learned predictor says which of the larger ones to train.

Liu et al., "Progressive Neural Architecture Search", ECCV 2018, arXiv 1712.00559, Algorithm 1. All cells of one block
are trained. Then, level by level: all one-block extensions of the cells just trained are scored by the predictor, the
K best are trained, and the predictor is fitted anew to everything that is known.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

import numpy as np
from pydantic import Field

from nasbook.analysis.measures import best_places, spearman
from nasbook.base.errors import NasbookError
from nasbook.searchers.predictors import Ensemble
from nasbook.spaces.edges.growing import check_growing, grown
from nasbook.trials.running import Trial, TrialConfig


class Config(TrialConfig):
    """The paper's settings: a beam of K = 256, five LSTMs of 100 units.

    ``predictor`` "lstm" or "mlp", ``members`` in the ensemble, ``units`` wide. ``learning_rate`` of the fit to
    one-block cells, ``later_rate`` of those to more; ``steps`` of each fit are our choice. The search is over once the
    last level's beam is evaluated: where a beam is narrow, before ``evaluations`` are spent.
    """

    evaluations: int = Field(1160, gt=0)
    beam: int = Field(256, gt=0)
    predictor: Literal["lstm", "mlp"] = "lstm"
    members: int = Field(5, gt=0)
    units: int = Field(100, gt=0)
    steps: int = Field(200, gt=0)
    learning_rate: float = Field(0.01, gt=0)
    later_rate: float = Field(0.002, gt=0)


_SMALL = {"units": 20, "steps": 100, "later_rate": 0.01}

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {**_SMALL, "evaluations": 200, "beam": 20},
    "lesson": {**_SMALL, "evaluations": 1000, "beam": 64, "units": 50},
    "paper": {},
}
"""Smoke and lesson are ours: little data and few steps want the larger rate all along."""

Predict = Callable[[Sequence[Hashable]], np.ndarray]
"""From cells to what is expected of them, (n,)."""

Learn = Callable[[Sequence[Hashable], Sequence[float], int], Predict]
"""From all cells evaluated, their scores and the level, to predictions of the next level."""


def search(trial: Trial) -> Hashable:
    """Grow to the last level with the ensemble; the cell with the best score there."""
    return grow(trial, lambda cells, scores, level: fitted(trial, cells, scores, level))


def grow(trial: Trial, learn: Learn) -> Hashable:
    """Algorithm 1 with any predictor: K = 1 is greedy, and a K as large as a level with true predictions is exact.

        S_b = the K of all one-block extensions of S_(b-1) whose predicted accuracy is largest

    A cell that was evaluated at a lower level already, because the added block changes nothing, is not evaluated again.
    Raises NasbookError for a space that does not grow.
    """
    space, known = check_growing(trial.space), {}
    beam = list(dict.fromkeys(space.first()))
    known.update(zip(beam, trial.evaluate(beam).tolist(), strict=True))
    trial.note(level=1, candidates=len(beam), kept=len(beam))
    for level in range(2, space.levels + 1):
        predict = learn(list(known), list(known.values()), level - 1)
        candidates = grown(space, beam, level - 1)
        expected = predict(candidates)  # (n,)
        chosen = best_places(expected, trial.config.beam)
        beam = [candidates[place] for place in chosen]
        new = [cell for cell in beam if cell not in known]
        known.update(zip(new, trial.evaluate(new).tolist(), strict=True))
        trial.note(level=level, candidates=len(candidates), kept=len(beam))
        _note_ranking(trial, "next_size", expected[chosen], [known[cell] for cell in beam])
    return max(beam, key=known.__getitem__)


def fitted(trial: Trial, cells: Sequence[Hashable], scores: Sequence[float], level: int) -> Predict:
    """An ensemble of fresh predictors, fitted to all that is known; notes its error and how it ranks unseen cells."""
    space, config = trial.space, trial.config
    sentences = [space.words(cell) for cell in cells]
    ensemble = Ensemble(
        sentences,
        scores,
        kinds=space.kinds,
        sizes=space.sizes,
        rng=trial.rng,
        kind=config.predictor,
        members=config.members,
        units=config.units,
        steps=config.steps,
        learning_rate=config.learning_rate if level == 1 else config.later_rate,
    )
    trial.note(predictor_error=ensemble.errors[-1])
    _note_ranking(trial, "same_size", ensemble.held_out(sentences), scores)
    return lambda candidates: ensemble.predict([space.words(cell) for cell in candidates])


def _note_ranking(trial: Trial, name: str, expected: Sequence[float], scores: Sequence[float]) -> None:
    """Spearman's rho of predictions made before the scores were known; nothing where there is no order."""
    with suppress(NasbookError):
        trial.note(**{f"spearman_{name}": spearman(expected, scores)})
