"""Search methods, one file each, in the same section order: a diff of two files is the lesson."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from nasbook.base.errors import NasbookError, one_of
from nasbook.trials import NAMED

if TYPE_CHECKING:
    from nasbook.datasets.images import ImageData
    from nasbook.runs.run import Run
    from nasbook.spaces.tokens import TokenSpace
    from nasbook.trials.interface import Evaluator
    from nasbook.trials.running import TrialMethod

METHODS = {
    name: f"nasbook.searchers.{name}" for name in ("darts", "snas", "gdas", "data", "msg_das", "pc_darts", "rsws")
}
"""Method name to the module that holds it."""

SHARING = {"enas": "nasbook.searchers.enas"}
"""The same for searches with shared weights and a controller, see :mod:`nasbook.searchers.enas.loop`."""

TRIALS = {
    name: f"nasbook.searchers.{name}"
    for name in (
        *("random_search", "evolution", "nas_rl", "pnas"),
        *("local_search", "tpe", "successive_halving", "hyperband"),
    )
}
"""The same for the searches without a super-net, see :mod:`nasbook.trials`."""

NAMED.update(METHODS | SHARING | TRIALS)


def search(
    method: str | TrialMethod,
    *,
    data: ImageData | None = None,
    space: TokenSpace | str | None = None,
    evaluator: Evaluator | None = None,
    profile: str = "smoke",
    seed: int = 0,
    out: str | Path | None = None,
    figures: bool = True,
    **overrides: Any,
) -> Run:
    """Search an architecture and return the run. Two forms, by the kind of the method:

        nb.search("gdas", data=data)                                 # inside a super-net
        nb.search("evolution", space=space, evaluator=evaluator)     # by trial: nasbook.trials.run

    ``data`` trains the super-net of "darts", "snas", "gdas", "data", "msg_das", "pc_darts", "rsws" and "enas"; the test
    part is not touched, and ``space`` is a name: "darts" or "edges" (of "enas": "micro", "macro", "edges").
    "random_search", "evolution", "nas_rl", "pnas", "local_search", "tpe" (with Optuna installed), "successive_halving",
    "hyperband" and a method of your own propose architectures of ``space`` and are told what the ``evaluator`` finds;
    they also take ``mapper``. The two that halve need an evaluator that can judge after fewer epochs, which a look-up
    and a training can.

    ``profile`` "smoke" (about a minute on two CPU cores with images of 16 pixels), "lesson" or "paper" (the
    published protocol); ``overrides`` replace single settings of the method's Config. ``out`` is the run folder
    (default: that of :func:`nasbook.run_folder`): an unfinished run there is continued, a finished one loaded.
    ``figures=False`` draws no pictures into it: they take longer than a very short search.

    Raises NasbookError for anything misspelt, missing, superfluous, ill-typed or impossible, and for a folder that
    holds a run of another config.
    """
    inside = METHODS | SHARING
    if method in TRIALS if isinstance(method, str) else hasattr(method, "search"):
        given = {"data": data, "space": space, "evaluator": evaluator}
        _check_given(method, given, ("space", "evaluator"))
        from nasbook.trials.running import run

        return run(method, space=space, evaluator=evaluator, profile=profile, seed=seed, out=out, **overrides)
    module = import_module(inside[one_of(method, inside | TRIALS, "method")])
    named = "space" in module.Config.model_fields
    if space is not None and named:
        if not isinstance(space, str):
            names = " or ".join(map(repr, get_args(module.Config.model_fields["space"].annotation)))
            raise NasbookError(f"{method} takes data=, and for space= a name, {names}, not {space!r}")
        overrides["space"] = space
    _check_given(method, {"data": data, "space": None if named else space, "evaluator": evaluator}, ("data",))
    from nasbook.base.config import profile_values
    from nasbook.base.files import folder_path, run_folder
    from nasbook.datasets.images import check_data

    check_data(data)
    values = profile_values(module.PROFILES, profile, seed)
    config = module.Config.make(values | overrides)
    folder = run_folder(method, profile, seed, overrides) if out is None else folder_path(out)
    if method in SHARING:
        from nasbook.searchers.enas import loop

        return loop.run_enas(config, data, profile, folder)
    from nasbook.training.bilevel import run_search

    return run_search(module, method, config, data, profile, folder, figures=figures)


def _check_given(method: object, given: Mapping[str, object], wanted: Sequence[str]) -> None:
    """Raise NasbookError unless those of ``given`` that are not None are the ``wanted`` ones."""
    takes = f"{getattr(method, '__name__', method)} takes {' and '.join(f'{name}=' for name in wanted)}"
    for name, value in given.items():
        if value is None and name in wanted:
            raise NasbookError(f"{takes}, and {name}= is missing: see help(nb.search)")
        if value is not None and name not in wanted:
            raise NasbookError(f"{takes}, and no {name}=: see help(nb.search)")


def __getattr__(name: str):
    if name in NAMED:
        return import_module(NAMED[name])
    raise AttributeError(f"module 'nasbook.searchers' has no attribute {name!r}")
