"""PC-DARTS: DARTS on a quarter of the channels, and a weight for every edge.

Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", ICLR 2020, arXiv
1907.05737. Operations see one channel in K, the others go round them, and the memory that this saves pays for larger
batches. The alphas of so noisy a blend come to rest less easily, so the edges have logits of their own, the betas.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import pandas as pd
import torch
from pydantic import Field, model_validator
from torch import Tensor

from nasbook.relaxations import samplers
from nasbook.spaces.genotypes import Genotype
from nasbook.training.numerics import frozen_statistics
from nasbook.training.profiles import LESSON, SMOKE
from nasbook.training.settings import SearchConfig, Splits
from nasbook.training.state import Search
from nasbook.training.steps import descend_alphas, descend_weights


class Config(SearchConfig):
    """PC-DARTS's settings; the defaults are those of the released code, which moves the alphas first.

    ``channel_share``: K. The architecture rests for the share ``frozen`` of the epochs.
    """

    weighs_edges: ClassVar[bool] = True

    batch_size: int = Field(256, gt=1)
    channel_share: int = Field(4, ge=1)
    order: tuple[Splits, ...] = Field(("alphas", "weights"), strict=False)
    weight_lr: float = Field(0.1, gt=0)
    weight_lr_end: float = Field(0.0, ge=0)
    alpha_lr: float | None = Field(6e-4, gt=0)
    frozen: float = Field(0.3, ge=0, lt=1)

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.steps_in(self.epochs - 1) != self.order:
            raise ValueError(f"frozen is {self.frozen}, which leaves none of {self.epochs} epochs to the alphas")
        return self

    @property
    def share(self) -> int:
        return self.channel_share

    def steps_in(self, epoch: int) -> tuple[Splits, ...]:
        """The weights alone in the first epochs; the held-out part is not even drawn there."""
        return self.order if epoch >= round(self.frozen * self.epochs) else ("weights",)


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {**SMOKE, "channels": 8},
    "lesson": {**LESSON, "weight_lr": 0.025},
    "paper": {},
}
"""What changes in the settings above, in which ``split`` keeps a part for selection."""


def temperature(config: Config, epoch: int) -> None:
    """There is none: the blend is softmax(alpha) throughout."""
    return None


def paths(search: Search) -> dict[str, Tensor]:
    """The blend: for each kind of cell (E, O), each edge's probabilities times its weight; the rows of a node sum to 1.

        x_j = sum_i softmax(beta)_ij (sum_o softmax(alpha_ij)_o o(S x_i) + (1 - S) x_i)

    Sections 3.2 and 3.3, with S the mask of the channels that the operations see; those that go round them take the
    row's sum, which is the edge's weight.
    """

    def blend(alpha: Tensor, beta: Tensor) -> Tensor:
        weight = edge_weights(beta, search.space.incoming)
        return weight[:, None] * samplers.softmax(alpha)[0]  # (E, 1) * (E, O) -> (E, O)

    return {kind: blend(alpha, search.betas[kind]) for kind, alpha in search.alphas.items()}


def edge_weights(beta: Tensor, incoming: Sequence[int]) -> Tensor:
    """Edge normalisation: softmax over the edges into each node, of which it has so many, (E,) -> (E,)."""
    return torch.cat([torch.softmax(logits, dim=0) for logits in beta.split(list(incoming))])


def weight_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Train the weights of the whole blend on images (B, 3, H, W), labels (B,); the architecture gets no gradient.

        w <- w - lr grad_w L_train(w, alpha, beta)

    Returns the batch's loss and number correct, as does :func:`architecture_step`.
    """
    blend = {kind: path.detach() for kind, path in paths(search).items()}
    return descend_weights(search, search.forward(images, blend), labels)


def architecture_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Move alphas and betas on held-out images (B, 3, H, W), labels (B,); the weights stay.

    (alpha, beta) <- (alpha, beta) - lr grad L_val(w, alpha, beta),    DARTS's first order
    """
    with frozen_statistics(search.norms):
        return descend_alphas(search, search.forward(images, paths(search)), labels)


def derive(search: Search) -> tuple[Genotype | str, pd.DataFrame]:
    """DARTS's rule, with the edge's weight times the probability in place of the probability."""
    strengths = {kind: path.detach().cpu().numpy() for kind, path in paths(search).items()}
    return search.space.strongest(strengths)
