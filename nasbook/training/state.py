"""The state of a one-shot search."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from nasbook.base.errors import NasbookError
from nasbook.datasets.batches import Sampler
from nasbook.datasets.images import ImageData
from nasbook.spaces.darts.cells import Disturbance
from nasbook.training.loop import Learner, descent
from nasbook.training.numerics import autocast, batch_norms, memory_format, stream
from nasbook.training.profiles import alpha_rate
from nasbook.training.settings import SearchConfig
from nasbook.training.spaces import SPACES, SearchSpace


@dataclass
class Search(Learner):
    """Everything that changes during a search, with the config and the data that do not.

    ``space``: what is searched. ``parts``: the positions of each split in ``data``. ``alphas``: cell kind to logits
    (E, O). ``betas``: cell kind to logits (E,) of the edges, empty where the method has none. ``norms``: the super-
    net's BatchNorm layers. ``draws``, ``augmentation``, ``noise``: generators for architectures, for images, and
    for what disturbs a forward pass. ``step`` counts batches, ``tau`` is the present temperature if there is one,
    ``batches`` the present images and labels of each split that takes a step, ``totals`` the sums of the present
    epoch.
    """

    GENERATORS = ("draws", "augmentation", "noise")

    config: SearchConfig
    space: SearchSpace
    data: ImageData
    parts: Mapping[str, Tensor]
    net: nn.Module
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
    device, space = data.images.device, SPACES[config.space](config)
    net = space.network(len(data.classes)).to(device, memory_format=memory_format(device, config.channels_last))
    edges = sum(space.incoming)
    both = torch.cat([parts["weights"], parts["alphas"]])  # (N_weights + N_alphas,)
    trained_on = parts if len(config.updates) > 1 else {"weights": both}
    alphas = _initial_logits(config, "alphas", edges, len(config.operations))
    betas = _initial_logits(config, "betas", edges) if config.weighs_edges else {}
    samplers = {
        name: Sampler(trained_on[name], config.batch_size, stream(config.seed, f"{name} order"))
        for name in config.updates
    }
    steps = config.epochs * min(sampler.per_epoch for sampler in samplers.values())
    return Search(
        config=config,
        space=space,
        data=data,
        parts=parts,
        net=net,
        alphas=alphas,
        betas=betas,
        weight_optimizer=descent(net, config, config.weight_lr, nesterov=False, fused=False),
        alpha_optimizer=torch.optim.Adam(
            [*alphas.values(), *betas.values()],
            alpha_rate(config, steps),
            betas=config.alpha_betas,
            weight_decay=config.alpha_decay,
        ),
        samplers=samplers,
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
