"""What can be searched: operations, cells, networks and genotypes."""

from __future__ import annotations

from importlib import import_module

_HOME = {
    "CELL_OPERATIONS": "names",
    "DARTS_OPERATIONS": "names",
    "CellNetwork": "networks",
    "CellSupernet": "networks",
    "Genotype": "genotypes",
    "OPERATIONS": "operations",
    "catalogue": "genotypes",
    "cell_edges": "names",
    "cost": "cost",
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"nasbook.spaces.{_HOME[name]}"), name)
    raise AttributeError(f"module 'nasbook.spaces' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
