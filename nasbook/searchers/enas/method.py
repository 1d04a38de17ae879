"""ENAS: a controller writes architectures, and all of them are judged with one set of shared weights.

Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", ICML 2018, arXiv 1802.03268. In each epoch
the weights are trained on one drawn architecture a batch, then the controller on the held-out accuracy of those that
it draws; the two never touch each other's parameters. Section 2.2, with m an architecture, pi the controller's law:

    w     <- w - lr grad_w L_train(m; w),                       m ~ pi(m; theta), one a batch
    theta <- theta + lr mean_k (R_k - b) grad_theta log pi(m_k; theta),    R = accuracy + entropy_weight H

The steps are in ``.loop``, the loop in ``nasbook.training.loop``.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from nasbook.base.config import LoopConfig
from nasbook.searchers.controllers.arcs import CellController, LayerController
from nasbook.searchers.controllers.speaking import Speaker
from nasbook.spaces.blocks.micro_cells import MICRO_OPERATIONS, micro_space
from nasbook.spaces.blocks.micro_networks import MicroSupernet
from nasbook.spaces.darts.cells import Disturbance
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EdgeSpace
from nasbook.spaces.edges.networks import EdgeSupernet
from nasbook.spaces.layers.macro_layers import MACRO_OPERATIONS, MacroLayers
from nasbook.spaces.layers.macro_networks import MacroSupernet
from nasbook.spaces.tokens import TokenSpace


class Config(LoopConfig):
    """The released code's settings for the micro space; the profile "macro" has those for the macro space, but for the
    full ``entropy`` and the true skip ``penalty``, where that code has "sampled" and "code".

    ``space``: "micro" cells of ``nodes`` blocks in ``layers`` normal and two reduction cells; "macro" arcs of
    ``layers`` layers; "edges" the cells of the tables of truth, ``layers`` in each of three stages. ``operations``
    None: the space's own. ``split``: fractions of the training images for weights, controller and selection. The
    weights' learning rate goes along cosines of ``restart`` epochs, each ``restart_growth`` times as long as the one
    before; ``clip`` bounds the norm of each tensor's gradient; ``keep`` is the share of the features that dropout
    keeps; ``auxiliary_weight`` (micro space) is that of the loss of a second classifier at two thirds of the depth,
    which needs images of 32 pixels. ``weight_decay`` is the released flag; that code adds the flag times the sum of
    squares, whose gradient is twice ours. After an epoch of weights come ``controller_steps`` steps on ``aggregates``
    drawn architectures each, every one judged on a batch of its own. ``operation_bias`` and ``operation_prior`` lean
    towards separable convolutions, not in "smoke" and "lesson". ``baseline_order`` "fold_first": the reward enters the
    baseline before it is compared with it, as there. ``candidates`` architectures are drawn at the end and the best is
    kept by its accuracy on ``candidate_images`` selection images (None: all). ``legacy_zero_grad`` as in the other
    one-shot methods.
    """

    space: Literal["micro", "macro", "edges"] = "micro"
    epochs: int = Field(150, gt=0)
    batch_size: int = Field(160, gt=1)
    channels: int = Field(20, gt=1)
    layers: int = Field(6, gt=0)
    nodes: int = Field(5, gt=0)
    operations: tuple[str, ...] | None = Field(None, strict=False)
    split: tuple[float, float, float] = Field((0.8, 0.1, 0.1), strict=False)
    weight_lr: float = Field(0.05, gt=0)
    weight_lr_end: float = Field(0.0005, ge=0)
    restart: int = Field(10, gt=0)
    restart_growth: int = Field(2, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    keep: float = Field(0.9, gt=0, le=1)
    auxiliary_weight: float = Field(0.4, ge=0)
    legacy_zero_grad: bool = False
    units: int = Field(64, gt=0)
    bound: float = Field(0.1, gt=0)
    temperature: float = Field(1.0, gt=0)
    tanh_constant: float | None = Field(1.1, gt=0)
    operation_reduce: float = Field(2.5, gt=0)
    operation_bias: float = 10.0
    operation_prior: float = 0.25
    controller_lr: float = Field(0.0035, gt=0)
    controller_steps: int = Field(30, ge=0)
    aggregates: int = Field(10, gt=0, le=100_000)
    entropy_weight: float = Field(1e-4, ge=0)
    entropy: Literal["full", "sampled"] = "full"
    penalty: Literal["true", "code"] = "true"
    skip_target: float = Field(0.4, gt=0, lt=1)
    skip_weight: float = Field(0.8, ge=0)
    decay: float = Field(0.99, ge=0, lt=1)
    baseline_order: Literal["fold_first", "subtract_first"] = "fold_first"
    candidates: int = Field(10, gt=0)
    candidate_images: int | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.space == "edges" and self.keep < 1:
            raise ValueError("the networks of the space 'edges' have no dropout: set keep=1.0")
        if self.space != "micro" and self.auxiliary_weight:
            raise ValueError(f"the space {self.space!r} has no second classifier: set auxiliary_weight=0.0")
        if self.space == "macro" and self.layers < 3:
            raise ValueError(f"a macro arc needs at least 3 layers, not {self.layers}")
        return self

    @property
    def searched(self) -> tuple[str, ...]:
        """The operations of the space."""
        own = {"micro": MICRO_OPERATIONS, "macro": MACRO_OPERATIONS, "edges": CELLBENCH_OPERATIONS}
        return own[self.space] if self.operations is None else self.operations


_SMALL = {
    "batch_size": 32,
    "channels": 4,
    "layers": 3,
    "nodes": 2,
    "padding": 2,
    "split": (0.4, 0.4, 0.2),
    "restart": 4,
    "keep": 1.0,
    "auxiliary_weight": 0.0,
    "controller_lr": 0.02,
    "tanh_constant": 2.5,
    "operation_reduce": 1.0,
    # within bounds as wide as 2.5, the released lean would make nine of ten operations separable for the whole search
    "operation_bias": 0.0,
    "operation_prior": 0.0,
    "decay": 0.9,
}

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {**_SMALL, "epochs": 4, "controller_steps": 10, "aggregates": 5, "threads": 1},
    "lesson": {**_SMALL, "epochs": 30, "channels": 8, "nodes": 4, "restart": 10, "controller_lr": 0.01},
    "paper": {},
    "macro": {
        "space": "macro",
        "epochs": 310,
        "batch_size": 128,
        "channels": 36,
        "layers": 12,
        "weight_decay": 2.5e-4,
        "auxiliary_weight": 0.0,
        "tanh_constant": 1.5,
        "controller_lr": 0.001,
        "controller_steps": 50,
        "aggregates": 20,
    },
}
"""What differs from the settings of :class:`Config`. Smoke is made for images of 16 pixels."""


class EdgeShared(EdgeSupernet):
    """The network that shares its weights among all cells of a table of truth, ``layers`` in each stage."""

    def __init__(self, channels: int, layers: int, classes: int, *, operations: tuple[str, ...], seed: int) -> None:
        super().__init__(operations, channels, layers, classes, seed=seed)

    def forward(self, x: Tensor, cell: str, disturb: Disturbance | None = None) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W) by the cell of the string ``cell``; the rest stays idle."""
        return super().forward(x, self.path(cell))


