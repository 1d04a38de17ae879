"""What the short profiles of all one-shot searches have in common, so that a method's file names only its own."""

from collections.abc import Mapping
from typing import Any

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
