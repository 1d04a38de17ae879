"""The shared loops: searching by turns and training a found network."""

from __future__ import annotations

from importlib import import_module

__all__ = ["numerics", "search", "standalone", "state"]


def __getattr__(name: str):
    if name in __all__:
        return import_module(f"nasbook.training.{name}")
    raise AttributeError(f"module 'nasbook.training' has no attribute {name!r}")
