"""The shared loops: searching by turns and training a found network."""

from __future__ import annotations

from importlib import import_module

_MODULES = ("loop", "memory", "numerics", "scoring", "search", "standalone", "state", "steps", "unrolled")

__all__ = sorted(["architecture_gradient", *_MODULES])


def __getattr__(name: str):
    if name == "architecture_gradient":
        return import_module("nasbook.training.unrolled").architecture_gradient
    if name in _MODULES:
        return import_module(f"nasbook.training.{name}")
    raise AttributeError(f"module 'nasbook.training' has no attribute {name!r}")
