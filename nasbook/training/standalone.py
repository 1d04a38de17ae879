"""Training of a found network from scratch, and its one look at the test part.

The CIFAR protocol of DARTS (Liu et al., 2019, arXiv 1806.09055, section 3.2): SGD with a cosine schedule,
scheduled drop-path, an auxiliary head and cutout. The test error reported is the one after the last epoch.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.base import machine
from nasbook.base.config import LoopConfig, profile_values
from nasbook.base.errors import NasbookError
from nasbook.base.files import folder_path, run_folder
from nasbook.datasets.augment import augment, normalize
from nasbook.datasets.batches import Sampler
from nasbook.datasets.images import ImageData, Part, check_data
from nasbook.runs.run import Run
from nasbook.runs.writer import RunWriter
from nasbook.spaces.cost import count_parameters
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.operations import drop_path_masks
from nasbook.training.loop import Learner, Sums, descent, run_epochs
from nasbook.training.numerics import arrange, autocast, check_convolutions, cosine, memory_format, repeatable, stream
from nasbook.training.scoring import correct, judged, score


class TrainConfig(LoopConfig):
    """Settings of stand-alone training; the defaults are DARTS's for CIFAR-10. ``clip`` None: gradients of any norm."""

    epochs: int = Field(600, gt=0)
    batch_size: int = Field(96, gt=1)
    lr: float = Field(0.025, gt=0)
    lr_end: float = Field(0.0, ge=0)
    clip: float | None = Field(5.0, gt=0)
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


SUMS = ("loss", "correct")
"""What a step returns."""


@dataclass
class Trainee(Learner):
    """Everything that changes while a network trains."""

    GENERATORS = ("draws",)

    net: nn.Module
    optimizer: torch.optim.Optimizer
    sampler: Sampler
    draws: torch.Generator

    def _parts(self) -> dict[str, Any]:
        return {"net": self.net, "optimizer": self.optimizer, "sampler": self.sampler, "record": self.record}

    def state_dict(self) -> dict[str, Any]:
        """As that of every learner, but for the names of the totals."""
        return super().state_dict() | {"totals": list(self.totals.values())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state``, on the device where the net lies."""
        super().load_state_dict(state | {"totals": dict(zip(SUMS, state["totals"]))})


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
    check_convolutions(net, data.device, config.channels_last)
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
    training = untrained(net, config, torch.arange(len(data.labels)), nesterov=False)
    with RunWriter(folder, header, ("trace.csv",)) as writer, repeatable(data.device, config.threads):
        state, unfinished = writer.restore(), not writer.finished
        if state is not None:
            training.load_state_dict(state)
        if unfinished or writer.lacking:
            if unfinished:
                writer.begin(**machine.provenance(data.device))
            _epochs(training, config, data, writer, "train " + "/".join(folder.parts[-2:]))
            # the one look at the test part, with which the trace ends
            right = accuracy(net, *data.test(), data, config)
            training.record.add(config.epochs, "test", accuracy=right)
            writer.publish(training.record)
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
    try:
        with judged(net):
            images = normalize(data.images[:1], data.mean, data.std).to(weights.device)  # (1, 3, H, W)
            logits = net.forward_auxiliary(images)[0] if hasattr(net, "forward_auxiliary") else net(images)
    except RuntimeError as error:
        raise NasbookError(f"the network cannot take images of {data.size} pixels: {error}") from error
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        raise NasbookError("the network must return one tensor of logits (images, classes)")
    if logits.shape[1:] != (len(data.classes),):
        raise NasbookError(
            f"the network has {logits.shape[-1]} classes and {data.name} has {len(data.classes)}: "
            f"build it with classes={len(data.classes)}"
        )


def untrained(
    net: nn.Module, config: TrainConfig, positions: Tensor, *, nesterov: bool, draws: str = "augmentation and drop-path"
) -> Trainee:
    """The state before the first step on the images at ``positions`` (N,); ``draws`` names the stream of its steps."""
    optimizer = descent(net, config, config.lr, nesterov=nesterov, fused=True)
    sampler = Sampler(positions, config.batch_size, stream(config.seed, "order"))
    return Trainee(net, optimizer, sampler, stream(config.seed, draws))


def learn(
    training: Trainee, config: TrainConfig, step: Callable[[int], tuple], end_epoch: Callable[[int, Sums], str], **how
) -> None:
    """Take ``step(epoch)`` for each batch, along a cosine; the rest is for :func:`nasbook.training.loop.run_epochs`."""
    training.net.train()
    run_epochs(
        training,
        lambda epoch: [(SUMS, partial(step, epoch))],
        end_epoch,
        epochs=config.epochs,
        per_epoch=training.sampler.per_epoch,
        optimizer=training.optimizer,
        rate=partial(cosine, config.lr, config.lr_end, epochs=config.epochs),
        **how,
    )


def _epochs(training: Trainee, config: TrainConfig, data: ImageData, writer: RunWriter, label: str) -> None:
    def end_epoch(epoch: int, sums: Sums) -> str:
        loss, correct = (float(sums[name]) / training.sampler.per_epoch for name in SUMS)
        right, rate = correct / config.batch_size, training.optimizer.param_groups[0]["lr"]
        training.record.add(epoch, "train", loss=loss, accuracy=right, learning_rate=rate)
        writer.publish(training.record)
        return f"loss {loss:.3f}  training accuracy {right:.1%}"

    step = partial(train_step, training, config, data)
    learn(training, config, step, end_epoch, finite={"loss": ("lr", config.lr)}, label=label, writer=writer)


def train_step(training: Trainee, config: TrainConfig, data: ImageData, epoch: int) -> tuple[Tensor, Tensor]:
    """One step on one batch. Returns (loss, number correct), detached."""
    net, device = training.net, data.device
    chosen = training.sampler.next().to(device)  # (B,)
    sizes = {"padding": config.padding, "cutout_length": config.cutout}
    images = augment(data.images[chosen], data.mean, data.std, training.draws, **sizes)
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
    if config.clip is not None:
        torch.nn.utils.clip_grad_norm_(net.parameters(), config.clip)
    training.optimizer.step()
    return loss.detach(), correct(logits, labels)


def accuracy(
    net: nn.Module, images: Tensor, labels: Tensor, data: ImageData, config: TrainConfig, batch: int = 256
) -> float:
    """Fraction of ``images`` (N, 3, H, W) uint8 that ``net`` classifies right, in evaluation mode."""
    how = {"bfloat16": config.bfloat16, "channels_last": config.channels_last}
    return score(net, Part(images, labels), data, batch=batch, **how).accuracy


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
    :func:`nasbook.analysis.intervals.summarize`. ``settings`` go to :func:`train`.
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
