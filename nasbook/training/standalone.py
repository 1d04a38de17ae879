"""Training a found network from scratch, and its one look at the test part.

The CIFAR protocol of DARTS (Liu et al., 2019, arXiv 1806.09055, section 3.2): SGD with a cosine schedule,
scheduled drop-path, an auxiliary head and cutout. The test error reported is the one after the last epoch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook import machine
from nasbook.config import LoopConfig, profile_values
from nasbook.datasets.augment import augment, normalize
from nasbook.datasets.batches import Sampler
from nasbook.datasets.images import ImageData, check_data
from nasbook.errors import NasbookError
from nasbook.files import folder_path, run_folder
from nasbook.progress import reporter
from nasbook.recording import Record, RunWriter
from nasbook.runs import Run
from nasbook.spaces.cost import count_parameters
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.operations import drop_path_masks
from nasbook.training.numerics import (
    arrange,
    autocast,
    check_finite,
    cosine,
    memory_format,
    repeatable,
    set_rate,
    stream,
)


class TrainConfig(LoopConfig):
    """Settings of stand-alone training; the defaults are DARTS's for CIFAR-10."""

    epochs: int = Field(600, gt=0)
    batch_size: int = Field(96, gt=1)
    lr: float = Field(0.025, gt=0)
    lr_end: float = Field(0.0, ge=0)
    drop_path: float = Field(0.2, ge=0, lt=1)
    auxiliary_weight: float = Field(0.4, ge=0)
    cutout: int = Field(16, ge=0, le=1024)


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"epochs": 4, "batch_size": 64, "lr": 0.1, "drop_path": 0.0, "cutout": 0, "padding": 2},
    "lesson": {"epochs": 30, "batch_size": 64, "lr": 0.1, "drop_path": 0.1},
    "paper": {},
}
"""What differs from the published protocol. The smoke profile is made for images of 16 pixels; the shorter a
training, the larger its steps and the less it is regularised."""


@dataclass
class Training:
    """Everything that changes while a network trains."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    sampler: Sampler
    draws: torch.Generator
    record: Record = field(default_factory=Record)
    step: int = 0
    seconds: float = 0.0
    totals: list[Tensor] = field(default_factory=list)

    def state_dict(self) -> dict:
        """All that a bit-exact continuation needs, as tensors and plain values."""
        parts = {name: getattr(self, name).state_dict() for name in ("net", "optimizer", "sampler", "record")}
        plain = {name: getattr(self, name) for name in ("step", "seconds", "totals")}
        return {**parts, **plain, "draws": self.draws.get_state()}

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state``, on the device where the net lies."""
        for name in ("net", "optimizer", "sampler", "record"):
            getattr(self, name).load_state_dict(state[name])
        device = next(self.net.parameters()).device
        self.step, self.seconds = state["step"], state["seconds"]
        self.totals = [total.to(device) for total in state["totals"]]
        self.draws.set_state(state["draws"])


def train(
    net: nn.Module,
    *,
    data: ImageData,
    profile: str = "smoke",
    seed: int = 0,
    out: str | Path | None = None,
    **overrides: Any,
) -> Run:
    """Train ``net`` on the training part of ``data``, then read the test part once.

    The run's trace has, after each epoch, the loss and accuracy on split "train" and, after the last, the
    accuracy on split "test". ``net`` holds the final weights afterwards, also when the run was only loaded.
    ``out``, ``profile`` and ``overrides`` as for :func:`nasbook.search`; to continue or load a run, pass the network
    as it was at first, untrained. Raises NasbookError likewise, and if the network cannot take the images, its
    classes are not the data's, or the data have no test part.
    """
    check_data(data)
    config = TrainConfig.make(profile_values(PROFILES, profile, seed) | overrides)
    check_network(net, data)
    if not data.has_test:
        data.test()  # raises, before hours of training
    start = _digest(net)
    folder = run_folder(f"train-{start}", profile, config.seed, overrides) if out is None else folder_path(out)
    header = {
        "method": "train",
        "profile": profile,
        **data.description(),
        "network": getattr(net, "description", {"module": type(net).__name__}),
        "initial_weights": start,
        **config.model_dump(mode="json"),
    }
    net.to(data.device, memory_format=memory_format(data.device, config.channels_last))
    training = Training(
        net,
        torch.optim.SGD(
            net.parameters(),
            config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=True,
        ),
        Sampler(torch.arange(len(data.labels)), config.batch_size, stream(config.seed, "order")),
        stream(config.seed, "augmentation and drop-path"),
    )
    with RunWriter(folder, header, ("trace.csv",)) as writer, repeatable(data.device, config.threads):
        state, unfinished = writer.restore(), not writer.finished
        if state is not None:
            training.load_state_dict(state)
        if unfinished or writer.lacking:
            if unfinished:
                writer.begin(**machine.provenance(data.device))
            _epochs(training, config, data, writer, "train " + "/".join(folder.parts[-2:]))
            right = _report_test(training, config, data, writer)
            if unfinished:
                writer.finish(
                    test_accuracy=right,
                    wall_seconds=round(training.seconds, 3),
                    peak_memory_bytes=machine.peak_memory(data.device),
                )
    return Run.load(folder)


