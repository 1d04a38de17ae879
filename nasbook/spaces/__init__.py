"""What can be searched: operations, cells, networks and genotypes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["blocks", "darts", "edges", "layers", "recurrent", "tokens"],
    submod_attrs={
        "cost": ["cost"],
        "genotypes": ["Genotype", "catalogue"],
        "names": ["CELL_OPERATIONS", "DARTS_OPERATIONS", "cell_edges"],
        "darts.networks": ["CellNetwork", "CellSupernet"],
        "operations": ["OPERATIONS"],
    },
)
