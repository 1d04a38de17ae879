"""From the super-net to the derived net: what a finished search's weights are worth in one architecture.

The gap that DATA's table 8 prints (Chang et al., 2019, arXiv 1905.01786): the error of the super-net as it was
searched against that of the derived cell with the same weights, before any retraining.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

import torch
from torch import Tensor

from nasbook.datasets.images import ImageData
from nasbook.datasets.splits import split
from nasbook.errors import NasbookError, one_of
from nasbook.runs.run import Run
from nasbook.runs.writer import read_checkpoint
from nasbook.searchers import METHODS
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import Node, cell_edges
from nasbook.training.numerics import stream
from nasbook.training.search import accuracy
from nasbook.training.state import Search, start


def trained_search(run: Run, data: ImageData) -> Search:
    """The state at the end of a finished search on ``data``, weights and all; its run folder is left alone.

    Raises NasbookError if the run is no finished search, ran on other data, or its checkpoint is gone.
    """
    method = run.config.get("method")
    if method not in METHODS or not run.finished:
        raise NasbookError(f"{run!r} is no finished search: only one has a super-net with trained weights")
    found = data.description()
    if any(run.config[name] != found[name] for name in found):
        raise NasbookError(f"{run!r} searched on {run.config['data']}, and these data are not the same")
    module = import_module(METHODS[method])
    absent = [name for name in module.Config.model_fields if name not in run.config]
    if absent:
        raise NasbookError(f"{run!r} was searched by a version of nasbook that had no setting {absent[0]}")
    config = module.Config.make({name: run.config[name] for name in module.Config.model_fields})
    state = read_checkpoint(run.folder / "checkpoint.pt")
    if state is None:
        raise NasbookError(f"{run.folder} has no readable checkpoint: its trained weights are gone")
    data = data.without_test()
    search = start(config, data, split(data.labels, config.split, config.seed))
    search.load_state_dict(state)
    search.tau = module.temperature(config, config.epochs - 1)
    return search


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


def shared_accuracy(search: Search, genotype: Genotype) -> float:
    """Accuracy on the selection images of the cell with the super-net's weights, normalised by each batch."""
    paths = {kind: path_of(nodes, search.config.operations) for kind, (nodes, _) in genotype.kinds.items()}
    return accuracy(search, lambda: paths, search.parts["selection"])


def mean_sampled_accuracy(search: Search, method: str, draws: int = 10) -> float:
    """Mean accuracy on the selection images of ``draws`` rounds of architectures as ``method`` draws them.

    Raises NasbookError for another method than the search's, and for less than one round.
    """
    module = import_module(METHODS[one_of(method, METHODS, "method")])
    if not isinstance(search.config, module.Config) or draws < 1:
        raise NasbookError(f"no {draws} rounds of {method}: give the method of the search, and draws from 1")
    probe = replace(search, draws=stream(search.config.seed, "derivation gap"))
    order = search.parts["selection"]
    return sum(accuracy(search, lambda: module.paths(probe), order) for _ in range(draws)) / draws
