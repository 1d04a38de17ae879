"""``nasbook run``: a notebook executed from top to bottom, strictly, with its provenance.

Papermill executes. Around it: parameters are checked before a kernel starts, the kernel works in the
notebook's folder and dies with us, errors hidden in widgets fail the run, and what is stored is in the
book's normal form.
"""

import ast
import importlib.util
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbformat import NotebookNode

from nasbook.base.config import checked_seed
from nasbook.base.errors import NasbookError, one_of
from nasbook.base.files import read_json, run_folder, write_atomically
from nasbook.book.running import execution, notebook_files
from nasbook.book.running.execution import NotebookFailed
from nasbook.book.running.watch import Stopped, Watch

CELL_SECONDS = {"smoke": 600, "lesson": 4 * 3600, "paper": None}


@dataclass(frozen=True)
class Request:
    """One run of one notebook, checked. ``changed``: the parameters that are not at their default."""

    path: Path
    out: Path
    parameters: dict
    changed: dict
    cell_seconds: int | None
    store: bool

    @property
    def name(self) -> str:
        """The notebook's name without ``.ipynb``."""
        return self.path.stem


def parse_parameters(pairs: list[str], profile: str | None) -> dict[str, str]:
    """``["SEED=3", ...]`` as names and texts; ``prepare`` reads the texts in the light of the defaults.

    Raises NasbookError for a pair without ``=`` and for a name that is given twice.
    """
    given = {} if profile is None else {"PROFILE": profile}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise NasbookError(f"-p {pair} is no parameter: write -p NAME=VALUE, for example -p SEED=3")
        if key in given:
            raise NasbookError(f"the parameter {key} is given twice: leave one")
        given[key] = value
    return given


def _value(text: str, default: object) -> object:
    """A Python or JSON literal, or else the text; where the default is a string, always the text."""
    if isinstance(default, str):
        return text
    for read in (ast.literal_eval, json.loads):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return text


def prepare(name: str, given: dict[str, str], out: str | None, cell_seconds: int | None, store: bool) -> Request:
    """Check everything that can be checked without a kernel. ``given``: names and texts of parameters.

    Raises NasbookError for a missing or unreadable notebook, one without exactly one parameters cell,
    an unknown or ill-typed parameter, an unknown profile, an impossible seed, a time limit below 1 s, a
    foreign or missing kernel, a run folder of another notebook or other parameters, and a folder that is
    no run's.
    """
    if cell_seconds is not None and cell_seconds < 1:
        raise NasbookError(f"--cell-timeout is {cell_seconds}: give at least 1 second, or leave it out")
    path = notebook_files.find(name)
    notebook = notebook_files.read(path)
    defaults = notebook_files.defaults(notebook, path.stem)
    parameters = dict(defaults)
    for key, text in given.items():
        one_of(key, defaults, f"parameter of {path.stem}")
        parameters[key] = _value(text, defaults[key])
        _check_type(key, parameters[key], defaults[key])
    profile = one_of(parameters.get("PROFILE", "smoke"), CELL_SECONDS, "profile")
    if "SEED" in parameters:
        checked_seed(parameters["SEED"])
    changed = {key: value for key, value in parameters.items() if value != defaults[key]}
    if store and changed:
        raise NasbookError(
            f"--store keeps the outputs of the default parameters in the notebook, so {', '.join(changed)} "
            "cannot be changed with it"
        )
    _check_kernel(notebook, path.stem)
    overrides = parameters.get("OVERRIDES")
    overrides = overrides if isinstance(overrides, dict) else None
    folder = Path(out) if out else run_folder(path.stem, profile, parameters.get("SEED", 0), overrides)
    folder = folder.expanduser().absolute()
    request = Request(path, folder, parameters, changed, cell_seconds or CELL_SECONDS[profile], store)
    _check_folder(request)
    return request


def _check_type(key: str, value: object, default: object) -> None:
    wanted = (int, float) if type(default) is float else (type(default),)
    if default is not None and type(value) not in wanted:
        raise NasbookError(
            f"the parameter {key} is {value!r}, of type {type(value).__name__}, "
            f"where {type(default).__name__} belongs, like {default!r}"
        )


def _check_kernel(notebook: NotebookNode, name: str) -> None:
    kernel = notebook.metadata.get("kernelspec", {}).get("name", "python3")
    if kernel != "python3":
        raise NasbookError(f"{name} asks for the kernel {kernel!r}: the book's notebooks use 'python3'")
    if importlib.util.find_spec("ipykernel") is None:
        raise NasbookError("there is no Python kernel here: run `pip install ipykernel` in this environment")
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        KernelSpecManager().get_kernel_spec(kernel)
    except NoSuchKernel as error:
        raise NasbookError(
            "Jupyter knows no kernel 'python3': run `python -m ipykernel install --sys-prefix` here"
        ) from error


