"""The settings and the state of a one-shot search on DARTS-type cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from nasbook.config import Config
from nasbook.datasets.batches import Sampler
from nasbook.datasets.images import ImageData
from nasbook.errors import one_of
from nasbook.runs import Record
from nasbook.spaces.names import DARTS_OPERATIONS, cell_edges
from nasbook.spaces.networks import CellSupernet
from nasbook.spaces.operations import OPERATIONS
from nasbook.training.numerics import batch_norms, memory_format, stream

Splits = Literal["weights", "alphas"]


class SearchConfig(Config):
    """What all one-shot searches on DARTS-type cells have in common. Defaults are DARTS's published values."""

    seed: int = Field(0, ge=0, lt=2**63)
    epochs: int = Field(50, gt=0)
    batch_size: int = Field(64, gt=1)
    channels: int = 16
    cells: int = 8
    nodes: int = Field(4, gt=0)
    operations: tuple[str, ...] = Field(DARTS_OPERATIONS, strict=False)
    fixed_reduction: bool = False
    order: tuple[Splits, ...] = Field(("weights", "alphas"), strict=False)
    split: tuple[float, float, float] = Field((0.45, 0.45, 0.1), strict=False)
    padding: int = Field(4, ge=0)
    weight_lr: float = Field(0.025, gt=0)
    weight_lr_end: float = Field(0.001, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(3e-4, ge=0)
    clip: float = Field(5.0, gt=0)
    alpha_lr: float = Field(3e-4, gt=0)
    alpha_decay: float = Field(1e-3, ge=0)
    alpha_deviation: float = Field(1e-3, ge=0)
    bfloat16: bool | None = None
    channels_last: bool | None = None

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
    def _both_once(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if sorted(order) != ["alphas", "weights"]:
            raise ValueError("it must hold 'weights' and 'alphas', each once, in the order of the updates")
        return order

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        divisor = 4 if self.fixed_reduction else 2
        if self.channels < divisor or self.channels % divisor:
            near = divisor * max(1, round(self.channels / divisor))
            raise ValueError(f"channels is {self.channels}; it must be divisible by {divisor}: try {near}")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of cell that are searched."""
        return ("normal",) if self.fixed_reduction else ("normal", "reduce")


@dataclass
class Search:
    """Everything that changes during a search, and the config that does not."""

    config: SearchConfig
    net: CellSupernet
    alphas: dict[str, Tensor]
    weight_optimizer: torch.optim.Optimizer
    alpha_optimizer: torch.optim.Optimizer
    samplers: dict[str, Sampler]
    norms: list[nn.Module]
    draws: torch.Generator
    augmentation: torch.Generator
    record: Record = field(default_factory=Record)
    step: int = 0
    tau: float = 1.0
    seconds: float = 0.0
    totals: dict[str, Tensor] = field(default_factory=dict)

    def _parts(self) -> dict[str, Any]:
        return {
            "net": self.net,
            "weight_optimizer": self.weight_optimizer,
            "alpha_optimizer": self.alpha_optimizer,
            "record": self.record,
            **{f"sampler_{name}": sampler for name, sampler in self.samplers.items()},
        }

    def state_dict(self) -> dict:
        """All that a bit-exact continuation needs, as tensors and plain values."""
        return {
            **{name: part.state_dict() for name, part in self._parts().items()},
            "alphas": {kind: alpha.detach() for kind, alpha in self.alphas.items()},
            "draws": self.draws.get_state(),
            "augmentation": self.augmentation.get_state(),
            "step": self.step,
            "seconds": self.seconds,
            "totals": self.totals,
        }

    def load_state_dict(self, state: dict) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        with torch.no_grad():
            for kind, alpha in self.alphas.items():
                alpha.copy_(state["alphas"][kind])
        self.draws.set_state(state["draws"])
        self.augmentation.set_state(state["augmentation"])
        self.step, self.seconds = state["step"], state["seconds"]
        device = next(self.net.parameters()).device
        self.totals = {name: total.to(device) for name, total in state["totals"].items()}


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
        seed=config.seed,
    ).to(device, memory_format=memory_format(device, config.channels_last))
    initial = stream(config.seed, "initial alphas")
    shape = (len(cell_edges(config.nodes)), len(config.operations))
    alphas = {
        kind: (config.alpha_deviation * torch.randn(shape, generator=initial)).requires_grad_() for kind in config.kinds
    }
    return Search(
        config=config,
        net=net,
        alphas=alphas,
        weight_optimizer=torch.optim.SGD(
            net.parameters(),
            config.weight_lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            foreach=True,
        ),
        alpha_optimizer=torch.optim.Adam(
            alphas.values(), config.alpha_lr, betas=(0.5, 0.999), weight_decay=config.alpha_decay
        ),
        samplers={
            name: Sampler(parts[name], config.batch_size, stream(config.seed, f"{name} order"))
            for name in ("weights", "alphas")
        },
        norms=batch_norms(net),
        draws=stream(config.seed, "architecture draws"),
        augmentation=stream(config.seed, "augmentation"),
    )
