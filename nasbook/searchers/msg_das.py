"""MSG-DAS: several sub-graphs a step that share no operation, guided by the whole super-net.

Tan et al., "Mutually-aware Sub-Graphs Differentiable Architecture Search". Gumbel top-K draws K architectures without
replacement; they are back-propagated in turn, so that memory is that of one. Skip-connections lose blocks of their
output while searching, and the blend of all operations is a teacher that gets no gradient. No code was published.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal, Self

import pandas as pd
import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from nasbook.relaxations import samplers
from nasbook.spaces.darts.cells import Disturbance
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.operations import drop_block
from nasbook.training.numerics import frozen_statistics
from nasbook.training.profiles import LESSON, SMOKE
from nasbook.training.settings import SearchConfig
from nasbook.training.state import Search
from nasbook.training.steps import back_propagate, clear_weights, correct, move_alphas_behind, move_weights


class Config(SearchConfig):
    """MSG-DAS's settings; the defaults are the paper's, and where it is silent those of GDAS.

    ``subgraphs``: K. ``guidance``: the weight of the teacher's cross-entropy after the last epoch; it grows linearly
    from 0. ``guidance_sign`` "printed" is the sign of the paper's equation 7, which drives the sub-graphs away from
    the teacher; it is there to be shown. ``drop_ratios``: the share of a skip-connection's output that loses its
    blocks, one for each of as many equal stretches of the search; ``drop_block``: the side of a block in pixels.
    """

    epochs: int = Field(240, gt=0)
    batch_size: int = Field(128, gt=1)
    subgraphs: int = Field(2, ge=1)
    tau_start: float = Field(10.0, gt=0)
    tau_end: float = Field(1.0, gt=0)
    alpha_decay: float = Field(1e-4, ge=0)
    alpha_deviation: float = Field(0.0, ge=0)
    guidance: float = Field(0.01, ge=0)
    guidance_sign: Literal["corrected", "printed"] = "corrected"
    drop_ratios: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field((0.0, 0.05, 0.1, 0.15), strict=False)
    drop_block: int = Field(3, ge=1)

    @model_validator(mode="after")
    def _enough_operations(self) -> Self:
        if self.subgraphs > len(self.operations):
            raise ValueError(
                f"subgraphs is {self.subgraphs}, but there are {len(self.operations)} operations; sub-graphs may not "
                "share one"
            )
        return self


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": SMOKE,
    "lesson": LESSON,
    "paper": {},
}
"""What changes in the settings above, in which ``split`` keeps a part for selection."""


def temperature(config: Config, epoch: int) -> float:
    """tau in ``epoch`` (from 0): tau_start - (tau_start - tau_end) * epoch / epochs."""
    return config.tau_start - (config.tau_start - config.tau_end) * epoch / config.epochs


def paths(search: Search) -> dict[str, Tensor]:
    """The first of a fresh draw's sub-graphs: for each kind of cell (E, O), one operation an edge."""
    return {kind: drawn[0] for kind, drawn in subgraphs(search).items()}  # (K, E, O) -> (E, O)


def subgraphs(search: Search) -> dict[str, Tensor]:
    """K fresh sub-graphs that share no operation: for each kind of cell (K, E, O)."""
    how = {"k": search.config.subgraphs, "generator": search.draws}
    return {kind: samplers.top_k(alpha, search.tau, **how) for kind, alpha in search.alphas.items()}


def weight_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Sample K architectures and train their weights on images (B, 3, H, W), labels (B,); alphas get no gradient.

        w <- w - lr grad_w sum_k L^k

    The sum is that of section 3.1, L^k that of equation 7, see :func:`objective`. Returns the batch's loss and number
    correct, means over the sub-graphs, as does :func:`architecture_step`.
    """
    drawn = {kind: path.detach() for kind, path in subgraphs(search).items()}
    clear_weights(search)
    said = back_propagate(objectives(search, drawn, images, labels))
    move_weights(search)
    return said


def architecture_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Sample K other architectures and move the alphas on held-out images (B, 3, H, W), labels (B,); weights stay.

        alpha <- alpha - lr grad_alpha sum_k L^k

    Each sub-graph gives the gradient of its own paths; the sampler's small graph is walked once, at the end.
    """
    drawn = subgraphs(search)
    leaves = {kind: path.detach().requires_grad_() for kind, path in drawn.items()}
    with frozen_statistics(search.norms):
        said = back_propagate(objectives(search, leaves, images, labels), inputs=list(leaves.values()))
    move_alphas_behind(search, drawn, leaves)
    return said


