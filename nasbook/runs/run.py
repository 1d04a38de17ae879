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

from nasbook.base.errors import NasbookError
from nasbook.base.files import folder_path, read_json
from nasbook.base.shown import Shown
from nasbook.runs.folder import finished, known_format
from nasbook.runs.journal import as_table, read
from nasbook.spaces.edges.cells import read_cell, write_cell
from nasbook.spaces.genotypes import Genotype

FILES = {
    "training": {"costs.csv"},
    "search without a super-net": {"evaluations.csv", "best.json"},
    "search with a controller": {"costs.csv", "candidates.csv", "arc.json", "genotype.json"},
    "search with alphas": {"costs.csv", "alphas.npz", "margins.csv", "genotype.json"},
}
"""Kind of run to those of its files that not all kinds have."""

INSTEAD = {
    "training": ".trace",
    "search without a super-net": ".evaluations and .best",
    "search with a controller": ".trace, .candidates and .best",
    "search with alphas": ".alphas and .genotype",
}

OWN_SETTING = {"enas": "controller_steps", "train": "initial_weights"}
"""A setting by which the config of a method is told from that of another."""

NUMBERS = [
    *("step", "value", "seconds", "peak_memory_bytes", "accuracy"),
    *("node", "probability", "runner_up_probability", "margin"),
]
"""The columns that hold numbers in every table of a run."""


