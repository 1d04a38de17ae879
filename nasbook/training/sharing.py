"""The loop of a search with shared weights and a controller (Pham et al., 2018, arXiv 1802.03268, section 2.2).

An epoch trains the weights on every batch of their part, each on one architecture that the controller draws, and then
the controller by REINFORCE on held-out batches. This is no alternation batch by batch as in ``training.search``, and
what is learned is not a table of alphas; the run folder, checkpoints and trace are the same.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook import machine
from nasbook.controllers.speaking import Speaker
from nasbook.datasets.augment import augment, normalize
from nasbook.datasets.batches import Sampler
from nasbook.datasets.images import ImageData
from nasbook.datasets.splits import fingerprint, split
from nasbook.decisions.gradients import MovingAverage
from nasbook.progress import reporter
from nasbook.recording import Record, RunWriter
from nasbook.runs import Run
from nasbook.searchers.enas import Config, controller_of, dropout, network_of, space_of
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.tokens import TokenSpace
from nasbook.training.numerics import (
    arrange,
    autocast,
    batch_norms,
    check_finite,
    cosine,
    frozen_statistics,
    memory_format,
    repeatable,
    set_rate,
    stream,
)

PARTS = ("weights", "alphas")


@dataclass
class SharedSearch:
    """Everything that changes during a search, with the config and the data that do not.

    ``step`` counts batches of weights and steps of the controller alike; ``totals`` are sums of the present epoch.
    """

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
    record: Record = field(default_factory=Record)
    step: int = 0
    seconds: float = 0.0
    totals: dict[str, Tensor | float] = field(default_factory=dict)

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch: one pass over the weights' part, then the controller's."""
        return self.samplers["weights"].per_epoch + self.config.controller_steps

    def draws(self, name: str) -> np.random.Generator:
        """A generator for the purpose ``name`` alone, so that a continued search needs no state of it."""
        digest = hashlib.sha256(f"{self.config.seed}/{name}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))

    def add(self, **quantities: Tensor | float) -> None:
        """Add to the sums of the present epoch."""
        for name, value in quantities.items():
            self.totals[name] = self.totals.get(name, 0.0) + value

    def _parts(self) -> dict[str, Any]:
        samplers = {f"sampler_{name}": sampler for name, sampler in self.samplers.items()}
        return {"net": self.net, "weight_optimizer": self.weight_optimizer, "record": self.record, **samplers}

    def state_dict(self) -> dict:
        """All that a bit-exact continuation needs, as tensors and plain values."""
        adam = self.controller.optimizer
        return {
            **{name: part.state_dict() for name, part in self._parts().items()},
            "controller": torch.from_numpy(self.controller.vector),
            "controller_mean": torch.from_numpy(adam.mean),
            "controller_square": torch.from_numpy(adam.square),
            "controller_steps": adam.steps,
            "baseline": self.baseline.value,
            "augmentation": self.augmentation.get_state(),
            "noise": self.noise.get_state(),
            "step": self.step,
            "seconds": self.seconds,
            "totals": self.totals,
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state``, on the device where the net lies."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.controller.load(state["controller"].numpy())
        adam = self.controller.optimizer
        adam.mean, adam.square = state["controller_mean"].numpy().copy(), state["controller_square"].numpy().copy()
        adam.steps, self.baseline.value = state["controller_steps"], state["baseline"]
        self.augmentation.set_state(state["augmentation"])
        self.noise.set_state(state["noise"])
        self.step, self.seconds = state["step"], state["seconds"]
        device = next(self.net.parameters()).device
        moved = {name: total.to(device) if hasattr(total, "to") else total for name, total in state["totals"].items()}
        self.totals = moved


def begin(config: Config, data: ImageData, parts: Mapping[str, Tensor]) -> SharedSearch:
    """The state of a search before its first step."""
    space, device = space_of(config), data.images.device
    net = network_of(config, len(data.classes)).to(device, memory_format=memory_format(device, config.channels_last))
    net.train()
    return SharedSearch(
        config=config,
        data=data,
        parts=parts,
        space=space,
        net=net,
        controller=controller_of(config, space, stream(config.seed, "controller").initial_seed()),
        weight_optimizer=torch.optim.SGD(
            net.parameters(),
            config.weight_lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.momentum > 0,
            # not fused: the fused step demands that all weights have momentum, and idle operations have none
            foreach=True,
        ),
        samplers={
            name: Sampler(parts[name], config.batch_size, stream(config.seed, f"{name} order")) for name in PARTS
        },
        norms=batch_norms(net),
        augmentation=stream(config.seed, "augmentation"),
        noise=stream(config.seed, "noise"),
        baseline=MovingAverage(config.decay, order=config.baseline_order),
    )


def run_search(config: Config, data: ImageData, profile: str, folder: str | Path) -> Run:
    """Search in ``folder``: begin, continue from its checkpoint, or load it if it is finished.

    Raises NasbookError for sizes that cannot be, a folder of another config, or a folder that is in use.
    """
    data = data.without_test()
    parts = split(data.labels, config.split, config.seed)
    search = begin(config, data, parts)
    header = {"method": "enas", "profile": profile, **data.description(), **config.model_dump(mode="json")}
    with RunWriter(folder, header) as writer, repeatable(data.device, config.threads):
        if not writer.finished:
            state = writer.restore()
            if state is not None:
                search.load_state_dict(state)
            writer.begin(**machine.provenance(data.device), splits=fingerprint(parts))
            alternate(search, writer)
            writer.finish(wall_seconds=round(search.seconds, 3), peak_memory_bytes=machine.peak_memory(data.device))
    return Run.load(folder)


def alternate(search: SharedSearch, writer: RunWriter) -> None:
    """The loop: weights, weights, ..., controller, controller, ..., epoch after epoch."""
    config, per_epoch, batches = search.config, search.per_epoch, search.samplers["weights"].per_epoch
    with reporter(f"enas seed {config.seed}", config.epochs, search.step // per_epoch) as report:
        tick = time.monotonic()
        while search.step < config.epochs * per_epoch:
            epoch, place = divmod(search.step, per_epoch)
            if place < batches:
                set_rate(search.weight_optimizer, rate(config, epoch))
                weight_step(search)
            else:
                controller_step(search)
            search.step += 1
            search.seconds, tick = search.seconds + time.monotonic() - tick, time.monotonic()
            if search.step % per_epoch == 0:
                report(end_epoch(search, writer, epoch + 1))
            if writer.due():
                writer.save(search.state_dict())
    writer.save(search.state_dict())


def rate(config: Config, epoch: int) -> float:
    """The weights' learning rate in ``epoch`` (from 0): cosines that begin again (SGDR, Loshchilov & Hutter, 2017,
    arXiv 1608.03983, equation 5)."""
    length = config.restart
    while epoch >= length:
        epoch, length = epoch - length, length * config.restart_growth
    return cosine(config.weight_lr, config.weight_lr_end, epoch, length)


def weight_step(search: SharedSearch) -> None:
    """Draw an architecture and train its weights on a batch of the weights' part; the others keep ``grad is None``."""
    config, data = search.config, search.data
    tokens = search.controller.sample(1, search.draws(f"architecture {search.step}"))[0]
    chosen = search.samplers["weights"].next().to(data.device)  # (B,)
    images = augment(data.images[chosen], data.mean, data.std, search.augmentation, padding=config.padding)
    labels = data.labels[chosen]
    with autocast(data.device, config.bfloat16):
        images = arrange(images, config.channels_last)
        logits = search.net(images, search.space.decode(tokens.tolist()), dropout(config.keep, search.noise))
    loss = F.cross_entropy(logits.float(), labels)
    search.weight_optimizer.zero_grad(set_to_none=not config.legacy_zero_grad)
    loss.backward()
    clip_each(search.net, config.clip)
    search.weight_optimizer.step()
    right = (logits.detach().argmax(dim=1) == labels).sum()  # (B, classes) -> ()
    search.add(loss=loss.detach(), correct=right)


def clip_each(net: nn.Module, limit: float) -> None:
    """Shorten every tensor's gradient to the norm ``limit``, each by itself."""
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    norms = torch.stack(torch._foreach_norm(gradients))  # (tensors,)
    torch._foreach_mul_(gradients, list((limit / (norms + 1e-6)).clamp(max=1).unbind()))


def controller_step(search: SharedSearch) -> None:
    """Draw architectures, reward each by its accuracy on a batch of its own, and teach the controller."""
    config, data = search.config, search.data
    drawn = search.controller.draw(config.aggregates, search.draws(f"architecture {search.step}"))
    scores = []
    for tokens in drawn.tokens.tolist():
        chosen = search.samplers["alphas"].next().to(data.device)  # (B,)
        scores.append(accuracy(search, search.space.decode(tokens), chosen))
    rewards = np.array(scores) + config.entropy_weight * drawn.entropies  # (m,)
    gains = np.concatenate([search.baseline(rewards[k : k + 1]) for k in range(len(rewards))])  # one by one: (m,)
    search.controller.ascend(drawn.tokens, gains, learning_rate=config.controller_lr)
    search.add(reward=float(np.mean(scores)), entropy=float(drawn.entropies.mean()))


def accuracy(search: SharedSearch, architecture: Hashable, positions: Tensor) -> float:
    """The share of the images at ``positions`` (N,) that ``architecture`` gets right with the shared weights.

    Nothing learns; BatchNorm normalises by the batch, since running statistics would mix all architectures.
    """
    config, data = search.config, search.data
    right = 0
    with torch.no_grad(), frozen_statistics(search.norms), autocast(data.device, config.bfloat16):
        for chosen in positions.to(data.device).chunk(math.ceil(len(positions) / config.batch_size)):  # (B,) each
            images = arrange(normalize(data.images[chosen], data.mean, data.std), config.channels_last)
            right += int((search.net(images, architecture).argmax(dim=1) == data.labels[chosen]).sum())
    return right / len(positions)


def derive(search: SharedSearch, epoch: int) -> pd.DataFrame:
    """Architectures drawn now, the best on the selection images first; columns architecture, accuracy, tokens."""
    config, selection = search.config, search.parts["selection"]
    drawn = search.controller.sample(config.candidates, search.draws(f"candidates {epoch}")).tolist()
    order = torch.randperm(len(selection), generator=stream(config.seed, f"selection {epoch}"))
    positions = selection[order[: config.candidate_images]]  # (N,)
    architectures = [search.space.decode(tokens) for tokens in drawn]
    scores = [accuracy(search, architecture, positions) for architecture in architectures]
    words = [" ".join(map(str, tokens)) for tokens in drawn]
    found = pd.DataFrame({"architecture": list(map(str, architectures)), "accuracy": scores, "tokens": words})
    return found.sort_values("accuracy", ascending=False, kind="stable").reset_index(drop=True)


def end_epoch(search: SharedSearch, writer: RunWriter, epoch: int) -> str:
    """Write down epoch number ``epoch`` (from 1), publish what there is, and say it in a line."""
    config, record, totals = search.config, search.record, search.totals
    batches = search.samplers["weights"].per_epoch
    loss = float(totals["loss"]) / batches
    check_finite(loss, epoch, "weight_lr", config.weight_lr)
    record.add(epoch, "weights", loss=loss, accuracy=float(totals["correct"]) / (batches * config.batch_size))
    record.add(epoch, "weights", learning_rate=rate(config, epoch - 1))
    if config.controller_steps:
        means = {name: totals[name] / config.controller_steps for name in ("reward", "entropy")}
        record.add(epoch, "controller", **means, baseline=search.baseline.value)
    spent = sum(seconds for _, seconds, _ in record.costs)
    record.costs.append([epoch, search.seconds - spent, machine.peak_memory(search.data.device)])
    search.totals = {}
    found = derive(search, epoch)
    record.add(epoch, "selection", accuracy=found["accuracy"].mean(), best=found["accuracy"].max())
    best = search.space.decode(list(map(int, found["tokens"][0].split())))
    files = {"candidates.csv": found.to_csv(index=False), "arc.json": json.dumps({"architecture": str(best)}) + "\n"}
    if isinstance(best, Genotype):
        files["genotype.json"] = best.to_json()
    writer.publish(record, files)
    return f"held-out accuracy {found['accuracy'].mean():.1%}  loss {loss:.3f}"
