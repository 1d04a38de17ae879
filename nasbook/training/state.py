"""The settings and the state of a one-shot search on DARTS-type cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.func import functional_call

from nasbook.base.config import LoopConfig
from nasbook.base.errors import NasbookError, one_of
from nasbook.datasets.batches import Sampler
from nasbook.datasets.images import ImageData
from nasbook.spaces.darts.cells import Disturbance
from nasbook.spaces.darts.networks import CellSupernet
from nasbook.spaces.darts.stacks import channel_divisor, check_sizes
from nasbook.spaces.names import DARTS_OPERATIONS, edge_count
from nasbook.spaces.operations import OPERATIONS
from nasbook.training.loop import Learner, descent
from nasbook.training.numerics import autocast, batch_norms, memory_format, stream

Splits = Literal["weights", "alphas"]
Momentum = Annotated[float, Field(ge=0, lt=1)]


class SearchConfig(LoopConfig):
    """What all one-shot searches on DARTS-type cells have in common.

    Defaults are DARTS's, but for ``order`` (DARTS moves the alphas first) and ``split`` (fractions of the training
    images for weights, alphas and selection; DARTS has halves and no third part). ``alpha_betas`` are those of the
    released code. ``legacy_zero_grad`` gives idle operations zero gradients, as PyTorch did before version 2, so
    that momentum and weight decay move every operation that was drawn once.

    ``updates`` are the steps that a method takes. One without a step of its own for the alphas trains on the
    images of both parts, so that the selection images are the same for all methods. A method that ``weighs_edges``
    has betas beside the alphas.
    """

    updates: ClassVar[tuple[Splits, ...]] = ("weights", "alphas")
    weighs_edges: ClassVar[bool] = False

    epochs: int = Field(50, gt=0)
    batch_size: int = Field(64, gt=1)
    channels: int = 16
    cells: int = 8
    nodes: int = Field(4, gt=0)
    operations: tuple[str, ...] = Field(DARTS_OPERATIONS, strict=False)
    fixed_reduction: bool = False
    order: tuple[Splits, ...] = Field(("weights", "alphas"), strict=False)
    split: tuple[float, float, float] = Field((0.45, 0.45, 0.1), strict=False)
    weight_lr: float = Field(0.025, gt=0)
    weight_lr_end: float = Field(0.001, ge=0)
    legacy_zero_grad: bool = False
    alpha_lr: float = Field(3e-4, gt=0)
    alpha_betas: tuple[Momentum, Momentum] = Field((0.5, 0.999), strict=False)
    alpha_decay: float = Field(1e-3, ge=0)
    alpha_mean: float = 0.0
    alpha_deviation: float = Field(1e-3, ge=0)

    @field_validator("operations")
    @classmethod
    def _known_operations(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            one_of(name, OPERATIONS, "operation")
        if len(set(names)) < len(names) or not set(names) - {"none"}:
            raise ValueError("list each operation once, and at least one besides none")
        return names

    @field_validator("order")
    @classmethod
    def _each_once(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if sorted(order) != sorted(cls.updates):
            names = " and ".join(map(repr, cls.updates))
            raise ValueError(f"it must hold {names}, each once, in the order of the updates")
        return order

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        divisor = channel_divisor("cifar", self.fixed_reduction, self.share)
        candidates = edge_count(self.nodes) * len(self.operations)
        check_sizes(self.channels, self.cells, 2, divisor, operations=candidates)
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of cell that are searched."""
        return ("normal",) if self.fixed_reduction else ("normal", "reduce")

    @property
    def share(self) -> int:
        """Operations see one channel in so many: all of them, unless a method says otherwise."""
        return 1

    def steps_in(self, epoch: int) -> tuple[Splits, ...]:
        """The steps that each batch of ``epoch`` (from 0) takes, in their order."""
        return self.order


