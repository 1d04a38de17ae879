"""A search that takes a second on 8x8 digits: its settings, and its state before the first step; a smoke search."""

from importlib import import_module

import nasbook as nb
from nasbook.datasets.splits import split
from nasbook.searchers import METHODS
from nasbook.training import bilevel, state

TINY = {"seed": 0, "epochs": 2, "batch_size": 32, "channels": 4, "cells": 3, "nodes": 2, "padding": 1,
        "fixed_reduction": False,
        "split": (0.4, 0.4, 0.2)}  # fmt: skip


def begin(method, data, epoch=0, **settings):
    """The search of ``method`` in the first step of ``epoch``: tau 1, and a batch of every part it reads."""
    config = import_module(METHODS[method]).Config.make(TINY | settings)
    search = state.start(config, data, split(data.labels, config.split, config.seed))
    search.tau = 1.0
    search.step = epoch * search.per_epoch
    search.batches = {part: bilevel.next_batch(search, part) for part in config.updates}
    return search


def smoke_search(method, seed, out):
    """The held-out accuracy after the last epoch, and of how many images."""
    data = nb.datasets.load("digits")
    run = nb.search(method, data=data, profile="smoke", seed=seed, out=out, figures=False, padding=1)
    return run.last("selection", "accuracy"), round(0.2 * len(data))