def _as_json(values: dict) -> dict:
    return json.loads(json.dumps(values, default=repr))


def _check_folder(request: Request) -> None:
    manifest = request.out / "manifest.json"
    before = read_json(manifest).get("notebook") if manifest.exists() else None
    _check_ours(request.out, before)
    # what failed before its first checkpoint left nothing that a corrected command could spoil
    began = before is not None and (before.get("status") != "failed" or any(request.out.rglob("checkpoint.pt")))
    if not began:
        return
    if before.get("name") != request.name:
        raise NasbookError(
            f"{request.out} holds a run of {before.get('name')}, not of {request.name}: choose another --out"
        )
    old, new = before.get("parameters", {}), _as_json(request.parameters)
    differ = [f"{k} ({old.get(k)!r} there, {new.get(k)!r} here)" for k in {**old, **new} if old.get(k) != new.get(k)]
    if differ:
        raise NasbookError(
            f"{request.out} holds a run of {request.name} with other parameters: {', '.join(differ)}; "
            "choose another --out"
        )


def _check_ours(folder: Path, before: object) -> None:
    """Raise NasbookError if the folder holds files of a run's names that are no run's; ``before``: the
    manifest's entry on a notebook."""
    config = folder / "config.json"
    foreign = [config.name] if config.exists() and type(read_json(config).get("format")) is not int else []
    if before is not None and not isinstance(before, dict):
        foreign.append("manifest.json")
    if before is None and (folder / "notebook.ipynb").exists():
        foreign.append("notebook.ipynb")
    if foreign:
        raise NasbookError(f"{folder} holds a {foreign[0]} that nasbook did not write: choose another --out")


def run(request: Request) -> None:
    """Execute the notebook; the executed notebook and the manifest are then in ``request.out``.

    Raises NasbookError (bad input or machine), NotebookFailed (a cell failed, ran too long, took its
    kernel down, or hid an error in a widget) or Stopped.
    """
    from filelock import FileLock, Timeout

    try:
        request.out.mkdir(parents=True, exist_ok=True)
        with FileLock(request.out / ".notebook.lock", timeout=0):
            _run_alone(request)
    except Timeout as error:
        raise NasbookError(
            f"another `nasbook run` is working in {request.out}: wait for it or choose another --out"
        ) from error
    except OSError as error:
        raise NasbookError(
            f"cannot write into {request.out}: {error.strerror or error}; free space or choose another --out"
        ) from error


def _run_alone(request: Request) -> None:
    from nasbook.base.machine import commit, device, device_name, versions
    from nasbook.runs.folder import update_manifest

    record = {
        "name": request.name,
        "parameters": _as_json(request.parameters),
        "profile": request.parameters.get("PROFILE"),
        "seeds": [request.parameters["SEED"]] if "SEED" in request.parameters else [],
        "commit": commit(),
        "versions": versions(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": "running",
    }
    update_manifest(request.out, notebook=record)
    manifest = request.out / "manifest.json"
    known_before = read_json(manifest).get("device")
    started = time.monotonic()
    watch = Watch(request.out / "progress.log")
    watch.start()
    record["status"] = "failed"
    try:
        _execute(request, watch)
        record["status"] = "finished"
    except Stopped:
        record["status"] = "stopped"
        raise
    finally:
        watch.stop()
        record |= {"wall_seconds": round(time.monotonic() - started, 2), "peak_memory_bytes": watch.peak_memory or None}
        update_manifest(request.out, notebook=record)
    # asking loads torch, for which nobody should wait: only now, and not where the notebook's own search has told
    noted = None if known_before else read_json(manifest).get("device")
    update_manifest(request.out, notebook=record | {"device": noted or device_name(device())})


def _execute(request: Request, watch: Watch) -> None:
    """Run papermill on a working copy, store what came out, and raise if anything in it is wrong."""
    working = request.out / ".notebook.running.ipynb"
    working.unlink(missing_ok=True)
    failure = None
    try:
        execution.execute(request.path, working, request.changed, request.cell_seconds, watch)
    except (NasbookError, NotebookFailed) as error:
        failure = error
    if not working.exists():
        raise failure
    executed = notebook_files.read(working)
    failure = failure or execution.silent_failure(executed)
    stored = notebook_files.text(notebook_files.normalised(executed))
    write_atomically(request.out / "notebook.ipynb", stored)
    working.unlink()
    if failure:
        raise failure
    if request.store:
        write_atomically(request.path, stored)
