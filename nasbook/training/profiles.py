"""What the short profiles of all one-shot searches have in common, so that a method's file names only its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasbook.training.settings import SearchConfig

HALF = 25_000
"""Images in half of CIFAR-10's training part: a published search goes through so many in an epoch."""


def alpha_rate(config: SearchConfig, steps: int) -> float:
    """The learning rate of the alphas in a search of so many ``steps``: that of the config, if it names one.

    A step of Adam is about as long as its rate, however small the gradient, so that a logit can travel as far as steps
    times rate: 5.9 in DARTS's published search, 14 in GDAS's. A shorter search takes steps that are longer by as much,
    or its alphas end where they began.
    """
    if config.alpha_lr is not None:
        return config.alpha_lr
    published = type(config)()
    return published.epochs * (HALF // published.batch_size) * published.alpha_lr / steps


SMOKE: Mapping[str, Any] = {
    "epochs": 6,
    "batch_size": 32,
    "channels": 4,
    "cells": 3,
    "nodes": 2,
    "padding": 2,
    "split": (0.4, 0.4, 0.2),
    "weight_lr": 0.05,
    "alpha_lr": 0.03,
    "threads": 1,
}
"""For images of 16 pixels, where one thread is as fast as two. The alphas of a short search need larger steps to move
at all."""

LESSON: Mapping[str, Any] = {
    "epochs": 12,
    "batch_size": 64,
    "channels": 8,
    "cells": 5,
    "split": (0.45, 0.45, 0.1),
    "alpha_lr": 0.003,
}
"""Made to be searched on a CPU within minutes to an hour."""
