"""A run: everything that one search or one training leaves behind, in one folder.

``config.json`` what was asked; ``trace.csv`` and ``alphas.npz`` what happened; ``costs.csv`` what it took;
``genotype.json`` and ``margins.csv`` what was found and by how much; ``checkpoint.pt`` everything a bit-exact
continuation needs; ``manifest.json`` on which machine, code and data; ``figures/`` pictures. Every file is replaced
atomically.
"""

from __future__ import annotations

import json
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasbook.errors import NasbookError
from nasbook.files import folder_path, read_json, write_atomically
from nasbook.spaces.genotypes import Genotype

FORMAT = 1
"""Version of the run folder; a folder of a newer one is refused, never guessed at."""

OWN_SETTING = {"enas": "controller_steps", "train": "initial_weights"}
"""A setting by which the config of a method is told from that of another."""

NUMBERS = [
    *("step", "value", "seconds", "peak_memory_bytes", "accuracy"),
    *("node", "probability", "runner_up_probability", "margin"),
]
"""The columns that hold numbers in every table of a run."""


def update_manifest(folder: Path, **sections: Any) -> None:
    """Merge ``sections`` into the folder's ``manifest.json``; other top-level entries stay."""
    path = Path(folder) / "manifest.json"
    known = read_json(path) if path.exists() else {}
    write_atomically(path, json.dumps(known | sections, indent=1, sort_keys=True) + "\n")


def known_format(values: dict, path: Path) -> dict:
    """``values`` if this nasbook can read their format."""
    found = values.get("format")
    if isinstance(found, bool) or not isinstance(found, int):
        raise NasbookError(f"{path} names no format; it was not written by nasbook, or is damaged")
    if found > FORMAT:
        raise NasbookError(
            f"{path} has format {found} and this nasbook reads up to {FORMAT}: update nasbook, or choose another folder"
        )
    return values


