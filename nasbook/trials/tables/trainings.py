"""How the networks of cellbench are trained: one protocol for every cell, and one row of measurements a training."""

import time
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nasbook.base.errors import NasbookError
from nasbook.datasets.images import ImageData, Part
from nasbook.datasets.local import stratified
from nasbook.spaces.edges.cells import count
from nasbook.spaces.edges.networks import EdgeNetwork
from nasbook.training.loop import Sums
from nasbook.training.numerics import memory_format, repeatable
from nasbook.training.scoring import score
from nasbook.training.standalone import TrainConfig, learn, train_step, untrained
from nasbook.trials.tables.rows import Protocol, Trained


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
    images, labels = parts["train"]
    data = replace(data, images=images, labels=labels)
    device, epochs = data.device, protocol.counts[-1]
    net = EdgeNetwork(cell, protocol.channels, protocol.cells, len(data.classes), seed=seed)
    net.to(device, memory_format=memory_format(device, None))
    config = TrainConfig(
        seed=seed,
        epochs=epochs,
        **protocol.model_dump(include={"batch_size", "lr", "momentum", "weight_decay", "padding"}),
        **{"lr_end": 0.0, "clip": None, "drop_path": 0.0, "cutout": 0, "bfloat16": False},
    )
    training = untrained(net, config, torch.arange(len(labels)), nesterov=True, draws="augmentation")
    measured = {name: [] for name in ("train_loss", "valid_loss", "valid", "test")}
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    seconds = 0.0

    def step(epoch: int) -> tuple[float, Tensor]:
        nonlocal seconds
        begun = clock()
        loss, right = train_step(training, config, data, epoch)
        value = loss.item()  # waits for the device, so that the seconds are those of the step
        seconds += clock() - begun
        return value, right

    def end_epoch(epoch: int, sums: Sums) -> str:
        if epoch in protocol.counts:
            valid, test = (score(net, parts[name], data, batch=250, bfloat16=False) for name in ("valid", "test"))
            measured["train_loss"].append(sums["loss"] / training.sampler.per_epoch)
            measured["valid"].append(valid.right)
            measured["valid_loss"].append(valid.loss)
            measured["test"].append(test.right)
        return ""

    with repeatable(device, 1):
        learn(training, config, step, end_epoch)
    counted = count(cell, protocol.channels, protocol.cells, len(data.classes), data.size)
    return Trained(*counted, seconds, **{name: tuple(values) for name, values in measured.items()})
