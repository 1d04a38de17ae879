"""The bilevel search loop that every one-shot method shares: weights on one split, alphas on the other.

A method brings ``temperature``, ``paths``, ``weight_step``, ``architecture_step`` and ``derive``; the loop owns
epochs, schedules, data order, evaluation, trace, checkpoints and progress. Algorithm 1 of GDAS (Dong & Yang,
2019, arXiv 1910.04465) and of DARTS (Liu et al., 2019, arXiv 1806.09055).
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from nasbook import machine
from nasbook.datasets.augment import augment, normalize
from nasbook.datasets.images import ImageData
from nasbook.datasets.splits import fingerprint, split
from nasbook.errors import NasbookError
from nasbook.progress import reporter
from nasbook.recording import RunWriter
from nasbook.runs import Run
from nasbook.spaces.cost import count_parameters
from nasbook.spaces.genotypes import Genotype
from nasbook.training.numerics import arrange, check_finite, cosine, frozen_statistics, repeatable, set_rate, stream
from nasbook.training.state import Search, SearchConfig, Splits, start

PUBLISHED = ("trace.csv", "costs.csv", "alphas.npz", "genotype.json", "margins.csv")


class Method(Protocol):
    """What a one-shot method's file holds.

    The two steps take images (B, 3, H, W) and labels (B,) and return the batch's loss and number correct, both
    detached scalars; a method whose config has no update of the alphas needs no ``architecture_step``. ``temperature``
    gives None where there is none. ``paths`` gives (E, O), or (cells, E, O), for each searched kind of cell. ``derive``
    gives the genotype and the table of its margins.
    """

    Config: type[SearchConfig]
    PROFILES: Mapping[str, Mapping[str, Any]]
    temperature: Callable[[SearchConfig, int], float | None]
    paths: Callable[[Search], dict[str, Tensor]]
    weight_step: Callable[[Search, Tensor, Tensor], tuple[Tensor, Tensor]]
    architecture_step: Callable[[Search, Tensor, Tensor], tuple[Tensor, Tensor]]
    derive: Callable[[Search], tuple[Genotype, pd.DataFrame]]


@dataclass(frozen=True)
class Job:
    """One search: its method, the method's name and the folder it writes."""

    method: Method
    name: str
    writer: RunWriter