def space_of(config: Config) -> TokenSpace:
    """What is searched."""
    if config.space == "micro":
        return micro_space(config.nodes, config.searched)
    return MacroLayers(config.layers, config.searched) if config.space == "macro" else EdgeSpace(config.searched)


def network_of(config: Config, classes: int) -> nn.Module:
    """The network with the shared weights: images (B, 3, H, W) and an architecture to logits (B, classes)."""
    sizes = {"operations": config.searched, "seed": config.seed}
    if config.space == "micro":
        sizes |= {"nodes": config.nodes, "auxiliary": config.auxiliary_weight > 0}
        return MicroSupernet(config.channels, config.layers, classes, **sizes)
    kind = MacroSupernet if config.space == "macro" else EdgeShared
    return kind(channels=config.channels, layers=config.layers, classes=classes, **sizes)


def controller_of(config: Config, space: TokenSpace, seed: int) -> Speaker:
    """The controller of ``space``, its first weights drawn by ``seed``."""
    shared = {name: getattr(config, name) for name in ("units", "bound", "temperature", "tanh_constant")}
    if config.space == "micro":
        leaning = {"bias": config.operation_bias, "prior": config.operation_prior}
        return CellController(space, operation_reduce=config.operation_reduce, **leaning, **shared, seed=seed)
    terms = {name: getattr(config, name) for name in ("entropy", "penalty", "skip_target", "skip_weight")}
    return LayerController(space, **terms, **shared, seed=seed)


def dropout(keep: float, noise: torch.Generator) -> Disturbance | None:
    """Dropout of the classifier's features that draws from ``noise``; None if it keeps all."""
    if keep == 1:
        return None

    def disturb(name: str, features: Tensor) -> Tensor:
        drawn = torch.rand(features.shape, generator=noise) < keep  # (B, F)
        return features * drawn.to(features.device, features.dtype) / keep

    return disturb
