"""nasbook: the workbook of neural architecture search.

>>> import nasbook as nb
>>> data = nb.datasets.load("cifar10-sample", device=nb.device())
>>> run = nb.search("gdas", data=data, profile="smoke", seed=0, out="runs/gdas-0")

Names are imported when first used, so that ``import nasbook`` is quick and does not load torch.
"""

from importlib import import_module

import nasbook.searchers  # noqa: F401  (it names its methods to nasbook.trials)

__version__ = "0.1.0"

_HOME = {
    "Genotype": "nasbook.spaces.genotypes",
    "NasbookError": "nasbook.base.errors",
    "Run": "nasbook.runs",
    "check": "nasbook.book.exercises",
    "cost": "nasbook.spaces.cost",
    "device": "nasbook.base.machine",
    "run_folder": "nasbook.base.files",
    "search": "nasbook.searchers",
    "solution": "nasbook.book.exercises",
    "source": "nasbook.drawing.parts.source",
    "summarize": "nasbook.analysis.intervals",
    "train": "nasbook.training.standalone",
    "train_seeds": "nasbook.training.standalone",
}
_MODULES = {
    "analysis": "nasbook.analysis",
    "arena": "nasbook.arena",
    "benchmarks": "nasbook.trials.tables",
    "datasets": "nasbook.datasets",
    "decisions": "nasbook.decisions",
    "drawing": "nasbook.drawing",
    "evaluators": "nasbook.trials.evaluators",
    "measures": "nasbook.analysis.measures",
    "relaxations": "nasbook.relaxations",
    "runs": "nasbook.runs",
    "searchers": "nasbook.searchers",
    "spaces": "nasbook.spaces",
    "statistics": "nasbook.analysis.intervals",
    "training": "nasbook.training",
    "trials": "nasbook.trials",
}

__all__ = sorted([*_HOME, *_MODULES, "genotypes"])


def __getattr__(name: str):
    if name == "genotypes":
        return import_module("nasbook.spaces.genotypes").catalogue
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(_MODULES[name])
    raise AttributeError(f"module 'nasbook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
