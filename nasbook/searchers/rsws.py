"""Random search with weight sharing: train the shared weights on random architectures, then rank random ones by them.

Li & Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019, arXiv 1902.07638. Nobody
learns the architecture: this is the baseline that a method with the same super-net has to beat.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import pandas as pd
import torch
from pydantic import Field, model_validator
from torch import Tensor

from nasbook.relaxations.derivation import COLUMNS
from nasbook.spaces.genotypes import Genotype
from nasbook.training.bilevel import supernet_accuracy
from nasbook.training.numerics import stream
from nasbook.training.profiles import LESSON, SMOKE
from nasbook.training.settings import SearchConfig, Splits
from nasbook.training.state import Search
from nasbook.training.steps import descend_weights


class Config(SearchConfig):
    """The settings of the authors' best ablation: weights on one half of the images, candidates judged on the other.

    After the last epoch ``candidates`` random architectures are ranked on ``candidate_images`` held-out images, and the
    ``finalists`` best of them on all; after each epoch before, ``glances`` of them, for the trace.
    """

    updates: ClassVar[tuple[Splits, ...]] = ("weights",)

    epochs: int = Field(150, gt=0)
    channels: int = 24
    clip: float = Field(1.0, gt=0)
    order: tuple[Splits, ...] = Field(("weights",), strict=False)
    split: tuple[float, float, float] = Field((0.25, 0.25, 0.5), strict=False)
    alpha_deviation: float = Field(0.0, ge=0)
    candidates: int = Field(1000, gt=1)
    candidate_images: int = Field(640, gt=0)
    finalists: int = Field(10, gt=1)
    glances: int = Field(2, gt=1)

    @model_validator(mode="after")
    def _ranks(self) -> Self:
        if self.finalists > self.candidates:
            raise ValueError(f"finalists is {self.finalists}, but there are {self.candidates} candidates to rank")
        return self


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {**SMOKE, "epochs": 8, "clip": 5.0, "candidates": 20, "candidate_images": 128, "finalists": 3},
    "lesson": {**LESSON, "epochs": 6, "clip": 5.0, "candidates": 100},
    "paper": {},
}
"""What changes in the settings above, in which ``split`` keeps a part for selection."""


def temperature(config: Config, epoch: int) -> None:
    """There is none: architectures are drawn uniformly."""
    return None


def paths(search: Search) -> dict[str, Tensor]:
    """A uniform architecture: for each kind of cell (E, O) of zeros and ones."""
    return {kind: search.space.random_path(search.draws) for kind in search.alphas}


def weight_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Draw an architecture and train its weights on images (B, 3, H, W), labels (B,); the rest is not touched.

        w_a <- w_a - lr grad L_train(w_a),    a uniform

    The update of the paper's random search with weight-sharing. Returns the batch's loss and number correct.
    """
    return descend_weights(search, search.forward(images, paths(search)), labels)


def derive(search: Search) -> tuple[Genotype | str, pd.DataFrame]:
    """The best of random architectures by held-out accuracy with the shared weights, and its lead over the second:

    argmax over a_1, ..., a_n uniform of accuracy(a; w_a), on few images first, the finalists on all
    """
    config = search.config
    draws = stream(config.seed, f"candidates {search.epoch}")
    count = config.candidates if search.epoch == config.epochs else config.glances
    drawn = [{kind: search.space.random_path(draws) for kind in search.alphas} for _ in range(count)]
    for images, kept in ((config.candidate_images, config.finalists), (len(search.parts["selection"]), 2)):
        positions = search.parts["selection"][torch.randperm(len(search.parts["selection"]), generator=draws)[:images]]
        scores = [supernet_accuracy(search, lambda one=one: one, positions) for one in drawn]
        order = sorted(range(len(drawn)), key=lambda i: -scores[i])[:kept]
        drawn, scores = [drawn[i] for i in order], [scores[i] for i in order]
    best, second = (search.space.read(one) for one in drawn[:2])
    chosen, runner_up = (str(best), scores[0]), (str(second), scores[1])
    row = ["all", -1, "accuracy with shared weights", *chosen, *runner_up, scores[0] - scores[1]]
    return best, pd.DataFrame([row], columns=COLUMNS)