class Run:
    """A finished or unfinished run, read from its folder. Shows itself: cells, curves and one sentence."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.config: dict[str, Any] = known_format(read_json(self.folder / "config.json"), self.folder / "config.json")

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """The run in ``folder``. Raises NasbookError if there is none, or one of a newer format."""
        if not (folder_path(folder) / "config.json").exists():
            raise NasbookError(f"no run in {folder}: it has no config.json")
        if (Path(folder) / "evaluations.csv").exists():
            from nasbook.trials import TrialRun

            return TrialRun(folder)
        run = cls(folder)
        method = run.config.get("method")
        own = OWN_SETTING.get(str(method))
        if own is not None and own not in run.config:
            said = f"{run.folder / 'config.json'} says the method {method!r} and lacks its setting {own!r}"
            raise NasbookError(f"{said}: restore the file, or delete the folder")
        if method == "enas":
            from nasbook.shared_runs import SharedRun

            return SharedRun(folder)
        return run

    def _file(self, name: str) -> Path:
        if self.config.get("method") == "train" and name in ("alphas.npz", "genotype.json", "margins.csv"):
            raise NasbookError(f"{self.folder} holds a training, which has no {name}; its curve is in .trace")
        path = self.folder / name
        if not path.exists():
            if self.finished:
                raise NasbookError(f"{self.folder} has lost its {name}: {self._mend.removeprefix('delete it and ')}")
            raise NasbookError(f"{self.folder} has no {name} yet: run the same command again to finish this run")
        return path

    @property
    def _mend(self) -> str:
        """The way out if a published file is damaged: the checkpoint of a search or a training holds it too."""
        if self.finished and not (self.folder / "checkpoint.pt").exists():
            return "delete the folder and run again"
        return "delete it and run the same command again"

    def _table(self, name: str, columns: list[str]) -> pd.DataFrame:
        path = self._file(name)
        try:
            whole = path.read_bytes().endswith(b"\n")
            table = pd.read_csv(path, engine="python")
            for column in table.columns.intersection(NUMBERS):
                pd.to_numeric(table[column])
        except (OSError, ValueError) as error:
            raise NasbookError(f"{path} is damaged ({error}): {self._mend}") from error
        if not whole or not set(columns) <= set(table.columns) or table[columns].isna().any(axis=None):
            raise NasbookError(f"{path} is damaged (it lacks values): {self._mend}")
        return table

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Machine, versions, commit, data and what the run took."""
        return read_json(self._file("manifest.json"))

    @property
    def finished(self) -> bool:
        """Whether the run ended; an unfinished one shows what there is."""
        path = self.folder / "manifest.json"
        return path.exists() and read_json(path).get("status") == "finished"

    @cached_property
    def trace(self) -> pd.DataFrame:
        """Tidy: step (epoch, from 1), split, quantity, value. Fractions lie in [0, 1], entropies are in nats."""
        return self._table("trace.csv", ["step", "split", "quantity", "value"])

    @cached_property
    def costs(self) -> pd.DataFrame:
        """What each epoch of a search took: step, seconds, peak_memory_bytes of the process or device so far.

        Not part of the trace, because a clock never repeats itself.
        """
        return self._table("costs.csv", ["step", "seconds", "peak_memory_bytes"])

    def last(self, split: str, quantity: str) -> float:
        """The last value of a quantity in the trace. Raises NasbookError if it was never recorded."""
        rows = self.trace[(self.trace["split"] == split) & (self.trace["quantity"] == quantity)]
        if rows.empty:
            known = ", ".join(sorted({f"{s}/{q}" for s, q in zip(self.trace["split"], self.trace["quantity"])}))
            raise NasbookError(f"the trace of {self.folder} has no {split}/{quantity}; it has {known}")
        return float(rows["value"].iloc[-1])

    @cached_property
    def _snapshots(self) -> dict[str, np.ndarray]:
        path = self._file("alphas.npz")
        try:
            with np.load(path) as archive:
                needed = {name: archive[name] for name in ("alphas", "steps", "kinds", "operations", "genotypes")}
                return needed | {name: archive[name] for name in ("betas",) if name in archive}
        except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
            raise NasbookError(f"{path} is damaged ({error}): {self._mend}") from error

    @property
    def alphas(self) -> np.ndarray:
        """Architecture parameters over time: (snapshots, cell kinds, edges, operations), float32."""
        return self._snapshots["alphas"]

    @property
    def betas(self) -> np.ndarray:
        """Logits of the edges over time, where the method weighs them: (snapshots, cell kinds, edges), float32.

        Raises NasbookError where it does not.
        """
        if "betas" not in self._snapshots:
            raise NasbookError(f"{self.folder} has no betas: {self.config.get('method')} does not weigh the edges")
        return self._snapshots["betas"]

    @property
    def steps(self) -> np.ndarray:
        """The epoch after which each snapshot was taken, (snapshots,); the first is 0."""
        return self._snapshots["steps"]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names along the cell axis of :attr:`alphas`."""
        return tuple(self._snapshots["kinds"].tolist())

    @property
    def operations(self) -> tuple[str, ...]:
        """Names along the operation axis of :attr:`alphas`."""
        return tuple(self._snapshots["operations"].tolist())

    @cached_property
    def genotype(self) -> Genotype:
        """The cell that the architecture parameters stand for now."""
        path = self._file("genotype.json")
        try:
            return Genotype.from_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise NasbookError(f"{path} is damaged ({error}): {self._mend}") from error

    @cached_property
    def margins(self) -> pd.DataFrame:
        """Every decision of the derivation: what was chosen, what came next, and their probabilities."""
        return self._table("margins.csv", ["kind", "node", "decision", "chosen", "probability", "margin"])

    @cached_property
    def genotypes(self) -> tuple[Genotype, ...]:
        """The cell that each snapshot of :attr:`alphas` stands for."""
        return tuple(Genotype.parse(text) for text in self._snapshots["genotypes"].tolist())

    def explore(self, other: Run | None = None):
        """The scrubber: move through the epochs and watch probabilities, entropy and the derived cell.

        With ``other``, both side by side: they may differ in method, length and nodes.
        Raises NasbookError for a training, or if ``other`` is no run.
        """
        from nasbook.drawing.widget import explore

        if not isinstance(other, Run | None):
            kind = type(other).__name__
            raise NasbookError(f"a search is shown beside another run, not a {kind}: nb.Run.load(folder) reads one")
        runs = [self] if other is None else [self, other]
        names = [f"{run.config.get('method')}, seed {run.config.get('seed')}" for run in runs]
        if len({*names}) < len(runs):
            names = [f"{name} ({side})" for name, side in zip(names, ("left", "right"))]
        return explore(*(run.story(name) for run, name in zip(runs, names)))

    def story(self, name: str = ""):
        """What the scrubber draws of this search: a plain ``drawing.story.Story`` called ``name``."""
        from nasbook.drawing.story import prepare

        cells = [genotype.kinds for genotype in self.genotypes]
        return prepare(self.alphas, self.steps, self.kinds, self.operations, cells, name)

    def save_figures(self) -> list[Path]:
        """Draw curves, alphas and cells into ``figures/``. Raises NasbookError if they cannot be drawn."""
        from nasbook.drawing.gallery import save_run_figures

        return save_run_figures(
            self.folder, self.trace, self.alphas, self.steps, self.kinds, self.operations, self.genotype.kinds
        )

    def __repr__(self) -> str:
        state = "finished" if self.finished else "unfinished"
        return f"Run({self.config.get('method')}, seed {self.config.get('seed')}, {state}, {self.folder.name})"

    def _repr_mimebundle_(self, include=None, exclude=None):
        if not (self.folder / "trace.csv").exists():
            return {"text/plain": repr(self)}
        from nasbook.drawing import gallery

        if self.config.get("method") == "train":
            return gallery.training_mimebundle(self.trace)
        return gallery.run_mimebundle(self.trace, self.genotype.kinds)
