"""A search with shared weights and a controller (Pham et al., 2018, arXiv 1802.03268, section 2.2).

An epoch trains the weights on every batch of their part, and then the controller: no alternation batch by batch as in
``training.bilevel``. The run folder, checkpoints and trace are the same.
"""

import json
from collections.abc import Hashable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.datasets.images import ImageData
from nasbook.datasets.splits import split
from nasbook.runs.run import Run
from nasbook.runs.writer import RunWriter
from nasbook.searchers.enas.method import Config, dropout
from nasbook.searchers.enas.state import SharedSearch, begin
from nasbook.spaces.genotypes import Genotype
from nasbook.training.bilevel import next_batch
from nasbook.training.loop import BatchStep, Sums, note_cost, run_epochs, run_or_republish
from nasbook.training.numerics import autocast, cosine, repeatable, stream
from nasbook.training.scoring import correct, score, taken


def run_enas(config: Config, data: ImageData, profile: str, folder: str | Path) -> Run:
    """Search in ``folder``: begin, continue from its checkpoint, or load it if it is finished.

    Raises NasbookError for sizes that cannot be, a folder of another config, or a folder that is in use.
    """
    data = data.without_test()
    parts = split(data.labels, config.split, config.seed)
    search = begin(config, data, parts)
    header = {"method": "enas", "profile": profile, **data.description(), **config.model_dump(mode="json")}
    files = ("trace.csv", "costs.csv", "candidates.csv", "arc.json")
    files += ("genotype.json",) if config.space == "micro" else ()
    with RunWriter(folder, header, files) as writer, repeatable(data.device, config.threads):
        run_or_republish(
            search,
            writer,
            lambda: alternate(search, writer),
            lambda: publish(search, writer, derive(search, config.epochs)),
        )
    return Run.load(folder)


def alternate(search: SharedSearch, writer: RunWriter) -> None:
    """Weights, weights, ..., controller, controller, ..., epoch after epoch."""
    config, batches = search.config, search.samplers["weights"].per_epoch

    def steps(epoch: int) -> list[BatchStep]:
        if search.step % search.per_epoch < batches:
            return [(("loss", "correct"), partial(weight_step, search))]
        return [(("reward", "entropy"), partial(controller_step, search))]

    run_epochs(
        search,
        steps,
        partial(end_epoch, search, writer),
        epochs=config.epochs,
        per_epoch=search.per_epoch,
        optimizer=search.weight_optimizer,
        rate=partial(rate, config),
        finite={"loss": ("weight_lr", config.weight_lr)},
        label=f"enas seed {config.seed}",
        writer=writer,
    )


def rate(config: Config, epoch: int) -> float:
    """The weights' learning rate in ``epoch`` (from 0): cosines that begin again (SGDR, Loshchilov & Hutter, 2017,
    arXiv 1608.03983, equation 5)."""
    length = config.restart
    while epoch >= length:
        epoch, length = epoch - length, length * config.restart_growth
    return cosine(config.weight_lr, config.weight_lr_end, epoch, length)


def weight_step(search: SharedSearch) -> tuple[Tensor, Tensor]:
    """Draw an architecture and train its weights on a batch of the weights' part; the others keep ``grad is None``.

        w <- w - lr grad_w L_train(m; w),    m ~ pi(m; theta)

    Section 2.2's estimate of the gradient, with one architecture. Returns the batch's loss, that of the first
    classifier, and number correct.
    """
    config = search.config
    tokens = search.controller.sample(1, search.draws(f"architecture {search.step}"))[0]
    images, labels = next_batch(search, "weights")  # (B, 3, H, W), (B,)
    with autocast(images.device, config.bfloat16):
        run = search.net.forward_auxiliary if config.auxiliary_weight else search.net
        out = run(images, search.space.decode(tokens.tolist()), dropout(config.keep, search.noise))
    logits, second = out if config.auxiliary_weight else (out, None)
    total = loss = F.cross_entropy(logits.float(), labels)
    if second is not None:
        total = loss + config.auxiliary_weight * F.cross_entropy(second.float(), labels)
    search.weight_optimizer.zero_grad(set_to_none=not config.legacy_zero_grad)
    total.backward()
    clip_each(search.net, config.clip)
    search.weight_optimizer.step()
    return loss.detach(), correct(logits, labels)


