"""What a one-shot method searches: a space brings its super-net and the way from architecture parameters to a cell.

A method brings its relaxation, and asks the space for one of four derivations. Each gives what was found and the table
of its margins; ``strengths``, ``alphas`` and ``laws`` map each searched kind of cell to an array (E, O).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.base.errors import NasbookError, one_of
from nasbook.relaxations import derivation
from nasbook.relaxations.edge_rules import edge_rule
from nasbook.spaces.cost import count_parameters
from nasbook.spaces.darts.cells import Disturbance
from nasbook.spaces.darts.networks import CellSupernet
from nasbook.spaces.edges.cells import EDGES, count, read_cell, write_cell
from nasbook.spaces.edges.networks import EdgeSupernet
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import Node, cell_edges
from nasbook.training.settings import SearchConfig

Arrays = Mapping[str, np.ndarray]
Paths = Mapping[str, Tensor]
Found = tuple[Any, pd.DataFrame]


class SearchSpace(Protocol):
    """``kinds`` of cell that are searched; ``incoming``: how many edges end at each node of one."""

    kinds: tuple[str, ...]
    incoming: tuple[int, ...]

    def network(self, classes: int) -> nn.Module:
        """The super-net; its forward takes what that of :class:`.CellSupernet` takes."""

    def darts(self, alphas: Arrays) -> Found:
        """The rule of DARTS, GDAS and MSG-DAS: the most probable operations, ``none`` excluded."""

    def strongest(self, strengths: Arrays) -> Found:
        """The same of strengths, such as PC-DARTS's weight of the edge times the probability."""

    def every_edge(self, alphas: Arrays) -> Found:
        """The rule of SNAS: the most probable operation of each edge, ``none`` included."""

    def probable_code(self, laws: Arrays, draws: int, per: str) -> Found:
        """The rule of DATA: the most probable code of ``draws`` united draws."""

    def random_path(self, generator: torch.Generator) -> Tensor:
        """One cell drawn uniformly, (E, O) of zeros and ones."""

    def read(self, paths: Paths) -> Any:
        """What paths of zeros and ones, kind to (E, O), stand for."""

    def path(self, found: Any) -> dict[str, Tensor]:
        """The paths of zeros and ones that :meth:`read` reads so. Raises NasbookError for what is not in the space."""

    def shape(self, found: Any, classes: int) -> dict[str, float]:
        """Skip-connections of each kind of cell, and parameters of the network of what was found, as it is searched."""


class DartsCells:
    """Normal and reduction cells of DARTS; what is found is a :class:`.Genotype`."""

    def __init__(self, config: SearchConfig) -> None:
        self.config, self.kinds, self.operations = config, config.kinds, config.operations
        self.incoming = tuple(range(2, 2 + config.nodes))

    def network(self, classes: int) -> CellSupernet:
        config = self.config
        return CellSupernet(
            config.channels,
            config.cells,
            classes,
            operations=config.operations,
            nodes=config.nodes,
            fixed_reduction=config.fixed_reduction,
            grouped=True,
            channel_share=config.share,
            seed=config.seed,
        )

    def darts(self, alphas: Arrays) -> Found:
        return derivation.darts_rule(alphas, self.operations, self.config.nodes)

    def strongest(self, strengths: Arrays) -> Found:
        return derivation.strongest_rule(strengths, self.operations, self.config.nodes)

    def every_edge(self, alphas: Arrays) -> Found:
        return derivation.every_edge_rule(alphas, self.operations, self.config.nodes)

    def probable_code(self, laws: Arrays, draws: int, per: str) -> Found:
        return derivation.probable_code_rule(laws, self.operations, self.config.nodes, draws=draws, per=per)

    def random_path(self, generator: torch.Generator) -> Tensor:
        """Each node has two distinct inputs, each with any operation."""
        edges = cell_edges(self.config.nodes)
        path = torch.zeros(len(edges), len(self.operations))
        for node in range(2, 2 + self.config.nodes):
            incoming = torch.tensor([edge for edge, (target, _) in enumerate(edges) if target == node])
            kept = incoming[torch.randperm(len(incoming), generator=generator)[:2]]  # (inputs,) -> (2,)
            path[kept, torch.randint(len(self.operations), (2,), generator=generator)] = 1.0
        return path

    def read(self, paths: Paths) -> Genotype:
        cells = {}
        for kind, path in paths.items():
            nodes = [[] for _ in range(self.config.nodes)]
            for (node, source), row in zip(cell_edges(self.config.nodes), path.tolist()):
                nodes[node - 2] += [(name, source) for name, kept in zip(self.operations, row) if kept]
            cells[kind] = tuple(tuple(node) for node in nodes)
        return Genotype(cells["normal"], reduce=cells.get("reduce"))

    def path(self, found: Genotype) -> dict[str, Tensor]:
        return {kind: path_of(nodes, self.operations) for kind, (nodes, _) in found.kinds.items()}

    def shape(self, found: Genotype, classes: int) -> dict[str, float]:
        skips = {
            f"skips_{kind}": sum(op == "skip_connect" for node in nodes for op, _ in node)
            for kind, (nodes, _) in found.kinds.items()
        }
        with torch.device("meta"):
            net = found.network(self.config.channels, self.config.cells, classes)
        return skips | {"parameters": count_parameters(net)}