def objectives(
    search: Search, drawn: Mapping[str, Tensor], images: Tensor, labels: Tensor
) -> list[Callable[[], tuple[Tensor, Tensor, Tensor]]]:
    """Each sub-graph of ``drawn``, kind to (K, E, O), as a function without arguments; see :func:`objective`."""
    soft = teacher(search, images) if guidance_weight(search) else None
    paths = [{kind: one[k] for kind, one in drawn.items()} for k in range(search.config.subgraphs)]  # (E, O) each
    return [partial(objective, search, path, images, labels, soft) for path in paths]


def objective(
    search: Search, path: Mapping[str, Tensor], images: Tensor, labels: Tensor, soft: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """L^k of one sub-graph, kind to (E, O), with the teacher's ``soft`` labels (B, classes), of equation 7:

        L^k = L_cls - lambda sum_c p_super(c) log p_sub(c)

    It is called when its turn has come, so that one sub-graph's activations are there at a time. Also returns the
    cross-entropy L_cls, detached, and the number correct.
    """
    scores = search.forward(images, path, disturb=dropped_skips(search))
    loss = F.cross_entropy(scores.float(), labels)
    guided = loss if soft is None else loss + guidance_weight(search) * guidance(scores, soft)
    return guided, loss.detach(), correct(scores, labels)


def teacher(search: Search, images: Tensor) -> Tensor:
    """What the blend of all operations says, (B, classes) probabilities without a gradient."""
    blend = {kind: samplers.softmax(alpha.detach())[0] for kind, alpha in search.alphas.items()}
    with torch.no_grad(), frozen_statistics(search.norms):
        return torch.softmax(search.forward(images, blend).float(), dim=-1)


def guidance(scores: Tensor, soft: Tensor) -> Tensor:
    """The cross-entropy of ``scores`` (B, classes) with the teacher's ``soft`` probabilities: -mean_b sum_c p log q.

    The paper's equation 7 prints it without the minus.
    """
    return -(soft * torch.log_softmax(scores.float(), dim=-1)).sum(dim=-1).mean()  # (B, classes) -> (B,) -> ()


def guidance_weight(search: Search) -> float:
    """lambda now: linear in the finished epochs, from 0 to ``guidance``; negative for the printed sign."""
    config = search.config
    strength = config.guidance * search.epoch / config.epochs
    return strength if config.guidance_sign == "corrected" else -strength


def drop_ratio(config: Config, epoch: int) -> float:
    """The share that DropBlock-Identity drops in ``epoch`` (from 0): ``drop_ratios``, step by step."""
    return config.drop_ratios[epoch * len(config.drop_ratios) // config.epochs] if config.drop_ratios else 0.0


def dropped_skips(search: Search) -> Disturbance | None:
    """The mask of DropBlock-Identity, y = g(alpha_id) (x m), equation 4, as the net takes it: a function of an
    operation's name and output; None if nothing drops."""
    ratio = drop_ratio(search.config, search.epoch)
    if not ratio:
        return None

    def disturb(name: str, y: Tensor) -> Tensor:
        if name != "skip_connect":
            return y
        return drop_block(y, ratio, search.config.drop_block, search.noise)

    return disturb


def derive(search: Search) -> tuple[Genotype | str, pd.DataFrame]:
    """DARTS's rule: two distinct inputs a node, ``none`` excluded; and every decision's margin."""
    return search.space.darts(search.arrays())