def descend_weights(search: Search, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the weight optimizer on the cross-entropy of ``logits`` (B, classes) and ``labels`` (B,).

    Returns (loss, number correct), detached scalars. Weights that took no part keep ``grad is None`` and are not
    touched, not even by decay or momentum.
    """
    loss = F.cross_entropy(logits.float(), labels)
    clear_weights(search)
    loss.backward()
    move_weights(search)
    return loss.detach(), correct(logits, labels)


def clear_weights(search: Search) -> None:
    """Forget the gradients of the weights: those that take no part next have none, or zero with the legacy setting."""
    search.weight_optimizer.zero_grad(set_to_none=not search.config.legacy_zero_grad)


def move_weights(search: Search) -> None:
    """One step of the weight optimizer along the gradients that are there, clipped to the config's norm."""
    torch.nn.utils.clip_grad_norm_(search.weight_optimizer.param_groups[0]["params"], search.config.clip)
    search.weight_optimizer.step()


def descend_alphas(search: Search, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the architecture optimizer on the cross-entropy of ``logits`` (B, classes) and ``labels`` (B,).

    Returns (loss, number correct), detached scalars. Only the gradients of the architecture are computed.
    """
    loss = F.cross_entropy(logits.float(), labels)
    # A cell that drew only `none` cuts off what lies before it; cut-off alphas have gradient zero.
    move_alphas(search, torch.autograd.grad(loss, search.architecture, allow_unused=True, materialize_grads=True))
    return loss.detach(), correct(logits, labels)


def move_alphas(search: Search, gradients: Sequence[Tensor]) -> None:
    """One step of the architecture optimizer along ``gradients``, one for each of ``search.architecture``."""
    for logits, gradient in zip(search.architecture, gradients, strict=True):
        logits.grad = gradient
    search.alpha_optimizer.step()


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """How many of ``logits`` (B, classes) are largest at ``labels`` (B,): a detached scalar on their device."""
    return (logits.detach().argmax(dim=1) == labels).sum()  # (B, classes) -> ()


def run_search(
    method: Method,
    name: str,
    config: SearchConfig,
    data: ImageData,
    profile: str,
    folder: str | Path,
    *,
    figures: bool = True,
) -> Run:
    """Search in ``folder``: begin, continue from its checkpoint, or load it if it is finished.

    ``figures``: draw its pictures into the folder too, unless they are there.

    Raises NasbookError for sizes that cannot be, a folder of another config, or a folder that is in use.
    """
    data = data.without_test()
    parts = split(data.labels, config.split, config.seed)
    search = start(config, data, parts)
    header = {
        "method": name,
        "profile": profile,
        **data.description(),
        "kinds": config.kinds,
        **config.model_dump(mode="json"),
    }
    with RunWriter(folder, header, PUBLISHED) as writer, repeatable(data.device, config.threads):
        job, unfinished = Job(method, name, writer), not writer.finished
        if unfinished or writer.lacking:
            state = writer.restore()
            if state is not None:
                search.load_state_dict(state)
            if unfinished:
                writer.begin(**machine.provenance(data.device), splits=fingerprint(parts))
            alternate(job, search)
            if unfinished:
                writer.finish(wall_seconds=round(search.seconds, 3), peak_memory_bytes=machine.peak_memory(data.device))
            if writer.lacking:
                publish(job, search, *method.derive(search))
        run = Run.load(folder)
        if figures and not (run.folder / "figures").is_dir():
            try:
                run.save_figures()
            except NasbookError as error:
                print(f"nasbook: the run is complete, but its pictures are not: {error}", file=sys.stderr)
    return run


def alternate(job: Job, search: Search) -> None:
    """The loop: for each batch, one step on the weights and one on the alphas, in the order of the config.

    Both batches are there before the first step, because a second-order step on the alphas looks at both.
    """
    config, method, writer = search.config, job.method, job.writer
    per_epoch = search.per_epoch
    steps = {"weights": method.weight_step}
    if "alphas" in config.updates:
        steps["alphas"] = method.architecture_step
    if not search.record.steps:
        search.record.snapshot(0, search.alphas, method.derive(search)[0], search.betas)
    with reporter(f"{job.name} seed {config.seed}", config.epochs, search.epoch) as report:
        tick = time.monotonic()
        while search.step < config.epochs * per_epoch:
            epoch = search.epoch
            search.tau = method.temperature(config, epoch)
            rate = cosine(config.weight_lr, config.weight_lr_end, epoch, config.epochs)
            set_rate(search.weight_optimizer, rate)
            order = config.steps_in(epoch)
            search.batches = {part: next_batch(search, part) for part in config.updates if part in order}
            for part in order:
                loss, right = steps[part](search, *search.batches[part])
                for quantity, value in ((f"{part} loss", loss), (f"{part} correct", right)):
                    search.totals[quantity] = search.totals.get(quantity, 0) + value
            search.step += 1
            search.seconds, tick = search.seconds + time.monotonic() - tick, time.monotonic()
            if search.step % per_epoch == 0:
                report(end_epoch(job, search, epoch + 1, per_epoch, rate))
            if writer.due():
                writer.save(search.state_dict())
    writer.save(search.state_dict())


def next_batch(search: Search, part: Splits) -> tuple[Tensor, Tensor]:
    """The next augmented batch of a split: images (B, 3, H, W) float32, labels (B,)."""
    data = search.data
    chosen = search.samplers[part].next().to(data.device)  # (B,)
    padding = search.config.padding
    images = augment(data.images[chosen], data.mean, data.std, search.augmentation, padding=padding)
    return arrange(images, search.config.channels_last), data.labels[chosen]


def end_epoch(job: Job, search: Search, epoch: int, per_epoch: int, rate: float) -> str:
    """Write down epoch number ``epoch`` (from 1), publish what there is, and say it in a line."""
    config, record, method = search.config, search.record, job.method
    losses = {part: float(search.totals[f"{part} loss"]) / per_epoch for part in config.steps_in(epoch - 1)}
    for part, loss in losses.items():
        setting = "weight_lr" if part == "weights" else "alpha_lr"
        check_finite(loss, epoch, setting, getattr(config, setting))
        right = float(search.totals[f"{part} correct"]) / (per_epoch * config.batch_size)
        record.add(epoch, part, loss=loss, accuracy=right)
    record.add(epoch, "search", executed=search.totals["executed"] / per_epoch)
    spent = sum(seconds for _, seconds, _ in record.costs)
    record.costs.append([epoch, search.seconds - spent, machine.peak_memory(search.data.device)])
    search.totals = {}
    held_out = sampled_accuracy(method, search, epoch)
    genotype, margins = method.derive(search)
    record.add(epoch, "weights", learning_rate=rate)
    record.add(epoch, "selection", accuracy=held_out)
    heat = {} if search.tau is None else {"temperature": search.tau}
    record.add(epoch, "search", **heat, **shape_of(search, genotype))
    record.add(epoch, "search", margin_min=margins["margin"].min())
    record.snapshot(epoch, search.alphas, genotype, search.betas)
    publish(job, search, genotype, margins)
    said = "".join(f"  tau {tau:.2f}" for tau in heat.values())
    return f"held-out accuracy {held_out:.1%}  loss {losses['weights']:.3f}{said}"


def publish(job: Job, search: Search, genotype: Genotype, margins: pd.DataFrame) -> None:
    """Write what was recorded and the cell that was derived, with its margins: the files of ``PUBLISHED``."""
    files = {"genotype.json": genotype.to_json(), "margins.csv": margins.to_csv(index=False)}
    job.writer.publish(search.record, files)


def shape_of(search: Search, genotype: Genotype) -> dict[str, float]:
    """Entropy of softmax(alpha) in nats, mean over edges; skip-connections and parameters of the derived cell."""
    found = {}
    for kind, alpha in search.alphas.items():
        log_p = torch.log_softmax(alpha.detach(), dim=-1)
        found[f"entropy_{kind}"] = float(-(log_p.exp() * log_p).sum(dim=-1).mean())  # (E, O) -> (E,) -> ()
    for kind, (nodes, _) in genotype.kinds.items():
        found[f"skips_{kind}"] = sum(op == "skip_connect" for node in nodes for op, _ in node)
    with torch.device("meta"):
        net = genotype.network(search.config.channels, search.config.cells, len(search.data.classes))
    return found | {"parameters": count_parameters(net)}


def sampled_accuracy(method: Method, search: Search, epoch: int) -> float:
    """Accuracy on the selection split of architectures drawn now, one a batch.

    Draws come from a stream of the epoch's own, so that evaluating changes nothing.
    """
    probe = replace(search, draws=stream(search.config.seed, f"evaluation {epoch}"))
    selection = search.parts["selection"]
    order = selection[torch.randperm(len(selection), generator=probe.draws)]  # (N,)
    return accuracy(search, lambda: method.paths(probe), order)


def accuracy(search: Search, paths: Callable[[], dict[str, Tensor]], positions: Tensor, batch: int = 64) -> float:
    """The share of the images at ``positions`` (N,) that the super-net gets right, with fresh ``paths`` for each batch.

    Normalises by the statistics of the batch: running statistics would mix the paths of all operations. What runs here
    is not counted among the operations of the epoch.
    """
    data, layout, totals = search.data, search.config.channels_last, dict(search.totals)
    right = torch.zeros((), dtype=torch.int64, device=data.device)
    with torch.no_grad(), frozen_statistics(search.norms):
        for chosen in positions.to(data.device).chunk(math.ceil(len(positions) / batch)):  # (N,) -> (B,) each
            images = arrange(normalize(data.images[chosen], data.mean, data.std), layout)
            right += correct(search.forward(images, paths()), data.labels[chosen])
    search.totals = totals
    return float(right) / len(positions)
