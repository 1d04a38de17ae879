"""The bilevel search that every one-shot method shares: weights on one split, alphas on the other.

A method brings ``temperature``, ``paths``, ``weight_step``, ``architecture_step`` and ``derive``; this file what the
steps move, which of them a batch takes, and what an epoch writes down; ``nasbook.training.loop`` is the loop.
Algorithm 1 of GDAS (Dong & Yang, 2019, arXiv 1910.04465) and of DARTS (Liu et al., 2019, arXiv 1806.09055).
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import torch
from torch import Tensor

from nasbook.base.errors import NasbookError
from nasbook.datasets.augment import augment
from nasbook.datasets.images import ImageData
from nasbook.datasets.splits import split
from nasbook.runs.run import Run
from nasbook.runs.writer import RunWriter
from nasbook.spaces.genotypes import Genotype
from nasbook.training.loop import BatchStep, Sums, note_cost, run_epochs, run_or_republish
from nasbook.training.numerics import arrange, cosine, repeatable, stream
from nasbook.training.scoring import score, taken
from nasbook.training.settings import SearchConfig, Splits
from nasbook.training.state import Search, start

PUBLISHED = ("trace.csv", "costs.csv", "alphas.npz", "genotype.json", "margins.csv")


class OneShotMethod(Protocol):
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
    derive: Callable[[Search], tuple[Genotype | str, pd.DataFrame]]


def run_search(
    method: OneShotMethod,
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
        # runs of the time when there was one space do not name it
        **config.model_dump(mode="json", exclude={"space"} if config.space == "darts" else None),
    }
    with RunWriter(folder, header, PUBLISHED) as writer, repeatable(data.device, config.threads):
        run_or_republish(
            search,
            writer,
            lambda: alternate(method, name, search, writer),
            lambda: publish(search, writer, *method.derive(search)),
        )
        run = Run.load(folder)
        if figures and not (run.folder / "figures").is_dir():
            try:
                run.save_figures()
            except NasbookError as error:
                print(f"nasbook: the run is complete, but its pictures are not: {error}", file=sys.stderr)
    return run


def alternate(method: OneShotMethod, name: str, search: Search, writer: RunWriter) -> None:
    """For each batch, one step on the weights and one on the alphas, in the order of the config.

    Both batches are there before the first step, because a second-order step on the alphas looks at both.
    """
    config = search.config
    updates = {"weights": method.weight_step}
    if "alphas" in config.updates:
        updates["alphas"] = method.architecture_step
    if not search.record.steps:
        search.record.snapshot(0, search.alphas, method.derive(search)[0], search.betas)

    def steps(epoch: int) -> list[BatchStep]:
        search.tau = method.temperature(config, epoch)
        order = config.steps_in(epoch)
        search.batches = {part: next_batch(search, part) for part in config.updates if part in order}
        names = {part: (f"{part} loss", f"{part} correct") for part in order}
        return [(names[part], partial(updates[part], search, *search.batches[part])) for part in order]

    rates = {"weights": ("weight_lr", config.weight_lr), "alphas": ("alpha_lr", alpha_lr(search))}
    run_epochs(
        search,
        steps,
        partial(end_epoch, method, search, writer),
        epochs=config.epochs,
        per_epoch=search.per_epoch,
        optimizer=search.weight_optimizer,
        rate=partial(cosine, config.weight_lr, config.weight_lr_end, epochs=config.epochs),
        finite={f"{part} loss": rates[part] for part in config.order},
        label=f"{name} seed {config.seed}",
        writer=writer,
    )


def next_batch(search: Search, part: Splits) -> tuple[Tensor, Tensor]:
    """The next augmented batch of a split, of ENAS's search too: images (B, 3, H, W) float32, labels (B,)."""
    data = search.data
    chosen = search.samplers[part].next().to(data.device)  # (B,)
    padding = search.config.padding
    images = augment(data.images[chosen], data.mean, data.std, search.augmentation, padding=padding)
    return arrange(images, search.config.channels_last), data.labels[chosen]


