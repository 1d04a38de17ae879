"""nasbook: the workbook of neural architecture search.

>>> import nasbook as nb
>>> data = nb.datasets.load("cifar10-sample", device=nb.device())
>>> run = nb.search("gdas", data=data, profile="smoke", seed=0, out="runs/gdas-0")

Names are imported when first used, so that ``import nasbook`` is quick and does not load torch.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "Genotype": "nasbook.spaces.genotypes",
    "NasbookError": "nasbook.errors",
    "Run": "nasbook.runs",
    "check": "nasbook.book.exercises",
    "cost": "nasbook.spaces.cost",
    "device": "nasbook.machine",
    "run_folder": "nasbook.files",
    "search": "nasbook.searchers",
    "solution": "nasbook.book.exercises",
    "source": "nasbook.drawing.parts.source",
    "summarize": "nasbook.statistics",
    "train": "nasbook.training.standalone",
    "train_seeds": "nasbook.training.standalone",
}
_MODULES = (
    "benchmarks",
    "datasets",
    "decisions",
    "drawing",
    "evaluators",
    "measures",
    "relaxations",
    "runs",
    "searchers",
    "spaces",
    "statistics",
    "training",
    "trials",
)

__all__ = sorted([*_HOME, *_MODULES, "genotypes"])


def __getattr__(name: str):
    if name == "genotypes":
        return import_module("nasbook.spaces.genotypes").catalogue
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(f"nasbook.{name}")
    raise AttributeError(f"module 'nasbook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
