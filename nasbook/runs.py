"""A run: everything that one search or one training leaves behind, in one folder.

``config.json`` what was asked; ``trace.csv`` and ``alphas.npz`` what happened; ``genotype.json`` and
``margins.csv`` what was found and by how much; ``checkpoint.pt`` everything a bit-exact continuation needs;
``manifest.json`` on which machine, code and data; ``figures/`` pictures. Every file is replaced atomically.
"""

from __future__ import annotations

import io
import json
import sys
import time
import zipfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from nasbook.errors import NasbookError
from nasbook.files import read_json, write_atomically
from nasbook.spaces.genotypes import Genotype

FORMAT = 1
"""Version of the run folder; a folder of a newer one is refused, never guessed at."""

CADENCE = 50
"""A checkpoint is due when the work since the last one took this many times as long as writing it: under 2%."""


def update_manifest(folder: Path, **sections: Any) -> None:
    """Merge ``sections`` into the folder's ``manifest.json``; other top-level entries stay."""
    path = Path(folder) / "manifest.json"
    known = read_json(path) if path.exists() else {}
    write_atomically(path, json.dumps(known | sections, indent=1, sort_keys=True) + "\n")


class Record:
    """What a run writes down: a tidy trace, and snapshots of the architecture parameters."""

    def __init__(self) -> None:
        self.rows: list[list] = []
        self.steps: list[int] = []
        self.snapshots: list = []
        self.genotypes: list[str] = []

    def add(self, step: int, split: str, **quantities: float) -> None:
        """Append one trace row for each quantity."""
        self.rows += [[step, split, name, float(value)] for name, value in quantities.items()]

    def snapshot(self, step: int, alphas: Mapping[str, Any], genotype: Genotype) -> None:
        """Keep a copy of ``alphas``, cell kind to (E, O), as one (kinds, E, O) float32 tensor, and what they
        stand for."""
        import torch

        self.steps.append(step)
        self.genotypes.append(str(genotype))
        self.snapshots.append(torch.stack([a.detach().float().cpu() for a in alphas.values()]))  # (kinds, E, O)

    def state_dict(self) -> dict:
        return {name: list(values) for name, values in vars(self).items()}

    def load_state_dict(self, state: dict) -> None:
        for name in vars(self):
            setattr(self, name, list(state[name]))

    def trace(self) -> pd.DataFrame:
        """Columns step, split, quantity, value."""
        return pd.DataFrame(self.rows, columns=["step", "split", "quantity", "value"])


class RunWriter:
    """The one process that may write a run folder; use it in a ``with`` statement.

    Entering takes the folder's lock and compares ``config`` with the one that is there. Raises NasbookError if
    another process holds the lock, the folder belongs to another config (naming the keys that differ) or to a
    newer format, or cannot be written.
    """

    def __init__(self, folder: str | Path, config: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.config = {"format": FORMAT, **json.loads(json.dumps(config))}
        self._saved_at = time.monotonic()
        self._save_seconds = 0.02

    def __enter__(self) -> RunWriter:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.folder / ".lock")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise NasbookError(
                f"another process is writing {self.folder}: wait for it, or choose another folder"
            ) from error
        except OSError as error:
            raise NasbookError(
                f"cannot write into {self.folder}: {error.strerror or error}; choose another folder"
            ) from error
        try:
            self._claim()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _claim(self) -> None:
        path = self.folder / "config.json"
        if not path.exists():
            write_atomically(path, json.dumps(self.config, indent=1) + "\n")
            return
        known = _known_format(read_json(path), path)
        differ = sorted(k for k in {*known, *self.config} if known.get(k) != self.config.get(k))
        if differ:
            said = "; ".join(f"{k}: {known.get(k)!r} there, {self.config.get(k)!r} now" for k in differ)
            raise NasbookError(
                f"{self.folder} holds a run of another config ({said}): choose another folder, or delete this one"
            )

    @property
    def finished(self) -> bool:
        """Whether the folder holds the whole run already."""
        path = self.folder / "manifest.json"
        return path.exists() and read_json(path).get("status") == "finished"

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
        """The newest readable checkpoint, or None if there was never one.

        A damaged one is passed over with a line on standard error. Raises NasbookError if all are damaged.
        """
        candidates = [self.folder / f"checkpoint{part}.pt" for part in (".next", "", ".previous")]
        present = [path for path in candidates if path.exists()]
        for path in present:
            state = _read_checkpoint(path)
            if state is not None:
                return state
            print(f"nasbook: {path} is damaged; falling back to the checkpoint before it", file=sys.stderr)
        if present:
            raise NasbookError(
                f"every checkpoint in {self.folder} is damaged: delete the folder to start again, or choose another"
            )
        return None

    def publish(self, record: Record, **files: str) -> None:
        """Write the trace, the snapshots if there are any, and ``files`` (name with _ for the dot: text)."""
        write_atomically(self.folder / "trace.csv", record.trace().to_csv(index=False))
        if record.snapshots:
            write_atomically(self.folder / "alphas.npz", self._alphas(record))
        for name, text in files.items():
            write_atomically(self.folder / name.replace("_", ".", 1), text)

    def _alphas(self, record: Record) -> bytes:
        buffer = io.BytesIO()
        np.savez(
            buffer,
            alphas=np.stack([np.asarray(s) for s in record.snapshots]),  # (S, kinds, E, O)
            steps=np.asarray(record.steps),
            kinds=np.asarray(self.config["kinds"]),
            operations=np.asarray(self.config["operations"]),
            genotypes=np.asarray(record.genotypes),
        )
        return buffer.getvalue()


