"""What a network scores on images: the one place that decides how it runs when it is judged and does not learn.

There is no gradient and no dropout; arithmetic and memory layout are those of training, so that the same weights score
the same wherever they are asked. BatchNorm normalises by its running statistics or, in a net that many architectures
share, by each batch: running statistics would mix them (Pham et al., 2018, arXiv 1802.03268, released code).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.datasets.augment import normalize
from nasbook.datasets.images import ImageData, Part
from nasbook.training.numerics import arrange, autocast, batch_norms, frozen_statistics

Norms = Sequence[nn.modules.batchnorm._BatchNorm]


class Score(NamedTuple):
    """How many of so many ``images`` are classified ``right``, and the mean cross-entropy ``loss``."""

    right: int
    images: int
    loss: float

    @property
    def accuracy(self) -> float:
        """The share that is right."""
        return self.right / self.images


def score(
    net: nn.Module,
    part: Part,
    data: ImageData,
    *,
    forward: Callable[[Tensor], Tensor] | None = None,
    by_batch: bool = False,
    norms: Norms | None = None,
    batch: int = 256,
    bfloat16: bool | None = None,
    channels_last: bool | None = None,
) -> Score:
    """What ``net`` scores on ``part``, images (N, 3, H, W) uint8 and labels (N,), normalised as ``data`` are.

    ``forward`` (default: ``net``) maps images (B, 3, H, W) to logits (B, classes). ``by_batch``: BatchNorm normalises
    by each of the batches, which are then as equal in size as can be, and its running statistics stay as they are; it
    must be set where architectures share weights. ``norms``: all BatchNorms of a search's own net, which is in training
    mode and has nothing else that heeds the mode; they imply ``by_batch``. ``bfloat16`` and ``channels_last`` as in
    ``LoopConfig``. The net is in the same modes afterwards.
    """
    forward, by_batch = forward or net, by_batch or norms is not None
    right, losses = [], []
    with judged(net, by_batch, norms), autocast(part.images.device, bfloat16):
        parts = math.ceil(len(part.labels) / batch)
        for images, labels in zip(*(one.chunk(parts) if by_batch else one.split(batch) for one in part)):
            logits = forward(arrange(normalize(images, data.mean, data.std), channels_last))  # (B, classes)
            right.append(correct(logits, labels))
            losses.append(F.cross_entropy(logits.float(), labels, reduction="sum"))
    count = len(part.labels)
    return Score(int(torch.stack(right).sum()), count, sum(torch.stack(losses).tolist()) / count)


def correct(logits: Tensor, labels: Tensor) -> Tensor:
    """How many of ``logits`` (B, classes) are largest at ``labels`` (B,): a detached scalar on their device."""
    return (logits.detach().argmax(dim=1) == labels).sum()  # (B, classes) -> ()


def taken(data: ImageData, positions: Tensor) -> Part:
    """The training images of ``data`` at ``positions`` (N,), on their device, and their labels."""
    chosen = positions.to(data.device)  # (N,)
    return Part(data.images[chosen], data.labels[chosen])


@contextmanager
def judged(net: nn.Module, by_batch: bool = False, norms: Norms | None = None) -> Iterator[None]:
    """Inside, no gradient, ``net`` in evaluation mode, and its BatchNorms as :func:`score` says."""
    # A search's own net has thousands of modules: to walk through them would cost more than to judge a batch.
    modes = [(module, module.training) for module in net.modules()] if norms is None else []
    if norms is None:
        net.eval()
        norms = batch_norms(net) if by_batch else []
        for norm in norms:
            norm.train()
    try:
        with torch.no_grad(), frozen_statistics(norms):
            yield
    finally:
        for module, training in modes:
            module.training = training