@dataclass
class Search(Learner):
    """Everything that changes during a search, with the config and the data that do not.

    ``parts``: the positions of each split in ``data``. ``alphas``: cell kind to logits (E, O). ``betas``: cell kind to
    logits (E,) of the edges, empty where the method has none. ``norms``: the super-net's BatchNorm layers. ``draws``,
    ``augmentation``, ``noise``: generators for architectures, for images, and for what disturbs a forward pass.
    ``step`` counts batches, ``tau`` is the present temperature if there is one, ``batches`` the present images and
    labels of each split that takes a step, ``totals`` the sums of the present epoch.
    """

    GENERATORS = ("draws", "augmentation", "noise")

    config: SearchConfig
    data: ImageData
    parts: Mapping[str, Tensor]
    net: CellSupernet
    alphas: dict[str, Tensor]
    betas: dict[str, Tensor]
    weight_optimizer: torch.optim.Optimizer
    alpha_optimizer: torch.optim.Optimizer
    samplers: dict[str, Sampler]
    norms: list[nn.Module]
    draws: torch.Generator
    augmentation: torch.Generator
    noise: torch.Generator
    tau: float | None = None
    batches: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    @property
    def architecture(self) -> list[Tensor]:
        """What the architecture optimizer moves: the alphas of each kind of cell, then the betas."""
        return [*self.alphas.values(), *self.betas.values()]

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch: one pass over the smaller part."""
        return min(sampler.per_epoch for sampler in self.samplers.values())

    @property
    def epoch(self) -> int:
        """The epoch, from 0, that the next step belongs to."""
        return self.step // self.per_epoch

    def forward(
        self,
        images: Tensor,
        paths: dict[str, Tensor],
        *,
        execute: str = "nonzero",
        disturb: Disturbance | None = None,
        weights: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Logits (B, classes) of ``images`` (B, 3, H, W), in the precision of the config; see CellSupernet.

        ``weights``, by parameter name, stand in for those of the net, and are computed with in their own precision:
        the difference of two gradients drowns in bfloat16.
        """
        options = {"execute": execute, "disturb": disturb}
        with autocast(images.device, self.config.bfloat16 if weights is None else False):
            if weights is None:
                logits = self.net(images, paths, **options)
            else:
                logits = functional_call(self.net, dict(weights), (images, paths), options)
        self.totals["executed"] = self.totals.get("executed", 0) + self.net.executed
        return logits

    def arrays(self) -> dict[str, np.ndarray]:
        """The alphas as they are now: cell kind to (E, O), on the host."""
        return {kind: alpha.detach().cpu().numpy() for kind, alpha in self.alphas.items()}

    def _parts(self) -> dict[str, Any]:
        named = {name: getattr(self, name) for name in ("net", "weight_optimizer", "alpha_optimizer", "record")}
        return named | {f"sampler_{name}": sampler for name, sampler in self.samplers.items()}

    def state_dict(self) -> dict:
        """All that a bit-exact continuation needs, as tensors and plain values."""
        return super().state_dict() | {
            "alphas": {kind: alpha.detach() for kind, alpha in self.alphas.items()},
            "betas": {kind: beta.detach() for kind, beta in self.betas.items()},
            "graded": [name for name, weight in self.net.named_parameters() if weight.grad is not None],
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state``, on the device where the net lies.

        Raises NasbookError for the state of another search, or of a nasbook that kept other things.
        """
        try:
            super().load_state_dict(state)
            with torch.no_grad():
                for name in ("alphas", "betas"):
                    for kind, logits in getattr(self, name).items():
                        if state[name][kind].shape != logits.shape:  # copy_ would stretch it
                            raise ValueError(f"{name} of the shape {tuple(state[name][kind].shape)}")
                        logits.copy_(state[name][kind])
            for name in state["graded"]:
                # with legacy_zero_grad these keep a gradient of zeros, and move on
                weight = self.net.get_parameter(name)
                weight.grad = torch.zeros_like(weight)
        except (KeyError, RuntimeError, ValueError) as error:
            raise NasbookError(
                f"the checkpoint is not one of this search in this version of nasbook ({error}): choose another folder"
            ) from error


def start(config: SearchConfig, data: ImageData, parts: Mapping[str, Tensor]) -> Search:
    """The state of a search before its first step."""
    device = data.images.device
    net = CellSupernet(
        config.channels,
        config.cells,
        len(data.classes),
        operations=config.operations,
        nodes=config.nodes,
        fixed_reduction=config.fixed_reduction,
        grouped=True,
        channel_share=config.share,
        seed=config.seed,
    ).to(device, memory_format=memory_format(device, config.channels_last))
    edges = edge_count(config.nodes)
    both = torch.cat([parts["weights"], parts["alphas"]])  # (N_weights + N_alphas,)
    trained_on = parts if len(config.updates) > 1 else {"weights": both}
    alphas = _initial_logits(config, "alphas", edges, len(config.operations))
    betas = _initial_logits(config, "betas", edges) if config.weighs_edges else {}
    return Search(
        config=config,
        data=data,
        parts=parts,
        net=net,
        alphas=alphas,
        betas=betas,
        weight_optimizer=descent(net, config, config.weight_lr, nesterov=False, fused=False),
        alpha_optimizer=torch.optim.Adam(
            [*alphas.values(), *betas.values()],
            config.alpha_lr,
            betas=config.alpha_betas,
            weight_decay=config.alpha_decay,
        ),
        samplers={
            name: Sampler(trained_on[name], config.batch_size, stream(config.seed, f"{name} order"))
            for name in config.updates
        },
        norms=batch_norms(net),
        draws=stream(config.seed, "architecture draws"),
        augmentation=stream(config.seed, "augmentation"),
        noise=stream(config.seed, "noise"),
    )


def _initial_logits(config: SearchConfig, name: str, *shape: int) -> dict[str, Tensor]:
    """Architecture parameters of ``shape`` for each searched kind of cell, from a stream of their own."""
    initial = stream(config.seed, f"initial {name}")
    return {
        kind: (config.alpha_mean + config.alpha_deviation * torch.randn(shape, generator=initial)).requires_grad_()
        for kind in config.kinds
    }
