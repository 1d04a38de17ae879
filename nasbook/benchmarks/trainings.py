"""How the networks of cellbench are trained: one protocol for every cell, and one row of measurements a training."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn import functional as F

from nasbook.benchmarks.rows import Protocol, Trained
from nasbook.datasets.augment import augment, normalize
from nasbook.datasets.batches import Sampler
from nasbook.datasets.images import ImageData, Part
from nasbook.datasets.local import stratified
from nasbook.errors import NasbookError
from nasbook.spaces.edge_cells import count
from nasbook.spaces.edge_networks import EdgeNetwork
from nasbook.training.numerics import arrange, cosine, memory_format, repeatable, set_rate, stream


def divide(data: ImageData, protocol: Protocol) -> dict[str, Part]:
    """The images for "train", the held-out "valid" and the "test" part.

    Raises NasbookError if so many cannot be held out.
    """
    labels = data.labels.cpu().numpy()
    each, left_over = divmod(protocol.held_out, len(data.classes))
    if left_over or each >= np.bincount(labels).min():
        raise NasbookError(
            f"held_out is {protocol.held_out}: it must be a multiple of the {len(data.classes)} classes of "
            f"{data.name}, and leave images of each to train on"
        )
    held = stratified(labels, np.full(len(data.classes), each), np.random.default_rng(protocol.split_seed))
    rest = np.setdiff1d(np.arange(len(labels)), held)
    chosen = {"train": torch.from_numpy(rest), "valid": torch.from_numpy(held)}
    parts = {name: Part(data.images[where], data.labels[where]) for name, where in chosen.items()}
    return {**parts, "test": data.test()}


def train_cell(cell: str, seed: int, protocol: Protocol, data: ImageData, parts: dict[str, Part]) -> Trained:
    """Train the network of ``cell`` from scratch: SGD with Nesterov momentum and a cosine schedule, as NAS-Bench-201.

    ``seed`` decides weights, order and augmentation. On one machine the same arguments give the same answer bit for
    bit, but for the seconds. The accuracies after fewer epochs than the last are those on the way, not those of a
    shorter schedule.
    """
    device = data.device
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    net = EdgeNetwork(cell, protocol.channels, protocol.cells, len(data.classes), seed=seed)
    net.to(device, memory_format=memory_format(device, None))
    optimizer = torch.optim.SGD(
        net.parameters(),
        protocol.lr,
        momentum=protocol.momentum,
        weight_decay=protocol.weight_decay,
        nesterov=True,
        fused=True,
    )
    images, labels = parts["train"]
    sampler = Sampler(torch.arange(len(labels)), protocol.batch_size, stream(seed, "order"))
    draws = stream(seed, "augmentation")
    measured = {name: [] for name in ("train_loss", "valid_loss", "valid", "test")}
    seconds = 0.0
    epochs = protocol.counts[-1]
    with repeatable(device, 1):
        for epoch in range(epochs):
            begun, total = clock(), 0.0
            net.train()
            set_rate(optimizer, cosine(protocol.lr, 0.0, epoch, epochs))
            for _ in range(sampler.per_epoch):
                chosen = sampler.next().to(device)  # (B,)
                batch = augment(images[chosen], data.mean, data.std, draws, padding=protocol.padding)
                loss = F.cross_entropy(net(arrange(batch, None)), labels[chosen])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                total += loss.item()
            seconds += clock() - begun
            if epoch + 1 in protocol.counts:
                measured["train_loss"].append(total / sampler.per_epoch)
                right, loss = evaluate(net, parts["valid"], data)
                measured["valid"].append(right)
                measured["valid_loss"].append(loss)
                measured["test"].append(evaluate(net, parts["test"], data)[0])
    counted = count(cell, protocol.channels, protocol.cells, len(data.classes), data.size)
    return Trained(*counted, seconds, **{name: tuple(values) for name, values in measured.items()})


def evaluate(net: torch.nn.Module, part: Part, data: ImageData, batch: int = 250) -> tuple[int, float]:
    """Images of ``part`` that ``net`` classifies right in evaluation mode, and the mean cross-entropy."""
    net.eval()
    right, loss = 0, 0.0
    with torch.no_grad():
        for images, labels in zip(part.images.split(batch), part.labels.split(batch)):
            logits = net(arrange(normalize(images, data.mean, data.std), None))
            right += int((logits.argmax(dim=1) == labels).sum())
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
    return right, loss / len(part.labels)
