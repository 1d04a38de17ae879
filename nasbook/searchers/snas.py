"""SNAS: a soft sample of every operation, and one loss for weights and architecture together.

Xie, Zheng, Liu & Lin, "SNAS: Stochastic Neural Architecture Search", ICLR 2019, arXiv 1812.09926. The blend is a
draw from the concrete distribution; one backward pass on one batch moves the weights and the alphas; a penalty
on parameters or multiply-adds may join the loss.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from nasbook.relaxations import samplers
from nasbook.spaces.cost import operation_costs
from nasbook.spaces.darts.cells import Disturbance
from nasbook.spaces.darts.networks import CellSupernet
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.operations import drop_path
from nasbook.training.profiles import LESSON, SMOKE
from nasbook.training.settings import SearchConfig, Splits
from nasbook.training.state import Search
from nasbook.training.steps import descend_both


class Config(SearchConfig):
    """SNAS's settings; the defaults are those of the released code where the paper is silent.

    ``resource_weight`` times the expected share of the super-net's ``resource`` is added to the loss; 0 leaves it
    out. ``alpha_clip`` bounds the norm of the architecture's gradient. ``drop_path`` zeroes the output of an operation
    that is not the identity for an image.
    """

    updates: ClassVar[tuple[Splits, ...]] = ("weights",)

    epochs: int = Field(150, gt=0)
    order: tuple[Splits, ...] = Field(("weights",), strict=False)
    tau_start: float = Field(1.0, gt=0)
    tau_end: float = Field(0.03, gt=0)
    alpha_mean: float = 1.0
    alpha_deviation: float = Field(0.01, ge=0)
    alpha_clip: float = Field(10.0, gt=0)
    drop_path: float = Field(0.3, ge=0, lt=1)
    resource: Literal["parameters", "multiply_adds"] = "parameters"
    resource_weight: float = Field(0.01, ge=0)


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {**SMOKE, "epochs": 4, "drop_path": 0.0},
    "lesson": {**LESSON, "epochs": 6},
    "paper": {},
}
"""What changes in the settings above, in which ``split`` keeps a part for selection."""


def temperature(config: Config, epoch: int) -> float:
    """tau in ``epoch`` (from 0): tau_start - (tau_start - tau_end) * epoch / epochs."""
    return config.tau_start - (config.tau_start - config.tau_end) * epoch / config.epochs


def paths(search: Search) -> dict[str, Tensor]:
    """A fresh soft sample: for each kind of cell (E, O), all weights positive, but for those that round to zero."""
    return {
        kind: samplers.concrete(alpha, search.tau, generator=search.draws)[0]  # (1, E, O) -> (E, O)
        for kind, alpha in search.alphas.items()
    }


def weight_step(search: Search, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Train weights and alphas together on images (B, 3, H, W), labels (B,), by one backward pass through

        L(w, Z) + eta R(Z),    Z ~ p(Z; alpha), one draw for the expectation

    the objective of the paper's sections on parameter learning and on the resource constraint; eta is
    ``resource_weight``. Returns the batch's loss, without the penalty, and number correct.
    """
    config, drawn = search.config, paths(search)
    logits = search.forward(images, drawn, execute="all", disturb=dropped_paths(search))
    return descend_both(search, logits, labels, config.resource_weight * penalty(search, drawn), config.alpha_clip)


def dropped_paths(search: Search) -> Disturbance | None:
    """Drop-path: an operation that is not the identity puts out zero for an image; None if nothing drops."""
    keep = 1 - search.config.drop_path

    def disturb(name: str, y: Tensor) -> Tensor:
        if name == "skip_connect":
            return y
        drawn = torch.rand(len(y), generator=search.noise) < keep  # (B,)
        return drop_path(y, drawn.to(y.device, torch.float32) / keep)

    return disturb if keep < 1 else None


_COSTS: WeakKeyDictionary[CellSupernet, dict[str, Tensor]] = WeakKeyDictionary()


def penalty(search: Search, drawn: Mapping[str, Tensor]) -> Tensor:
    """R(Z): the share of the super-net's resource that the sample ``drawn``, kind to (E, O), keeps, in [0, 1].

    0 where no operation costs anything.
    """
    if search.net not in _COSTS:
        _COSTS[search.net] = operation_costs(search.net, search.config.resource, tuple(search.data.images.shape[1:]))
    costs = _COSTS[search.net]
    kept = sum((drawn[kind] * costs[kind]).sum() for kind in drawn)  # (E, O) -> ()
    total = sum(float(table.sum()) for table in costs.values())
    return kept / total if total else kept


def derive(search: Search) -> tuple[Genotype | str, pd.DataFrame]:
    """The most probable operation of every edge, ``none`` included; all edges stay that did not choose it."""
    return search.space.every_edge(search.arrays())
