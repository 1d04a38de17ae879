"""The bilevel search loop that every one-shot method shares: weights on one split, alphas on the other.

A method brings ``temperature``, ``paths``, ``weight_step``, ``architecture_step`` and ``derive``; the loop owns
epochs, schedules, data order, evaluation, trace, checkpoints and progress. Algorithm 1 of GDAS (Dong & Yang,
2019, arXiv 1910.04465) and of DARTS (Liu et al., 2019, arXiv 1806.09055).
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from nasbook import machine
from nasbook.datasets.augment import augment, normalize
from nasbook.datasets.images import ImageData
from nasbook.datasets.splits import fingerprint, split
from nasbook.errors import NasbookError
from nasbook.progress import reporter
from nasbook.runs import Run, RunWriter, update_manifest
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.networks import check_sizes
from nasbook.training.numerics import autocast, cosine, frozen_statistics, memory_format, repeatable, stream
from nasbook.training.state import Search, SearchConfig, Splits, start


class Method(Protocol):
    """What a one-shot method's file holds."""

    Config: type[SearchConfig]
    PROFILES: Mapping[str, Mapping[str, Any]]
    temperature: Callable[[SearchConfig, int], float]
    paths: Callable[[Search], dict[str, Tensor]]
    weight_step: Callable[[Search, Tensor, Tensor], tuple[Tensor, Tensor]]
    architecture_step: Callable[[Search, Tensor, Tensor], tuple[Tensor, Tensor]]
    derive: Callable[[Mapping[str, Tensor], SearchConfig], tuple[Genotype, Any]]


