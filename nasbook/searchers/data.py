"""DATA: several operations on an edge, drawn as the union of one-hot samples.

Chang, Zhang, Guo, Meng, Xiang & Pan, "DATA: Differentiable ArchiTecture Approximation", NeurIPS 2019, arXiv
1905.01786 (DARTS-EGS: ensemble Gumbel-softmax). The more draws, the more operations an edge may keep; the cell
that is derived is the most probable one of those codes.
"""

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from nasbook.relaxations import samplers
from nasbook.spaces.genotypes import Genotype
from nasbook.training.numerics import frozen_statistics
from nasbook.training.profiles import LESSON, SMOKE
from nasbook.training.settings import SearchConfig, Splits
from nasbook.training.state import Search
from nasbook.training.steps import descend_alphas, descend_weights


class Config(SearchConfig):
    """DATA's settings; the defaults are the paper's form with the numbers of the second author's code.

    ``draws``: M, the one-hot samples that are united. The code differs from the paper in four ways, each an option
    here: ``probability`` "relu" for relu(alpha) / sum, and ``alpha_mean`` is then 1 unless it is given; ``normalize``
    divides an edge's code by its sum; ``estimator`` "full" runs operations of weight zero too where alphas learn;
    ``code_weight`` times the L1 distance between p and the drawn code joins the architecture's loss (.1 in the code).
    The code's temperature falls over a fixed 150 epochs, ours over ``epochs``.
    ``derive_per``: "node" takes one code for all (input, operation) pairs of a node, as the code does, "edge" one
    for each edge, as the search draws them.
    """

    epochs: int = Field(100, gt=0)
    order: tuple[Splits, ...] = Field(("alphas", "weights"), strict=False)
    draws: int = Field(7, ge=1, le=100)
    tau_start: float = Field(5.0, gt=0)
    tau_end: float = Field(1.0, gt=0)
    alpha_decay: float = Field(0.0, ge=0)
    probability: Literal["softmax", "relu"] = "softmax"
    normalize: bool = False
    estimator: Literal["executed", "full"] = "executed"
    code_weight: float = Field(0.0, ge=0)
    derive_per: Literal["node", "edge"] = "node"

    @model_validator(mode="before")
    @classmethod
    def _alive(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"alpha_mean": 1.0, **values} if values.get("probability") == "relu" else values


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {**SMOKE, "draws": 4},
    "lesson": LESSON,
    "paper": {},
}
"""What changes in the settings above, in which ``split`` keeps a part for selection."""


def temperature(config: Config, epoch: int) -> float:
    """tau in ``epoch`` (from 0): tau_start - (tau_start - tau_end) * epoch / epochs."""
    return config.tau_start - (config.tau_start - config.tau_end) * epoch / config.epochs


def logits(alpha: Tensor, config: Config) -> Tensor:
    """(E, O) logits whose softmax is the law of one draw."""
    if config.probability == "softmax":
        return alpha
    positive = F.relu(alpha) + RELU_FLOOR
    return (positive / positive.sum(dim=-1, keepdim=True)).log()


RELU_FLOOR = 1e-10
"""The code's guard against the logarithm of zero."""


def paths(search: Search) -> dict[str, Tensor]:
    """A fresh code: for each kind of cell (E, O), between 1 and ``draws`` operations an edge with weight one."""

    def draw(alpha: Tensor) -> Tensor:
        code = samplers.ensemble(
            logits(alpha, search.config), search.tau, draws=search.config.draws, generator=search.draws
        )[0]  # (1, E, O) -> (E, O)
        return code / code.sum(dim=-1, keepdim=True) if search.config.normalize else code

    return {kind: draw(alpha) for kind, alpha in search.alphas.items()}


def weight_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Sample an architecture and train its weights on images (B, 3, H, W), labels (B,); alphas get no gradient.

        w <- w - lr grad_w L_train(N(A, w)),    A_k = max_m h_k^(m),  h^(1), ..., h^(M) one-hot draws from p(alpha)

    The inner problem of the poster's section "Differentiable Architecture Search", for one drawn code A. Returns the
    batch's loss and number correct, as does :func:`architecture_step`.
    """
    drawn = {kind: path.detach() for kind, path in paths(search).items()}
    return descend_weights(search, search.forward(images, drawn), labels)


def architecture_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Sample another architecture and move the alphas on held-out images (B, 3, H, W), labels (B,); weights stay.

        alpha <- alpha - lr grad_alpha (L_val(N(A, w)) + code_weight |p(alpha) - A|_1)

    The outer problem of that section; the second term, a mean, is the code's and is off by default.
    """
    execute = "nonzero" if search.config.estimator == "executed" else "all"
    drawn = paths(search)
    with frozen_statistics(search.norms):
        scores = search.forward(images, drawn, execute=execute)
    pull = search.config.code_weight * distance(search, drawn) if search.config.code_weight else None
    return descend_alphas(search, scores, labels, pull)


def distance(search: Search, drawn: Mapping[str, Tensor]) -> Tensor:
    """The mean absolute distance between the probabilities of one draw and the code drawn, which ``normalize``
    has divided by its sum; summed over cell kinds."""
    return sum(
        F.l1_loss(torch.softmax(logits(alpha, search.config), dim=-1), drawn[kind].detach())
        for kind, alpha in search.alphas.items()
    )


def derive(search: Search) -> tuple[Genotype | str, pd.DataFrame]:
    """The most probable code, for each node or for each edge, with ``none`` left out; and its margins."""
    config = search.config
    laws = {kind: torch.softmax(logits(alpha.detach(), config), dim=-1) for kind, alpha in search.alphas.items()}
    arrays = {kind: law.cpu().double().numpy() for kind, law in laws.items()}
    return search.space.probable_code(arrays, config.draws, config.derive_per)
