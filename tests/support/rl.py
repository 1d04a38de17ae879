"""Searches by controller on the tiny table, for tests."""

import types

from tables import TinyTable

from nasbook import trials
from nasbook.searchers import nas_rl
from nasbook.trials.evaluators import Function

TABLE = TinyTable()
SMALL = {"units": 8, "children": 4, "learning_rate": 0.02, "decay": 0.8}


def value(architecture):
    """A deterministic score of the tiny table's architectures, between 0 and 1."""
    return (1 + sum("abcd".index(name) for name in architecture)) / 10


def played(space=TABLE.space, evaluator=None, keep=None, **settings):
    """The ledger's table and the trace; ``keep`` gets the Search object."""
    settings = {"evaluations": 60, "replicas": 3, "shards": 4, **SMALL, **settings}
    method = nas_rl
    if keep is not None:

        def search(trial):
            keep.append(nas_rl.Scheme(trial))
            (nas_rl.synchronous if trial.config.synchronous else nas_rl.asynchronous)(keep[0])

        method = types.SimpleNamespace(Config=nas_rl.Config, PROFILES=nas_rl.PROFILES, search=search)
    trial, found = trials.play(method, space=space, evaluator=evaluator or Function(value, "value"), **settings)
    return trial.ledger.table(), trial.record.trace(), found