def check_network(net: object, data: ImageData) -> None:
    """Raise NasbookError unless ``net`` maps the images of ``data`` to one logit a class."""
    if not isinstance(net, nn.Module):
        raise NasbookError(f"net is a {type(net).__name__}; it must be a network, such as genotype.network(...)")
    weights = next(net.parameters(), None)
    if weights is None:
        raise NasbookError(f"the network {type(net).__name__} has no weights to train")
    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            images = normalize(data.images[:1], data.mean, data.std).to(weights.device)  # (1, 3, H, W)
            logits = net.forward_auxiliary(images)[0] if hasattr(net, "forward_auxiliary") else net(images)
    except RuntimeError as error:
        raise NasbookError(f"the network cannot take images of {data.size} pixels: {error}") from error
    finally:
        net.train(training)
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        raise NasbookError("the network must return one tensor of logits (images, classes)")
    if logits.shape[1:] != (len(data.classes),):
        raise NasbookError(
            f"the network has {logits.shape[-1]} classes and {data.name} has {len(data.classes)}: "
            f"build it with classes={len(data.classes)}"
        )


def _epochs(training: Training, config: TrainConfig, data: ImageData, writer: RunWriter, label: str) -> None:
    per_epoch = training.sampler.per_epoch
    training.net.train()
    with reporter(label, config.epochs, training.step // per_epoch) as report:
        tick = time.monotonic()
        while training.step < config.epochs * per_epoch:
            epoch = training.step // per_epoch
            rate = cosine(config.lr, config.lr_end, epoch, config.epochs)
            set_rate(training.optimizer, rate)
            loss, correct = train_step(training, config, data, epoch)
            training.totals = [a + b for a, b in zip(training.totals or (0, 0), (loss, correct))]
            training.step += 1
            training.seconds, tick = training.seconds + time.monotonic() - tick, time.monotonic()
            if training.step % per_epoch == 0:
                loss, correct = (float(total) / per_epoch for total in training.totals)
                check_finite(loss, epoch + 1, "lr", config.lr)
                right = correct / config.batch_size
                training.totals = []
                training.record.add(epoch + 1, "train", loss=loss, accuracy=right, learning_rate=rate)
                writer.publish(training.record)
                report(f"loss {loss:.3f}  training accuracy {right:.1%}")
            if writer.due():
                writer.save(training.state_dict())
    writer.save(training.state_dict())


def train_step(training: Training, config: TrainConfig, data: ImageData, epoch: int) -> tuple[Tensor, Tensor]:
    """One step on one batch. Returns (loss, number correct), detached."""
    net, device = training.net, data.device
    chosen = training.sampler.next().to(device)  # (B,)
    images = augment(
        data.images[chosen],
        data.mean,
        data.std,
        training.draws,
        padding=config.padding,
        cutout_length=config.cutout,
    )
    images = arrange(images, config.channels_last)
    labels = data.labels[chosen]
    with autocast(device, config.bfloat16):
        if hasattr(net, "forward_auxiliary"):
            probability = config.drop_path * epoch / config.epochs * getattr(net, "drop_shares", 1.0)
            keep = drop_path_masks(net.drops, len(labels), probability, training.draws, device)
            logits, auxiliary = net.forward_auxiliary(images, keep)
        else:
            logits, auxiliary = net(images), None
    loss = F.cross_entropy(logits.float(), labels)
    total = loss
    if auxiliary is not None:
        total = loss + config.auxiliary_weight * F.cross_entropy(auxiliary.float(), labels)
    training.optimizer.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), config.clip)
    training.optimizer.step()
    return loss.detach(), (logits.detach().argmax(dim=1) == labels).sum()


def _report_test(training: Training, config: TrainConfig, data: ImageData, writer: RunWriter) -> float:
    """The one look at the test part, after the last epoch: the accuracy there, which the trace ends with."""
    images, labels = data.test()
    right = accuracy(training.net, images, labels, data, config)
    training.record.add(config.epochs, "test", accuracy=right)
    writer.publish(training.record)
    return right


def accuracy(
    net: nn.Module, images: Tensor, labels: Tensor, data: ImageData, config: TrainConfig, batch: int = 256
) -> float:
    """Fraction of ``images`` (N, 3, H, W) uint8 that ``net`` classifies right, in evaluation mode."""
    net.eval()
    correct = 0
    with torch.no_grad(), autocast(images.device, config.bfloat16):
        for x, y in zip(images.split(batch), labels.split(batch)):
            logits = net(arrange(normalize(x, data.mean, data.std), config.channels_last))
            correct += int((logits.argmax(dim=1) == y).sum())
    net.train()
    return correct / len(labels)


def train_seeds(
    genotype: Genotype,
    *,
    data: ImageData,
    seeds: Sequence[int],
    channels: int,
    cells: int,
    out: str | Path,
    auxiliary: bool = False,
    **settings: Any,
) -> pd.DataFrame:
    """Train the genotype's network once for each seed (of weights, order and augmentation), in ``out/seed-N``.

    Returns one row a seed: seed, test_accuracy, parameters. Summarise it with
    :func:`nasbook.statistics.summarize`. ``settings`` go to :func:`train`.
    """
    rows = []
    for seed in seeds:
        net = genotype.network(channels, cells, len(data.classes), auxiliary=auxiliary, seed=seed)
        run = train(net, data=data, seed=seed, out=Path(out) / f"seed-{seed}", **settings)
        rows.append([seed, run.last("test", "accuracy"), count_parameters(net)])
    return pd.DataFrame(rows, columns=["seed", "test_accuracy", "parameters"])


def _digest(net: nn.Module) -> str:
    """A hash of the weights as they are now, so that another initialisation is another run."""
    digest = hashlib.sha256()
    for name, value in net.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