def descend_weights(search: Search, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the weight optimizer on cross-entropy. Returns (loss, number correct), both detached.

    Weights that took no part keep ``grad is None`` and are not touched, not even by decay or momentum.
    """
    loss = F.cross_entropy(logits.float(), labels)
    search.weight_optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(search.weight_optimizer.param_groups[0]["params"], search.config.clip)
    search.weight_optimizer.step()
    return loss.detach(), _correct(logits, labels)


def descend_alphas(search: Search, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the architecture optimizer on cross-entropy. Returns (loss, number correct), both detached.

    Only the gradients of the alphas are computed.
    """
    loss = F.cross_entropy(logits.float(), labels)
    alphas = list(search.alphas.values())
    for alpha, gradient in zip(alphas, torch.autograd.grad(loss, alphas)):
        alpha.grad = gradient
    search.alpha_optimizer.step()
    return loss.detach(), _correct(logits, labels)


def _correct(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.detach().argmax(dim=1) == labels).sum()


def run_search(
    method: Method, name: str, config: SearchConfig, data: ImageData, profile: str, folder: str | Path
) -> Run:
    """Search in ``folder``: begin, continue from its checkpoint, or load it if it is finished.

    Raises NasbookError for sizes that cannot be, a folder of another config, or a folder that is in use.
    """
    data = data.without_test()
    check_sizes(config.channels, config.cells, len(data.classes))
    parts = split(data.labels, config.split, config.seed)
    header = {
        "method": name,
        "profile": profile,
        "data": data.name,
        "data_size": data.size,
        "data_checksum": data.checksum,
        "kinds": config.kinds,
        **config.model_dump(mode="json"),
    }
    with RunWriter(folder, header) as writer, repeatable(data.images.device):
        if not writer.finished:
            search = start(config, data, parts)
            state = writer.restore()
            if state is not None:
                search.load_state_dict(state)
            update_manifest(
                writer.folder,
                format=header.get("format", 1),
                status="running",
                method=name,
                profile=profile,
                seed=config.seed,
                commit=machine.commit(),
                versions=machine.versions(),
                device=machine.device_name(data.images.device),
                data={"name": data.name, "size": data.size, "checksum": data.checksum},
                splits=fingerprint(parts),
            )
            alternate(method, search, data, parts["selection"], writer, f"{name} seed {config.seed}")
            try:
                Run.load(folder).save_figures()
            except NasbookError as error:
                print(f"nasbook: the run is complete, but its pictures are not: {error}", file=sys.stderr)
            update_manifest(
                writer.folder,
                status="finished",
                wall_seconds=round(search.seconds, 3),
                peak_memory_bytes=machine.peak_memory(data.images.device),
            )
    return Run.load(folder)


def alternate(
    method: Method, search: Search, data: ImageData, selection: Tensor, writer: RunWriter, label: str
) -> None:
    """The loop: for each batch, one step on the weights and one on the alphas, in the order of the config."""
    config, net = search.config, search.net
    per_epoch = min(sampler.per_epoch for sampler in search.samplers.values())
    updates = {"weights": method.weight_step, "alphas": method.architecture_step}
    net.train()
    if not search.record.steps:
        search.record.snapshot(0, search.alphas, method.derive(search.alphas, config)[0])
    with reporter(label, config.epochs, search.step // per_epoch) as report:
        tick = time.monotonic()
        while search.step < config.epochs * per_epoch:
            epoch = search.step // per_epoch
            search.tau = method.temperature(config, epoch)
            rate = cosine(config.weight_lr, config.weight_lr_end, epoch, config.epochs)
            for group in search.weight_optimizer.param_groups:
                group["lr"] = rate
            for part in config.order:
                images, labels = next_batch(search, data, part)
                with autocast(images.device, config.bfloat16):
                    loss, correct = updates[part](search, images, labels)
                _add(search.totals, **{f"{part} loss": loss, f"{part} correct": correct})
            search.step += 1
            search.seconds, tick = search.seconds + time.monotonic() - tick, time.monotonic()
            if search.step % per_epoch == 0:
                report(end_epoch(method, search, data, selection, writer, epoch + 1, per_epoch, rate))
            if writer.due():
                writer.save(search.state_dict())
    writer.save(search.state_dict())


def next_batch(search: Search, data: ImageData, part: Splits) -> tuple[Tensor, Tensor]:
    """The next augmented batch of a split: images (B, 3, H, W) float32, labels (B,)."""
    config = search.config
    chosen = search.samplers[part].next().to(data.images.device)  # (B,)
    images = augment(data.images[chosen], data.mean, data.std, search.augmentation, padding=config.padding)
    layout = memory_format(images.device, config.channels_last)
    return images.contiguous(memory_format=layout), data.labels[chosen]


def end_epoch(
    method: Method,
    search: Search,
    data: ImageData,
    selection: Tensor,
    writer: RunWriter,
    epoch: int,
    per_epoch: int,
    rate: float,
) -> str:
    """Write down the epoch, publish what there is, and say it in a line."""
    config, record = search.config, search.record
    images = per_epoch * config.batch_size
    means = {
        part: {
            "loss": float(search.totals[f"{part} loss"]) / per_epoch,
            "accuracy": float(search.totals[f"{part} correct"]) / images,
        }
        for part in config.order
    }
    search.totals = {}
    record.add(epoch, "weights", **means["weights"], learning_rate=rate)
    record.add(epoch, "alphas", **means["alphas"])
    accuracy = sampled_accuracy(method, search, data, selection, epoch)
    record.add(epoch, "selection", accuracy=accuracy)
    genotype, margins = method.derive(search.alphas, config)
    record.snapshot(epoch, search.alphas, genotype)
    record.add(
        epoch,
        "search",
        temperature=search.tau,
        **describe(search, genotype, len(data.classes)),
        margin_min=margins["margin"].min(),
    )
    writer.publish(record, genotype_json=genotype.to_json(), margins_csv=margins.to_csv(index=False))
    return f"loss {means['weights']['loss']:.3f}  held-out accuracy {accuracy:.1%}  tau {search.tau:.2f}"


def describe(search: Search, genotype: Genotype, classes: int) -> dict[str, float]:
    """Entropy of softmax(alpha) in nats, mean over edges; skip-connections and parameters of the derived cell."""
    found = {}
    for kind, alpha in search.alphas.items():
        log_p = torch.log_softmax(alpha.detach(), dim=-1)
        found[f"entropy_{kind}"] = float(-(log_p.exp() * log_p).sum(dim=-1).mean())  # (E, O) -> (E,) -> ()
    for kind, (nodes, _) in genotype.kinds.items():
        found[f"skips_{kind}"] = sum(op == "skip_connect" for node in nodes for op, _ in node)
    with torch.device("meta"):
        net = genotype.network(search.config.channels, search.config.cells, classes)
    return found | {"parameters": sum(p.numel() for p in net.parameters())}


def sampled_accuracy(
    method: Method, search: Search, data: ImageData, selection: Tensor, epoch: int, batch: int = 64
) -> float:
    """Accuracy on the selection split of architectures drawn now, one a batch, with batch statistics.

    Running statistics would mix the paths of all operations. Draws come from a stream of the epoch's own, so
    that evaluating changes nothing.
    """
    config, net = search.config, search.net
    kept, search.draws = search.draws, stream(config.seed, f"evaluation {epoch}")
    order = selection[torch.randperm(len(selection), generator=search.draws)]  # (N,)
    correct = torch.zeros((), dtype=torch.int64, device=data.images.device)
    with torch.no_grad(), frozen_statistics(search.norms), autocast(data.images.device, config.bfloat16):
        for chosen in order.to(data.images.device).chunk(math.ceil(len(order) / batch)):
            images = normalize(data.images[chosen], data.mean, data.std)  # (B, 3, H, W)
            images = images.contiguous(memory_format=memory_format(images.device, config.channels_last))
            correct += _correct(net(images, method.paths(search)), data.labels[chosen])
    search.draws = kept
    return float(correct) / len(order)


def _add(totals: dict[str, Tensor], **values: Tensor) -> None:
    for name, value in values.items():
        totals[name] = totals[name] + value if name in totals else value
