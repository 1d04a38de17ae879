"""The state of a search with shared weights: all that a step changes and a checkpoint holds."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nasbook.base.errors import NasbookError
from nasbook.datasets.batches import Sampler
from nasbook.datasets.images import ImageData
from nasbook.decisions.gradients import MovingAverage
from nasbook.searchers.controllers.speaking import Speaker
from nasbook.searchers.enas.method import Config, controller_of, network_of, space_of
from nasbook.spaces.tokens import TokenSpace
from nasbook.training.loop import Learner, descent
from nasbook.training.numerics import batch_norms, memory_format, stream


@dataclass
class SharedSearch(Learner):
    """Everything that changes during a search, with the config and the data that do not.

    ``step`` counts batches of weights and steps of the controller alike; ``totals`` are sums of the present epoch.
    """

    GENERATORS = ("augmentation", "noise")

    config: Config
    data: ImageData
    parts: Mapping[str, Tensor]
    space: TokenSpace
    net: nn.Module
    controller: Speaker
    weight_optimizer: torch.optim.Optimizer
    samplers: dict[str, Sampler]
    norms: list[nn.Module]
    augmentation: torch.Generator
    noise: torch.Generator
    baseline: MovingAverage

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch: one pass over the weights' part, then the controller's."""
        return self.samplers["weights"].per_epoch + self.config.controller_steps

    def draws(self, name: str) -> np.random.Generator:
        """A generator for the purpose ``name`` alone, so that a continued search needs no state of it."""
        digest = hashlib.sha256(f"{self.config.seed}/{name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))

    def _parts(self) -> dict[str, Any]:
        samplers = {f"sampler_{name}": sampler for name, sampler in self.samplers.items()}
        return {"net": self.net, "weight_optimizer": self.weight_optimizer, "record": self.record, **samplers}

    def state_dict(self) -> dict:
        """All that a bit-exact continuation needs, as tensors and plain values."""
        adam = self.controller.optimizer
        return super().state_dict() | {
            # with legacy_zero_grad these keep a gradient of zeros, and move on
            "moving": [name for name, weight in self.net.named_parameters() if weight.grad is not None],
            "controller": torch.from_numpy(self.controller.vector),
            "controller_mean": torch.from_numpy(adam.mean),
            "controller_square": torch.from_numpy(adam.square),
            "controller_steps": adam.steps,
            "baseline": self.baseline.value,
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state``, on the device where the net lies."""
        super().load_state_dict(state)
        weights = dict(self.net.named_parameters())
        for name in state["moving"]:
            weights[name].grad = torch.zeros_like(weights[name])
        self.controller.load(state["controller"].numpy())
        adam = self.controller.optimizer
        adam.mean, adam.square = state["controller_mean"].numpy().copy(), state["controller_square"].numpy().copy()
        adam.steps, self.baseline.value = state["controller_steps"], state["baseline"]


def begin(config: Config, data: ImageData, parts: Mapping[str, Tensor]) -> SharedSearch:
    """The state of a search before its first step. Raises NasbookError for sizes that cannot be."""
    if config.auxiliary_weight and data.size < 32:
        raise NasbookError(
            f"the second classifier needs images of 32 pixels, and these have {data.size}: set auxiliary_weight=0.0"
        )
    device = data.images.device
    net = network_of(config, len(data.classes)).to(device, memory_format=memory_format(device, config.channels_last))
    net.train()
    space = space_of(config)
    return SharedSearch(
        config=config,
        data=data,
        parts=parts,
        space=space,
        net=net,
        controller=controller_of(config, space, stream(config.seed, "controller").initial_seed()),
        weight_optimizer=descent(net, config, config.weight_lr, nesterov=True, fused=False),
        samplers={
            name: Sampler(parts[name], config.batch_size, stream(config.seed, f"{name} order"))
            for name in ("weights", "alphas")
        },
        norms=batch_norms(net),
        augmentation=stream(config.seed, "augmentation"),
        noise=stream(config.seed, "noise"),
        baseline=MovingAverage(config.decay, order=config.baseline_order),
    )
