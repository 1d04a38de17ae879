"""Back to a trained net: from a run to the weights that it left, and to what they are worth in one architecture.

The gap that DATA's table 8 prints (Chang et al., 2019, arXiv 1905.01786): the error of the super-net as it was
searched against that of the derived cell with the same weights, before any retraining.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from types import ModuleType

import pandas as pd

from nasbook.base.config import Config
from nasbook.base.errors import NasbookError, one_of
from nasbook.datasets.images import ImageData
from nasbook.datasets.splits import split
from nasbook.runs.run import Run
from nasbook.runs.writer import read_checkpoint
from nasbook.searchers import METHODS, SHARING
from nasbook.searchers.enas.method import space_of
from nasbook.searchers.enas.state import SharedSearch, begin
from nasbook.spaces.genotypes import Genotype
from nasbook.training.bilevel import supernet_accuracy
from nasbook.training.numerics import stream
from nasbook.training.state import Search, start
from nasbook.trials.evaluators import SharedWeights


def trained_search(run: Run, data: ImageData) -> Search | SharedSearch:
    """The state of a search on ``data`` as its last checkpoint left it, weights and all; its run folder is left alone.

    Of "enas" it is a ``SharedSearch`` (``.net``, ``.controller``, ``.space``, ``.parts``), and the search may be
    unfinished. Raises NasbookError if the run is no search with a super-net, or no finished one of another method, ran
    on other data, or its checkpoint is gone.
    """
    method = run.config.get("method")
    if method not in SHARING and not (method in METHODS and run.finished):
        raise NasbookError(f"{run!r} is no finished search: only one has a super-net with trained weights")
    found = data.description()
    if any(run.config[name] != found[name] for name in found):
        raise NasbookError(f"{run!r} searched on {run.config['data']}, and these are other data, not the same")
    module, config = _settings(run)
    state = read_checkpoint(run.folder / "checkpoint.pt")
    if state is None:
        raise NasbookError(f"{run.folder} has no readable checkpoint: its trained weights are gone")
    data = data.without_test()
    search = (begin if method in SHARING else start)(config, data, split(data.labels, config.split, config.seed))
    search.load_state_dict(state)
    if method in METHODS:
        search.tau = module.temperature(config, config.epochs - 1)
    return search


def architecture(run: Run) -> Hashable:
    """What a search with a controller settled on: the architecture itself, whose name is ``run.best``.

    Raises NasbookError for another run.
    """
    candidates = run.candidates  # raises for a run of another kind
    return space_of(_settings(run)[1]).decode([int(word) for word in candidates["tokens"][0].split()])


def evaluator(run: Run, data: ImageData) -> SharedWeights:
    """Judges architectures with the shared weights of a search's last checkpoint, on the selection images of ``data``.

    Raises NasbookError as :func:`trained_search`, and for a search that has no controller.
    """
    if run.config.get("method") not in SHARING:
        raise NasbookError(f"{run!r} has no shared weights that judge any architecture: a search by enas has them")
    search = trained_search(run, data)
    how = search.config.model_dump(include={"batch_size", "bfloat16", "channels_last"})
    return SharedWeights(search.net, data=data, positions=search.parts["selection"], name=run.folder.name, **how)


def rankings(runs: Iterable[Run], data: ImageData, architectures: Sequence[Hashable]) -> pd.DataFrame:
    """One row a search with a controller: seed, the architecture that it derived, the entropy of its controller in
    nats (None where it never drew to learn), the candidates' mean held-out accuracy, and that of each of
    ``architectures``, by name."""
    rows = []
    for run in runs:
        learned = run.config["controller_steps"] > 0
        facts = {"seed": run.config["seed"], "architecture": run.best}
        facts["entropy"] = run.last("controller", "entropy") if learned else None
        facts["candidates"] = run.last("selection", "accuracy")
        scores = evaluator(run, data).evaluate(architectures)  # (n,)
        rows.append(facts | dict(zip(map(str, architectures), scores.tolist())))
    return pd.DataFrame(rows)


def _settings(run: Run) -> tuple[ModuleType, Config]:
    """The module of a run's method, and the config that the run was searched with."""
    module = import_module((METHODS | SHARING)[run.config["method"]])
    known = {"space": "darts"} | run.config  # written down only where it is another
    absent = [name for name in module.Config.model_fields if name not in known]
    if absent:
        raise NasbookError(f"{run!r} was searched by a version of nasbook that had no setting {absent[0]}")
    return module, module.Config.make({name: known[name] for name in module.Config.model_fields})


def shared_accuracy(search: Search, genotype: Genotype | str) -> float:
    """Accuracy on the selection images of the cell with the super-net's weights, normalised by each batch."""
    paths = search.space.path(genotype)
    return supernet_accuracy(search, lambda: paths, search.parts["selection"])


def mean_sampled_accuracy(search: Search, method: str, draws: int = 10) -> float:
    """Mean accuracy on the selection images of ``draws`` rounds of architectures as ``method`` draws them.

    Raises NasbookError for another method than the search's, and for less than one round.
    """
    module = import_module(METHODS[one_of(method, METHODS, "method")])
    if not isinstance(search.config, module.Config) or draws < 1:
        raise NasbookError(f"no {draws} rounds of {method}: give the method of the search, and draws from 1")
    probe = replace(search, draws=stream(search.config.seed, "derivation gap"))
    order = search.parts["selection"]
    return sum(supernet_accuracy(search, lambda: module.paths(probe), order) for _ in range(draws)) / draws