def end_epoch(method: OneShotMethod, search: Search, writer: RunWriter, epoch: int, sums: Sums) -> str:
    """Write down epoch number ``epoch`` (from 1) with its ``sums``, publish what there is, and say it in a line."""
    config, record, per_epoch = search.config, search.record, search.per_epoch
    losses = {part: float(sums[f"{part} loss"]) / per_epoch for part in config.steps_in(epoch - 1)}
    for part, loss in losses.items():
        right = float(sums[f"{part} correct"]) / (per_epoch * config.batch_size)
        record.add(epoch, part, loss=loss, accuracy=right)
    record.add(epoch, "search", executed=sums["executed"] / per_epoch)
    note_cost(record, epoch, search.seconds, search.data.device)
    held_out = sampled_accuracy(method, search, epoch)
    genotype, margins = method.derive(search)
    record.add(epoch, "weights", learning_rate=search.weight_optimizer.param_groups[0]["lr"])
    if "alpha gradient" in sums:
        size = torch.cat([logits.detach().flatten() for logits in search.architecture]).abs().mean()
        pulls = {"gradient": sums["alpha gradient"] / per_epoch, "decay": config.alpha_decay * size}
        record.add(epoch, "alphas", learning_rate=alpha_lr(search), **pulls)
    record.add(epoch, "selection", accuracy=held_out)
    heat = {} if search.tau is None else {"temperature": search.tau}
    record.add(epoch, "search", **heat, **shape_of(search, genotype))
    record.add(epoch, "search", margin_min=margins["margin"].min())
    record.snapshot(epoch, search.alphas, genotype, search.betas)
    publish(search, writer, genotype, margins)
    said = "".join(f"  tau {tau:.2f}" for tau in heat.values())
    return f"held-out accuracy {held_out:.1%}  loss {losses['weights']:.3f}{said}"


def alpha_lr(search: Search) -> float:
    """The learning rate of the architecture optimizer."""
    return search.alpha_optimizer.param_groups[0]["lr"]


def publish(search: Search, writer: RunWriter, genotype: Genotype | str, margins: pd.DataFrame) -> None:
    """Write what was recorded and the cell that was derived, with its margins: the files of ``PUBLISHED``."""
    text = json.dumps(genotype) + "\n" if isinstance(genotype, str) else genotype.to_json()
    writer.publish(search.record, {"genotype.json": text, "margins.csv": margins.to_csv(index=False)})


def shape_of(search: Search, genotype: Genotype | str) -> dict[str, float]:
    """Entropy of softmax(alpha) in nats, mean over edges; skip-connections and parameters of the derived cell."""
    found = {}
    for kind, alpha in search.alphas.items():
        log_p = torch.log_softmax(alpha.detach(), dim=-1)
        found[f"entropy_{kind}"] = float(-(log_p.exp() * log_p).sum(dim=-1).mean())  # (E, O) -> (E,) -> ()
    return found | search.space.shape(genotype, len(search.data.classes))


def sampled_accuracy(method: OneShotMethod, search: Search, epoch: int) -> float:
    """Accuracy on the selection split of architectures drawn now, one a batch.

    Draws come from a stream of the epoch's own, so that evaluating changes nothing.
    """
    probe = replace(search, draws=stream(search.config.seed, f"evaluation {epoch}"))
    selection = search.parts["selection"]
    order = selection[torch.randperm(len(selection), generator=probe.draws)]  # (N,)
    return supernet_accuracy(search, lambda: method.paths(probe), order)


def supernet_accuracy(
    search: Search, paths: Callable[[], dict[str, Tensor]], positions: Tensor, batch: int = 64
) -> float:
    """The share of the images at ``positions`` (N,) that the super-net gets right, with fresh ``paths`` for each batch.

    What runs here is not counted among the operations of the epoch.
    """
    totals, data = dict(search.totals), search.data
    how = {"bfloat16": search.config.bfloat16, "channels_last": search.config.channels_last}

    def forward(images: Tensor) -> Tensor:
        return search.forward(images, paths())

    part = taken(data, positions)
    found = score(search.net, part, data, forward=forward, norms=search.norms, batch=batch, **how)
    search.totals = totals
    return found.accuracy