def clip_each(net: nn.Module, limit: float) -> None:
    """Shorten every tensor's gradient to the norm ``limit``, each by itself."""
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    norms = torch.stack(torch._foreach_norm(gradients))  # (tensors,)
    torch._foreach_mul_(gradients, list((limit / (norms + 1e-6)).clamp(max=1).unbind()))


def controller_step(search: SharedSearch) -> tuple[float, float]:
    """Draw architectures, reward each by its accuracy on a batch of its own, and teach the controller.

        theta <- theta + lr mean_k (R_k - b) grad_theta log pi(m_k; theta)

    REINFORCE, section 2.2, with R = accuracy + entropy_weight * entropy, b their moving average, and Adam. Returns the
    mean accuracy and the controller's mean entropy.
    """
    config, data = search.config, search.data
    drawn = search.controller.draw(config.aggregates, search.draws(f"architecture {search.step}"))
    scores = []
    for tokens in drawn.tokens.tolist():
        chosen = search.samplers["alphas"].next().to(data.device)  # (B,)
        scores.append(architecture_accuracy(search, search.space.decode(tokens), chosen))
    rewards = np.array(scores) + config.entropy_weight * drawn.entropies  # (m,)
    gains = np.concatenate([search.baseline(rewards[k : k + 1]) for k in range(len(rewards))])  # one by one: (m,)
    search.controller.ascend(drawn.tokens, gains, learning_rate=config.controller_lr)
    return float(np.mean(scores)), float(drawn.entropies.mean())


def architecture_accuracy(search: SharedSearch, architecture: Hashable, positions: Tensor) -> float:
    """The share of the images at ``positions`` (N,) that ``architecture`` gets right with the shared weights.

    Nothing learns; BatchNorm normalises by the batch, see :mod:`nasbook.training.scoring`.
    """
    config, part = search.config, taken(search.data, positions)
    how = {"norms": search.norms, "bfloat16": config.bfloat16, "channels_last": config.channels_last}

    def forward(images: Tensor) -> Tensor:
        return search.net(images, architecture)

    return score(search.net, part, search.data, forward=forward, batch=config.batch_size, **how).accuracy


def derive(search: SharedSearch, epoch: int) -> pd.DataFrame:
    """Architectures drawn now, the best on the selection images first; columns architecture, accuracy, tokens."""
    config, selection = search.config, search.parts["selection"]
    drawn = search.controller.sample(config.candidates, search.draws(f"candidates {epoch}")).tolist()
    order = torch.randperm(len(selection), generator=stream(config.seed, f"selection {epoch}"))
    positions = selection[order[: config.candidate_images]]  # (N,)
    architectures = [search.space.decode(tokens) for tokens in drawn]
    scores = [architecture_accuracy(search, architecture, positions) for architecture in architectures]
    words = [" ".join(map(str, tokens)) for tokens in drawn]
    found = pd.DataFrame({"architecture": list(map(str, architectures)), "accuracy": scores, "tokens": words})
    return found.sort_values("accuracy", ascending=False, kind="stable").reset_index(drop=True)


def end_epoch(search: SharedSearch, writer: RunWriter, epoch: int, sums: Sums) -> str:
    """Write down epoch number ``epoch`` (from 1) with its ``sums``, publish what there is, and say it in a line."""
    config, record = search.config, search.record
    batches = search.samplers["weights"].per_epoch
    loss = float(sums["loss"]) / batches
    record.add(epoch, "weights", loss=loss, accuracy=float(sums["correct"]) / (batches * config.batch_size))
    record.add(epoch, "weights", learning_rate=rate(config, epoch - 1))
    if config.controller_steps:
        means = {name: sums[name] / config.controller_steps for name in ("reward", "entropy")}
        record.add(epoch, "controller", **means, baseline=search.baseline.value)
    note_cost(record, epoch, search.seconds, search.data.device)
    found = derive(search, epoch)
    record.add(epoch, "selection", accuracy=found["accuracy"].mean(), best=found["accuracy"].max())
    publish(search, writer, found)
    return f"held-out accuracy {found['accuracy'].mean():.1%}  loss {loss:.3f}"


def publish(search: SharedSearch, writer: RunWriter, found: pd.DataFrame) -> None:
    """Write what was recorded, the candidates ``found``, and the best of them."""
    best = search.space.decode(list(map(int, found["tokens"][0].split())))
    files = {"candidates.csv": found.to_csv(index=False), "arc.json": json.dumps({"architecture": str(best)}) + "\n"}
    if isinstance(best, Genotype):
        files["genotype.json"] = best.to_json()
    writer.publish(search.record, files)