def _known_format(values: dict, path: Path) -> dict:
    """``values`` if this nasbook can read their format."""
    found = values.get("format")
    if isinstance(found, bool) or not isinstance(found, int):
        raise NasbookError(f"{path} names no format; it was not written by nasbook, or is damaged")
    if found > FORMAT:
        raise NasbookError(
            f"{path} has format {found} and this nasbook reads up to {FORMAT}: update nasbook, or choose another folder"
        )
    return values


def _read_checkpoint(path: Path) -> dict | None:
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
    return _known_format(state, path)


class Run:
    """A finished or unfinished run, read from its folder. Shows itself: cells, curves and one sentence."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.config: dict[str, Any] = _known_format(read_json(self.folder / "config.json"), self.folder / "config.json")

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """The run in ``folder``. Raises NasbookError if there is none, or one of a newer format."""
        if not (Path(folder) / "config.json").exists():
            raise NasbookError(f"no run in {folder}: it has no config.json")
        return cls(folder)

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            raise NasbookError(f"{self.folder} has no {name} yet: run the same command again to finish this run")
        return path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Machine, versions, commit, data and what the run took."""
        return read_json(self._file("manifest.json"))

    @property
    def finished(self) -> bool:
        """Whether the run ended; an unfinished one shows what there is."""
        return self.manifest.get("status") == "finished"

    @cached_property
    def trace(self) -> pd.DataFrame:
        """Tidy: step (epoch, from 1), split, quantity, value. Fractions lie in [0, 1], entropies are in nats."""
        return pd.read_csv(self._file("trace.csv"))

    def last(self, split: str, quantity: str) -> float:
        """The last value of a quantity in the trace. Raises NasbookError if it was never recorded."""
        rows = self.trace[(self.trace["split"] == split) & (self.trace["quantity"] == quantity)]
        if rows.empty:
            known = ", ".join(sorted({f"{s}/{q}" for s, q in zip(self.trace["split"], self.trace["quantity"])}))
            raise NasbookError(f"the trace of {self.folder} has no {split}/{quantity}; it has {known}")
        return float(rows["value"].iloc[-1])

    @cached_property
    def _snapshots(self) -> dict[str, np.ndarray]:
        with np.load(self._file("alphas.npz")) as archive:
            return dict(archive)

    @property
    def alphas(self) -> np.ndarray:
        """Architecture parameters over time: (snapshots, cell kinds, edges, operations), float32."""
        return self._snapshots["alphas"]

    @property
    def steps(self) -> np.ndarray:
        """The epoch after which each snapshot was taken, (snapshots,); the first is 0."""
        return self._snapshots["steps"]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names along the cell axis of :attr:`alphas`."""
        return tuple(self.config["kinds"])

    @property
    def operations(self) -> tuple[str, ...]:
        """Names along the operation axis of :attr:`alphas`."""
        return tuple(self.config["operations"])

    @cached_property
    def genotype(self) -> Genotype:
        """The cell that the architecture parameters stand for now."""
        return Genotype.from_json(self._file("genotype.json").read_text(encoding="utf-8"))

    @cached_property
    def margins(self) -> pd.DataFrame:
        """Every decision of the derivation: what was chosen, what came next, and their probabilities."""
        return pd.read_csv(self._file("margins.csv"))

    @cached_property
    def genotypes(self) -> tuple[Genotype, ...]:
        """The cell that each snapshot of :attr:`alphas` stands for."""
        return tuple(Genotype.parse(text) for text in self._snapshots["genotypes"].tolist())

    def explore(self):
        """The scrubber: move through the epochs and watch probabilities, entropy and the derived cell."""
        from nasbook.drawing.widget import explore

        cells = [genotype.kinds for genotype in self.genotypes]
        return explore(self.alphas, self.steps, self.kinds, self.operations, cells)

    def save_figures(self) -> list[Path]:
        """Draw curves, alphas and cells into ``figures/``. Raises NasbookError if they cannot be drawn."""
        from nasbook.drawing.gallery import save_run_figures

        return save_run_figures(
            self.folder, self.trace, self.alphas, self.steps, self.kinds, self.operations, self.genotype.kinds
        )

    def __repr__(self) -> str:
        state = "finished" if self.finished else "unfinished"
        return f"Run({self.config['method']}, seed {self.config['seed']}, {state}, {self.folder.name})"

    def _repr_mimebundle_(self, include=None, exclude=None):
        if not (self.folder / "genotype.json").exists():
            return {"text/plain": repr(self)}
        from nasbook.drawing.gallery import run_mimebundle

        return run_mimebundle(self.trace, self.genotype.kinds)