class Run(Shown):
    """A finished or unfinished run of any method, read from its folder. Shows itself: cells or scores, curves and one
    sentence. What a run of its kind does not have raises NasbookError, which says what it has instead.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.config: dict[str, Any] = known_format(read_json(self.folder / "config.json"), self.folder / "config.json")

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """The run in ``folder``. Raises NasbookError if there is none, or one of a newer format."""
        if not (folder_path(folder) / "config.json").exists():
            raise NasbookError(f"no run in {folder}: it has no config.json")
        run = cls(folder)
        method = run.config.get("method")
        own = OWN_SETTING.get(str(method))
        if own is not None and own not in run.config:
            said = f"{run.folder / 'config.json'} says the method {method!r} and lacks its setting {own!r}"
            raise NasbookError(f"{said}: restore the file, or delete the folder")
        return run

    @cached_property
    def kind(self) -> str:
        """What kind of run it is, one of ``FILES``."""
        if "evaluator" in self.config:
            return "search without a super-net"
        own = {"train": "training", "enas": "search with a controller"}
        return own.get(self.config.get("method"), "search with alphas")

    @property
    def of_edges(self) -> bool:
        """Whether a super-net of edge cells was searched, whose architectures are strings."""
        return self.config.get("space") == "edges"

    def _file(self, name: str) -> Path:
        kind = self.kind
        if name not in FILES[kind] and any(name in others for others in FILES.values()):
            raise NasbookError(f"{self.folder} holds a {kind}, which has no {name}, but {INSTEAD[kind]}")
        if name == "genotype.json" and kind == "search with a controller" and self.config["space"] != "micro":
            raise NasbookError(f"a search of the space {self.config['space']!r} has no genotype: see .best")
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
        return finished(self.folder)

    @cached_property
    def trace(self) -> pd.DataFrame:
        """Tidy: step (epoch, from 1; of trials the evaluations so far), split, quantity, value. Fractions lie in
        [0, 1], entropies are in nats."""
        return self._table("trace.csv", ["step", "split", "quantity", "value"])

    @cached_property
    def costs(self) -> pd.DataFrame:
        """What each epoch of a search took: step, seconds, peak_memory_bytes of the process or device so far."""
        return self._table("costs.csv", ["step", "seconds", "peak_memory_bytes"])

    def last(self, split: str, quantity: str) -> float:
        """The last value of a quantity in the trace. Raises NasbookError if it was never recorded."""
        rows = self.trace[(self.trace["split"] == split) & (self.trace["quantity"] == quantity)]
        if rows.empty:
            known = ", ".join(sorted({f"{s}/{q}" for s, q in zip(self.trace["split"], self.trace["quantity"])}))
            raise NasbookError(f"the trace of {self.folder} has no {split}/{quantity}; it has {known}")
        return float(rows["value"].iloc[-1])

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row an evaluation: order, architecture (text), score, seconds, failure ("" if there was none)."""
        path = self._file("evaluations.csv")
        rows, told = read(path), self.manifest.get("evaluations") if self.finished else None
        if told not in (None, len(rows)):
            raise NasbookError(f"{path} holds {len(rows)} of the run's {told} evaluations: delete the folder")
        return as_table(rows)

    @cached_property
    def found(self) -> dict[str, Any]:
        """What a search without a super-net settled on: order, architecture, score, seconds, failure."""
        return read_json(self._file("best.json"))

    @property
    def best(self) -> str:
        """The name of the architecture that a search without a super-net, or with a controller, settled on."""
        path = self._file("arc.json" if "arc.json" in FILES[self.kind] else "best.json")
        found = read_json(path)
        if "architecture" not in found:
            raise NasbookError(f"{path} is damaged: delete the folder and run again")
        return found["architecture"]

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """The architectures that a controller drew at the end, best first: architecture (text), accuracy with shared
        weights, tokens."""
        return self._table("candidates.csv", ["architecture", "accuracy", "tokens"])

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
    def genotype(self) -> Genotype | str:
        """The cell that the architecture parameters stand for now; of the space "edges" its string."""
        if self.of_edges and self.kind == "search with a controller":
            return self.best
        path = self._file("genotype.json")
        try:
            text = path.read_text(encoding="utf-8")
            return write_cell(read_cell(json.loads(text))) if self.of_edges else Genotype.from_json(text)
        except ValueError as error:
            raise NasbookError(f"{path} is damaged ({error}): {self._mend}") from error

    @cached_property
    def margins(self) -> pd.DataFrame:
        """Every decision of the derivation: what was chosen, what came next, and their probabilities."""
        return self._table("margins.csv", ["kind", "node", "decision", "chosen", "probability", "margin"])

    @cached_property
    def genotypes(self) -> tuple[Genotype | str, ...]:
        """The cell that each snapshot of :attr:`alphas` stands for."""
        read = str if self.of_edges else Genotype.parse
        return tuple(read(text) for text in self._snapshots["genotypes"].tolist())

    def explore(self, other: Run | None = None):
        """The scrubber: move through the epochs and watch probabilities, entropy and the derived cell.

        With ``other``, both side by side: they may differ in method, length and nodes.
        Raises NasbookError for a run without alphas, or if ``other`` is no run.
        """
        if not isinstance(other, Run | None):
            kind = type(other).__name__
            raise NasbookError(f"a search is shown beside another run, not a {kind}: nb.Run.load(folder) reads one")
        runs = [self] if other is None else [self, other]
        names = [f"{run.config.get('method')}, seed {run.config.get('seed')}" for run in runs]
        if len({*names}) < len(runs):
            names = [f"{name} ({side})" for name, side in zip(names, ("left", "right"))]
        return self._drawn("scrubber", *(run.story(name) for run, name in zip(runs, names)))

    def story(self, name: str = ""):
        """What the scrubber draws of this search: a plain ``drawing.scrubber.story.Story`` called ``name``."""
        if self.of_edges:
            raise NasbookError("the scrubber draws the cells of DARTS, and this search is one of the space 'edges'")
        cells = [genotype.kinds for genotype in self.genotypes]
        return self._drawn("story", self.alphas, self.steps, self.kinds, self.operations, cells, name)

    def save_figures(self) -> list[Path]:
        """Draw curves, alphas and cells, or scores, into ``figures/``. Raises NasbookError if they cannot be drawn."""
        if self.kind in ("search without a super-net", "search with a controller"):
            return [self._picture().save(self.folder / "figures" / "search.svg")]
        cells = {} if self.of_edges else self.genotype.kinds
        seen = self.trace, self.alphas, self.steps, self.kinds, self.operations, cells
        return self._drawn("one-shot figures", self.folder, *seen)

    def _picture(self):
        if self.kind == "search without a super-net":
            return self._drawn("trials", self.evaluations, self.config["method"])
        return self._drawn("sharing", self.trace)

    def __repr__(self) -> str:
        state = "finished" if self.finished else "unfinished"
        return f"Run({self.config.get('method')}, seed {self.config.get('seed')}, {state}, {self.folder.name})"

    def _repr_mimebundle_(self, include=None, exclude=None):
        trials = self.kind == "search without a super-net"
        shows = self.folder / ("evaluations.csv" if trials else "trace.csv")
        if not shows.exists() or (trials and self.evaluations.empty):
            return {"text/plain": repr(self)}
        if self.kind == "training" or (self.of_edges and self.kind == "search with alphas"):
            return self._drawn("training", self.trace)
        if self.kind == "search with alphas":
            return self._drawn("one-shot", self.trace, self.genotype.kinds)
        return self._picture()._repr_mimebundle_()
