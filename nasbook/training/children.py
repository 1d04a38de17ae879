"""Training one architecture to learn its score, and scoring one with shared weights: what evaluators run.

A child is trained on the images that all searches may train on and judged on the selection images; the test part is
not there (Zoph & Le, 2017, arXiv 1611.01578, section 4.1, with the best of the last five epochs as score).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping

import torch
from torch import Tensor, nn

from nasbook.datasets.augment import normalize
from nasbook.datasets.batches import Sampler
from nasbook.datasets.images import ImageData
from nasbook.errors import NasbookError
from nasbook.training.numerics import (
    arrange,
    batch_norms,
    check_convolutions,
    cosine,
    frozen_statistics,
    memory_format,
    repeatable,
    set_rate,
    stream,
)
from nasbook.training.standalone import TrainConfig, Training, accuracy, check_network, train_step
from nasbook.trials.interface import ChildFailed


def build_child(
    build: Callable[[Hashable, int], nn.Module],
    architecture: Hashable,
    seed: int,
    data: ImageData,
    channels_last: bool | None,
) -> nn.Module:
    """The network of ``architecture``, on the data's device. Raises ChildFailed if it cannot take the images."""
    try:
        net = build(architecture, seed).to(data.device, memory_format=memory_format(data.device, channels_last))
        check_network(net, data)
        check_convolutions(net, data.device, channels_last)
    except (NasbookError, RuntimeError) as error:
        raise ChildFailed(f"no network can be built: {error}") from error
    return net


def train_child(
    net: nn.Module, data: ImageData, parts: Mapping[str, Tensor], config: TrainConfig, best_of_last: int
) -> float:
    """Train ``net`` by SGD with Nesterov momentum (Zoph & Le, 2017, section 4.1) and return its best accuracy on the
    selection part after one of the last epochs, a fraction.

    ``parts``: positions (N,) in ``data`` by name; "weights" and "alphas" are trained on. Raises ChildFailed if the
    loss diverges, or the device has no memory for it.
    """
    trained_on = torch.cat([parts["weights"], parts["alphas"]])  # (N_weights + N_alphas,)
    judged_on = parts["selection"].to(data.device)
    training = Training(
        net,
        torch.optim.SGD(
            net.parameters(),
            config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.momentum > 0,
            fused=True,
        ),
        Sampler(trained_on, config.batch_size, stream(config.seed, "order")),
        stream(config.seed, "augmentation and drop-path"),
    )
    scores = []
    with repeatable(data.device, config.threads):
        net.train()
        for epoch in range(config.epochs):
            set_rate(training.optimizer, cosine(config.lr, config.lr_end, epoch, config.epochs))
            try:
                losses = [train_step(training, config, data, epoch)[0] for _ in range(training.sampler.per_epoch)]
            except torch.OutOfMemoryError as error:
                raise ChildFailed(f"it needs more memory than {data.device} has") from error
            loss = float(torch.stack(losses).mean())  # (steps,) -> ()
            if not math.isfinite(loss):
                raise ChildFailed(f"its loss in epoch {epoch + 1} is {loss}")
            if epoch >= config.epochs - best_of_last:
                scores.append(accuracy(net, data.images[judged_on], data.labels[judged_on], data, config))
    return max(scores)


def shared_accuracy(
    net: nn.Module, architecture: Hashable, data: ImageData, positions: Tensor, batch_size: int
) -> float:
    """The share of the images at ``positions`` (N,) that ``net(images, architecture)`` gets right.

    Nothing learns: no gradient, no dropout, and BatchNorm normalises by the batch without keeping statistics, since
    running ones would mix all architectures (Pham et al., 2018, arXiv 1802.03268, released code).
    """
    modes = [(module, module.training) for module in net.modules()]
    norms = batch_norms(net)
    net.eval()
    for norm in norms:
        norm.train()
    right = 0
    try:
        with torch.no_grad(), frozen_statistics(norms):
            for chosen in positions.to(data.device).chunk(math.ceil(len(positions) / batch_size)):  # (N,) -> (B,) each
                images = arrange(normalize(data.images[chosen], data.mean, data.std), None)  # (B, 3, H, W)
                logits = net(images, architecture)  # (B, classes)
                right += int((logits.argmax(dim=1) == data.labels[chosen]).sum())
    finally:
        for module, training in modes:
            module.training = training
    return right / len(positions)
