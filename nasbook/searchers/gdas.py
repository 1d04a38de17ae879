"""GDAS: one sampled operation an edge, with a gradient through the sample.

Dong & Yang, "Searching for a Robust Neural Architecture in Four GPU Hours", CVPR 2019, arXiv 1910.04465. Each
forward runs one architecture drawn by the Gumbel-max trick; the backward pass goes through the soft sample
(straight-through), so that all logits of an edge learn although one operation ran.
"""

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from nasbook.relaxations import samplers
from nasbook.spaces.genotypes import Genotype
from nasbook.training.numerics import frozen_statistics
from nasbook.training.profiles import LESSON, SMOKE
from nasbook.training.settings import SearchConfig
from nasbook.training.state import Search
from nasbook.training.steps import descend_alphas, descend_weights


class Config(SearchConfig):
    """GDAS's settings; the defaults are the paper's where it gives them, else those of the authors' code.

    ``tau_start``, ``tau_end``: the temperature falls linearly over the epochs. The paper prints 10 to 1; the
    authors' erratum says 10 to 0.1.
    ``sample_per``: one draw for each kind of cell, or one for each cell of the network.
    ``estimator``: "executed" runs the sampled operation only (the paper's acceleration); "full" runs all of
    them, those with weight zero too, which is straight-through in full.
    """

    epochs: int = Field(240, gt=0)
    batch_size: int = Field(128, gt=1)
    tau_start: float = Field(10.0, gt=0)
    tau_end: float = Field(0.1, gt=0)
    sample_per: Literal["forward", "cell"] = "forward"
    estimator: Literal["executed", "full"] = "executed"


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {**SMOKE, "epochs": 8, "channels": 8, "nodes": 4, "weight_lr": 0.015},
    "lesson": LESSON,
    "paper": {},
}
"""What changes in the settings above, in which ``split`` keeps a part for selection. A step runs one
operation an edge, so the net of smoke is larger."""


def temperature(config: Config, epoch: int) -> float:
    """tau in ``epoch`` (from 0): tau_start - (tau_start - tau_end) * epoch / epochs."""
    return config.tau_start - (config.tau_start - config.tau_end) * epoch / config.epochs


def paths(search: Search) -> dict[str, Tensor]:
    """A fresh architecture: for each kind of cell (E, O), or (cells, E, O) with one draw a cell."""

    def draw(alpha: Tensor) -> Tensor:
        return samplers.one_hot(alpha, search.tau, generator=search.draws)[0]  # (1, E, O) -> (E, O)

    if search.config.sample_per == "forward":
        return {kind: draw(alpha) for kind, alpha in search.alphas.items()}
    return {
        kind: torch.stack([draw(alpha) for _ in range(search.net.sequence.count(kind))])  # (cells, E, O)
        for kind, alpha in search.alphas.items()
    }


def weight_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Sample an architecture and train its weights on images (B, 3, H, W), labels (B,); alphas get no gradient.

        W <- W - lr grad_W L_T,    l(x, y) = -log Pr(y | x; a, w_a),  a ~ T_A

    Algorithm 1 with the loss of equations 8 and 9. Returns the batch's loss and number correct, as does
    :func:`architecture_step`.
    """
    drawn = {kind: path.detach() for kind, path in paths(search).items()}
    return descend_weights(search, search.forward(images, drawn), labels)


def architecture_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Sample another architecture and move the alphas on held-out images (B, 3, H, W), labels (B,); weights stay.

        A <- A - lr grad_A L_V

    Algorithm 1: the same loss, forward by equation 5's one-hot sample, backward through equation 7's soft one.
    """
    execute = "nonzero" if search.config.estimator == "executed" else "all"
    with frozen_statistics(search.norms):
        logits = search.forward(images, paths(search), execute=execute)
    return descend_alphas(search, logits, labels)


def derive(search: Search) -> tuple[Genotype | str, pd.DataFrame]:
    """DARTS's rule: two distinct inputs a node, ``none`` excluded; and every decision's margin."""
    return search.space.darts(search.arrays())
