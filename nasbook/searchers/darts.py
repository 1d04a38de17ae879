"""DARTS: every operation on every edge, blended by softmax, and the blend follows the validation loss.

Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, arXiv 1806.09055. The alphas minimise
the validation loss of weights that have taken one more step on the training loss; first order leaves that step out.
"""

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from nasbook.relaxations import samplers
from nasbook.spaces.genotypes import Genotype
from nasbook.training.numerics import frozen_statistics
from nasbook.training.profiles import LESSON, SMOKE
from nasbook.training.settings import SearchConfig, Splits
from nasbook.training.state import Search
from nasbook.training.steps import correct, descend_alphas, descend_weights, move_alphas
from nasbook.training.unrolled import architecture_gradient


class Config(SearchConfig):
    """DARTS's settings; the defaults are those of the released code, which moves the alphas first.

    ``unrolling``: "finite-difference" is the published second order, with ``radius`` / |gradient| as the width of
    its difference; "exact" differentiates through the virtual step; "first-order" takes the weights as they are.
    In a net with ReLU and max-pooling that difference is not the exact term, and a smaller radius makes it worse
    before it makes it better (chapter 11 measures both): for the gradient itself take "exact", which needs more memory.
    """

    order: tuple[Splits, ...] = Field(("alphas", "weights"), strict=False)
    unrolling: Literal["finite-difference", "exact", "first-order"] = "finite-difference"
    radius: float = Field(0.01, gt=0)


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {**SMOKE, "epochs": 4, "unrolling": "first-order"},
    "lesson": {**LESSON, "unrolling": "first-order"},
    "paper": {},
}
"""What changes in the settings above, in which ``split`` keeps a part for selection. "paper" takes the published
finite difference at its published radius, which is not the gradient of the unrolled loss: ``unrolling="exact"`` is."""


def temperature(config: Config, epoch: int) -> None:
    """There is none: the blend is softmax(alpha) throughout."""
    return None


def paths(search: Search) -> dict[str, Tensor]:
    """The blend: for each kind of cell (E, O), all weights positive."""
    return {kind: samplers.softmax(alpha)[0] for kind, alpha in search.alphas.items()}  # (1, E, O) -> (E, O)


def weight_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Train the weights of the whole blend on images (B, 3, H, W), labels (B,); alphas get no gradient.

        w <- w - lr grad_w L_train(w, alpha)

    A step of Algorithm 1 towards the w*(alpha) of equation 4. Returns the batch's loss and number correct, as does
    :func:`architecture_step`.
    """
    blend = {kind: path.detach() for kind, path in paths(search).items()}
    return descend_weights(search, search.forward(images, blend), labels)


def architecture_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Move the alphas on held-out images (B, 3, H, W), labels (B,); the weights stay.

        alpha <- alpha - lr grad_alpha L_val(w - xi grad_w L_train(w, alpha), alpha)

    A step of Algorithm 1 towards equation 3, with equation 6 for w*. At second order xi is the weights' learning rate
    and L_train that of the present training batch; at first order xi is 0.
    """
    with frozen_statistics(search.norms):
        if search.config.unrolling == "first-order":
            return descend_alphas(search, search.forward(images, paths(search)), labels)
        gradients, said = unrolled_gradient(search, search.batches["weights"], (images, labels))
        move_alphas(search, gradients)
        return said


def unrolled_gradient(
    search: Search, train: tuple[Tensor, Tensor], valid: tuple[Tensor, Tensor], **how: Any
) -> tuple[list[Tensor], tuple[Tensor, Tensor]]:
    """The gradient of the alphas, one (E, O) for each kind of cell, through the next step of the weights, unclipped.

    ``train``, ``valid``: images (B, 3, H, W), of the net's precision, and labels (B,). ``how`` replaces settings of
    :func:`architecture_gradient`, such as its method. Also returns the loss on ``valid`` and the number correct,
    detached. The caller freezes BatchNorm's statistics.
    """
    config, optimizer = search.config, search.weight_optimizer
    names, weights = zip(*search.net.named_parameters())
    buffers = [optimizer.state.get(weight, {}).get("momentum_buffer") for weight in weights]
    precision, said = train[0].dtype, {}

    def loss_on(part: str, images: Tensor, labels: Tensor):
        def loss(weights: list[Tensor], alphas: list[Tensor]) -> Tensor:
            blend = {kind: samplers.softmax(alpha)[0] for kind, alpha in zip(search.alphas, alphas)}
            logits = search.forward(images, blend, weights=dict(zip(names, weights)))
            value = F.cross_entropy(logits.to(precision), labels)
            said[part] = value.detach(), correct(logits, labels)
            return value

        return loss

    settings = {
        "xi": optimizer.param_groups[0]["lr"],
        "momentum": config.momentum,
        "velocity": [None if buffer is None else buffer.to(precision) for buffer in buffers],
        "weight_decay": config.weight_decay,
        "method": config.unrolling,
        "radius": config.radius,
    }
    gradients = architecture_gradient(
        loss_on("weights", *train),
        loss_on("alphas", *valid),
        weights,
        [alpha.to(precision) for alpha in search.alphas.values()],
        **settings | how,
    )
    return gradients, said["alphas"]


def derive(search: Search) -> tuple[Genotype | str, pd.DataFrame]:
    """DARTS's rule: two distinct inputs a node, ``none`` excluded; and every decision's margin."""
    return search.space.darts(search.arrays())
