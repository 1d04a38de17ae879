"""Pictures of plain data: cells, trajectories, the scrubber, listings.

Nothing here knows torch, runs or searchers: tuples, DataFrames, arrays and strings come in, pictures with
a sentence go out. Names are imported when first used, so that ``import nasbook`` stays quick.
"""

from __future__ import annotations

from importlib import import_module

_HOME = {
    "Picture": "picture",
    "alphas_figure": "figures",
    "alphas_sentence": "describe",
    "cell_graph": "cells",
    "cell_sentence": "describe",
    "draw": "cells",
    "explore": "widget",
    "genotype_graph": "cells",
    "genotype_mimebundle": "cells",
    "genotype_sentence": "describe",
    "run_mimebundle": "gallery",
    "save_run_figures": "gallery",
    "seeds_picture": "comparison",
    "source": "source",
    "trace_figure": "figures",
    "trace_sentence": "describe",
    "training_mimebundle": "gallery",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"nasbook.drawing.{_HOME[name]}"), name)
    raise AttributeError(f"module 'nasbook.drawing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
