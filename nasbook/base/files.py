"""Where things lie, and how a file is written so that no reader ever sees half of it."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nasbook.base.errors import NasbookError


def repository() -> Path:
    """The checkout that holds ``notebooks/`` and ``data/``.

    Raises NasbookError if the package was installed without its checkout.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "notebooks").is_dir():
        raise NasbookError(
            "the notebooks and the shipped data lie in the repository, and this nasbook was installed "
            "without it: clone the repository and run `pip install -e .` inside it"
        )
    return root


def cache() -> Path:
    """Where downloads are kept: ``$NASBOOK_DATA``, or ``~/.cache/nasbook``."""
    return Path(os.environ.get("NASBOOK_DATA") or Path.home() / ".cache" / "nasbook")


def run_folder(name: str, profile: str, seed: int, overrides: Mapping[str, object] | None = None) -> Path:
    """The folder for a run.

    ``nasbook run --out`` decides it through ``$NASBOOK_OUT``; an interactive reader gets
    ``NAME-PROFILE-SEED`` under ``$NASBOOK_RUNS`` or the repository's ``runs``, with a short hash of
    ``overrides`` behind it where there are any, so that a changed setting is a run of its own.
    """
    if os.environ.get("NASBOOK_OUT"):
        return Path(os.environ["NASBOOK_OUT"])
    runs = os.environ.get("NASBOOK_RUNS") or repository() / "runs"
    changed = json.dumps(dict(overrides or {}), sort_keys=True, default=str)
    suffix = "-" + hashlib.sha256(changed.encode()).hexdigest()[:8] if overrides else ""
    return Path(runs) / f"{name}-{profile}-{seed}{suffix}"


def folder_path(folder: str | Path) -> Path:
    """``folder`` as a path, ``~`` expanded. Raises NasbookError for what is no path, the empty string too, and for a
    name that the file system cannot have."""
    if not isinstance(folder, str | os.PathLike) or not str(folder) or "\0" in str(folder):
        raise NasbookError(f"{folder!r} is no folder: give its path")
    try:
        place = Path(folder).expanduser()
        place.exists()
    except (OSError, RuntimeError) as error:  # a name that is too long, the home of a stranger
        reason = getattr(error, "strerror", None) or error
        raise NasbookError(f"{str(folder)[:80]!r} is no folder: {reason}") from error
    return place


@contextmanager
def locked(path: Path, busy: str) -> Iterator[None]:
    """Holds the lock file ``path`` in a folder that is made where it lacks. Raises NasbookError with the sentence
    ``busy`` if another process holds it, and if the folder cannot be written."""
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise NasbookError(busy) from error
    except OSError as error:
        reason = error.strerror or error
        raise NasbookError(f"cannot write into {path.parent}: {reason}; choose another folder") from error
    try:
        yield
    finally:
        lock.release()


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write ``content`` to ``path`` so that the old or the new file is there at every moment.

    Temporary file in the same folder, fsync, rename. Raises NasbookError when the folder cannot be
    written or the disk is full; the old file is then untouched.
    """
    raw = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True) if path.parent.is_dir() else None
        raise NasbookError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder "
            "(what was already written is untouched)"
        ) from error


def read_json(path: Path) -> dict:
    """The object in a JSON file. Raises NasbookError if it cannot be read or holds anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NasbookError(f"cannot read {path}: {error}; restore it, or delete its folder") from error
    if not isinstance(value, dict):
        raise NasbookError(f"{path} holds a {type(value).__name__} where a JSON object belongs; restore or delete it")
    return value
