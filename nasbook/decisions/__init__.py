"""Deciding under uncertainty: Markov chains, HMMs, MDPs, POMDPs, bandits, policy gradients.

NumPy, SciPy and Gymnasium only: nothing here imports torch. Names are imported when first used.
"""

from __future__ import annotations

from importlib import import_module

_HOME = {
    "HMM": "hidden",
    "MDP": "mdps",
    "MarkovChain": "chains",
    "Solution": "mdps",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"nasbook.decisions.{_HOME[name]}"), name)
    raise AttributeError(f"module 'nasbook.decisions' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
