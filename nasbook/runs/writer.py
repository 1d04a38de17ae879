"""Writing a run folder: what was recorded, checkpoints that survive a kill, and the folder's lock."""

from __future__ import annotations

import io
import json
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from nasbook.base.errors import NasbookError
from nasbook.base.files import locked, read_json, write_atomically
from nasbook.runs.folder import FORMAT, finished, known_format, update_manifest
from nasbook.runs.record import Record

CADENCE = 50
"""A checkpoint is due when the work since the last one took this many times as long as writing it: under 2%."""


class RunWriter:
    """The one process that may write a run folder; use it in a ``with`` statement.

    Entering takes the folder's lock and compares ``config`` with the one that is there. Raises NasbookError if
    another process holds the lock, the folder belongs to another config (naming the keys that differ) or to a
    newer format, or cannot be written. ``files`` are what a finished run of this kind has published.
    """

    def __init__(self, folder: str | Path, config: Mapping[str, Any], files: Sequence[str] = ()) -> None:
        self.folder = Path(folder)
        self._files = files
        self.config = {"format": FORMAT, **json.loads(json.dumps(config))}
        self._saved_at = time.monotonic()
        self._save_seconds = 0.02
        self._held = ExitStack()

    def __enter__(self) -> RunWriter:
        if self.finished and not self.lacking:
            # A finished run is only read, perhaps from a disk that cannot be written.
            self._compare()
            return self
        busy = f"another process is writing {self.folder}: wait for it, or choose another folder"
        with ExitStack() as held:
            held.enter_context(locked(self.folder / ".lock", busy))
            self._claim()
            for leftover in self.folder.glob(".*.tmp"):
                leftover.unlink()
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _claim(self) -> None:
        path = self.folder / "config.json"
        if path.exists():
            self._compare()
        else:
            files = ("checkpoint.pt", "trace.csv", "alphas.npz", "evaluations.csv")
            remains = [name for name in files if (self.folder / name).exists()]
            if remains:
                raise NasbookError(
                    f"{self.folder} holds {remains[0]} of a run without its config.json: choose another folder, or "
                    "delete this one"
                )
            write_atomically(path, json.dumps(self.config, indent=1) + "\n")

    def _compare(self) -> None:
        """Raise NasbookError unless the folder's config is this one."""
        path = self.folder / "config.json"
        known = known_format(read_json(path), path)
        differ = sorted(k for k in {*known, *self.config} if known.get(k) != self.config.get(k))
        if differ:
            said = "; ".join(f"{k}: {known.get(k)!r} there, {self.config.get(k)!r} now" for k in differ)
            raise NasbookError(
                f"{self.folder} holds a run of another config ({said}): choose another folder, or delete this one"
            )

    @property
    def finished(self) -> bool:
        """Whether the folder holds the whole run already."""
        return finished(self.folder)

    @property
    def lacking(self) -> list[str]:
        """The published files of a finished run that are gone; its checkpoint can give them back."""
        return [name for name in self._files if not (self.folder / name).exists()] if self.finished else []

    def begin(self, **facts: Any) -> None:
        """Say in the manifest that the run is under way, with ``facts`` on machine, code and data."""
        named = {name: self.config[name] for name in ("format", "method", "profile", "seed")}
        data = {"name": self.config["data"], "size": self.config["data_size"], "checksum": self.config["data_checksum"]}
        update_manifest(self.folder, status="running", data=data, **named, **facts)

    def finish(self, **facts: Any) -> None:
        """Say in the manifest that the run is complete, with ``facts`` on what it took."""
        update_manifest(self.folder, status="finished", **facts)

    def due(self) -> bool:
        """Whether a checkpoint now keeps their cost under 1/CADENCE of the time."""
        return time.monotonic() - self._saved_at >= CADENCE * self._save_seconds

    def save(self, state: dict) -> None:
        """Write ``state`` (tensors and plain values) as the newest checkpoint and keep the one before it."""
        import torch

        begun = time.monotonic()
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, **state}, buffer)
        newest = self.folder / "checkpoint.pt"
        fresh = self.folder / "checkpoint.next.pt"
        write_atomically(fresh, buffer.getvalue())
        if newest.exists():
            newest.replace(self.folder / "checkpoint.previous.pt")
        fresh.replace(newest)
        self._saved_at = time.monotonic()
        self._save_seconds = self._saved_at - begun

    def restore(self) -> dict | None:
        """The newest readable checkpoint; None if there is none, so that the run begins at its first step.

        A damaged one is set aside as ``NAME.damaged``, and a line on standard error says what follows from it.
        Raises NasbookError for a checkpoint of a newer format, and if a finished run has none.
        """
        candidates = [self.folder / f"checkpoint{part}.pt" for part in (".next", "", ".previous")]
        present = [path for path in candidates if path.exists()]
        for index, path in enumerate(present):
            state = read_checkpoint(path)
            if state is not None:
                return state
            path.replace(path.with_name(f"{path.name}.damaged"))
            rest = (
                "falling back to the checkpoint before it" if present[index + 1 :] else "starting from the first step"
            )
            print(f"nasbook: {path} is damaged; {rest}", file=sys.stderr)
        if self.finished:
            lost = " and ".join([*self.lacking, "checkpoint"])
            raise NasbookError(
                f"{self.folder} holds a finished run whose {lost} is gone: delete the folder to run again"
            )
        return None

    def publish(self, record: Record, files: Mapping[str, str] | None = None) -> None:
        """Write the trace, the snapshots if there are any, and ``files`` (name to text)."""
        write_atomically(self.folder / "trace.csv", record.trace().to_csv(index=False))
        if record.costs:
            write_atomically(self.folder / "costs.csv", record.spent().to_csv(index=False))
        if record.snapshots:
            write_atomically(self.folder / "alphas.npz", self._alphas(record))
        for name, text in (files or {}).items():
            write_atomically(self.folder / name, text)

    def _alphas(self, record: Record) -> bytes:
        buffer = io.BytesIO()
        betas = {"betas": np.stack([np.asarray(s) for s in record.edge_snapshots])} if record.edge_snapshots else {}
        np.savez(
            buffer,
            alphas=np.stack([np.asarray(s) for s in record.snapshots]),  # (S, kinds, E, O)
            steps=np.asarray(record.steps),
            kinds=np.asarray(self.config["kinds"]),
            operations=np.asarray(self.config["operations"]),
            genotypes=np.asarray(record.genotypes),
            **betas,  # (S, kinds, E)
        )
        return buffer.getvalue()


def read_checkpoint(path: Path) -> dict | None:
    """The state in ``path``; None if the file is damaged. The zip's checksums are compared first, because
    torch does not compare them. Raises NasbookError for a newer format."""
    import pickle

    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError):
        return None
    return known_format(state, path) if isinstance(state, dict) else None
