"""Search methods, one file each, in the same section order: a diff of two files is the lesson."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasbook.base.config import profile_values
from nasbook.base.errors import NasbookError, one_of
from nasbook.base.files import folder_path, run_folder

if TYPE_CHECKING:
    from nasbook.datasets.images import ImageData
    from nasbook.runs.run import Run

METHODS = {
    name: f"nasbook.searchers.{name}" for name in ("darts", "snas", "gdas", "data", "msg_das", "pc_darts", "rsws")
}
"""Method name to the module that holds it."""

SHARING = {"enas": "nasbook.searchers.enas"}
"""The same for searches with shared weights and a controller, see :mod:`nasbook.searchers.enas.loop`."""

TRIALS = {name: f"nasbook.searchers.{name}" for name in ("random_search", "evolution", "nas_rl", "pnas")}
"""The same for the searches without a super-net, see :mod:`nasbook.trials`."""


def search(
    method: str,
    *,
    data: ImageData,
    profile: str = "smoke",
    seed: int = 0,
    out: str | Path | None = None,
    figures: bool = True,
    **overrides: Any,
) -> Run:
    """Search an architecture and return the run.

    ``profile`` "smoke" (about a minute on two CPU cores with images of 16 pixels), "lesson" or "paper" (the
    published protocol); ``overrides`` replace single settings of the method's Config. ``out`` is the run folder
    (default: that of :func:`nasbook.run_folder`): an unfinished run there is continued, a finished one loaded.
    ``figures=False`` draws no pictures into it: they take longer than a very short search. The test part of ``data`` is
    not touched.

    Raises NasbookError for anything misspelt, ill-typed or impossible, and for a folder that holds a run of another
    config.
    """
    if isinstance(method, str) and method in TRIALS:
        raise NasbookError(f"{method} has no super-net: call nasbook.trials.run({method!r}, space=..., evaluator=...)")
    known = METHODS | SHARING
    module = import_module(known[one_of(method, known | TRIALS, "method")])
    from nasbook.datasets.images import check_data

    check_data(data)
    values = profile_values(module.PROFILES, profile, seed)
    config = module.Config.make(values | overrides)
    folder = run_folder(method, profile, seed, overrides) if out is None else folder_path(out)
    if method in SHARING:
        from nasbook.searchers.enas import loop

        return loop.run_search(config, data, profile, folder)
    from nasbook.training.search import run_search

    return run_search(module, method, config, data, profile, folder, figures=figures)


def __getattr__(name: str):
    for table in (METHODS, SHARING, TRIALS):
        if name in table:
            return import_module(table[name])
    raise AttributeError(f"module 'nasbook.searchers' has no attribute {name!r}")