def path_of(nodes: Sequence[Node], operations: Sequence[str]) -> Tensor:
    """The path of one cell: (E, O), one where the cell's ``nodes`` have that operation on that edge, else zero.

    Raises NasbookError for an operation that is not among ``operations``.
    """
    edges, names = cell_edges(len(nodes)), list(operations)
    path = torch.zeros(len(edges), len(names))
    for index, node in enumerate(nodes):
        for name, source in node:
            if name not in names:
                raise NasbookError(f"the cell holds {name}, which is not among the operations searched: {names}")
            path[edges.index((index + 2, source)), names.index(name)] = 1.0
    return path


class EdgePaths(EdgeSupernet):
    """The super-net of edge cells, with its path in the form of all one-shot searches."""

    def forward(
        self, x: Tensor, paths: Paths | None = None, *, execute: str = "nonzero", disturb: Disturbance | None = None
    ) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W); ``paths["normal"]`` (6, O), or (cells, 6, O); None: all alike."""
        each = len(self.operations)
        path = paths["normal"] if paths else torch.full((len(EDGES), each), 1 / each)
        logits = super().forward(x, path, execute=execute, disturb=disturb)
        # a cell of `none` hears of no weight, and its gradient is zero rather than absent
        return logits + 0.0 * path.sum().to(x.device)


class EdgeCells:
    """The cells of NAS-Bench-201 and cellbench; what is found is a string with one operation on each of six edges."""

    incoming = (1, 2, 3)

    def __init__(self, config: SearchConfig) -> None:
        self.config, self.kinds, self.operations = config, config.kinds, config.operations

    def network(self, classes: int) -> EdgePaths:
        config = self.config
        sizes = {"channel_share": config.share, "seed": config.seed}
        return EdgePaths(config.operations, config.channels, config.cells, classes, **sizes)

    def darts(self, alphas: Arrays) -> Found:
        return self.strongest(derivation.probabilities(alphas))

    def strongest(self, strengths: Arrays) -> Found:
        return edge_rule(strengths["normal"], self.operations, none=False)

    def every_edge(self, alphas: Arrays) -> Found:
        return edge_rule(derivation.probabilities(alphas)["normal"], self.operations, none=True)

    def probable_code(self, laws: Arrays, draws: int, per: str) -> Found:
        """Its likeliest member, since the cells of a table have one operation on an edge."""
        return self.strongest(laws)

    def random_path(self, generator: torch.Generator) -> Tensor:
        """Each edge with any operation."""
        drawn = torch.randint(len(self.operations), (len(EDGES),), generator=generator)  # (E,)
        return F.one_hot(drawn, len(self.operations)).float()  # (E,) -> (E, O)

    def read(self, paths: Paths) -> str:
        return write_cell([self.operations[place] for place in paths["normal"].argmax(dim=-1).tolist()])

    def path(self, found: str) -> dict[str, Tensor]:
        places = [self.operations.index(one_of(name, self.operations, "operation")) for name in read_cell(found)]
        return {"normal": F.one_hot(torch.tensor(places), len(self.operations)).float()}  # (E,) -> (E, O)

    def shape(self, found: str, classes: int) -> dict[str, float]:
        counted = count(found, self.config.channels, self.config.cells, classes)
        return {"skips_normal": read_cell(found).count("skip_connect"), "parameters": counted.parameters}


SPACES: Mapping[str, type[SearchSpace]] = {"darts": DartsCells, "edges": EdgeCells}
"""By their names in a config."""
