"""A search with shared weights, read from its folder: what it found, and its weights to judge other architectures."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from nasbook.errors import NasbookError
from nasbook.files import read_json
from nasbook.runs import Run

if TYPE_CHECKING:
    from nasbook.datasets.images import ImageData
    from nasbook.drawing.parts.picture import Picture
    from nasbook.evaluators import SharedWeights
    from nasbook.training.sharing import SharedSearch


class SharedRun(Run):
    """A finished or unfinished search of the method "enas". Shows itself: rewards and held-out accuracy by epoch.

    ``.trace``: splits weights (loss, accuracy, learning_rate), controller (reward, entropy in nats, baseline) and
    selection (accuracy: the mean of the candidates, and the best).
    """

    @property
    def architecture(self) -> str:
        """The name of the architecture that the search settled on."""
        return read_json(self._file("arc.json"))["architecture"]

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """The architectures drawn at the end, best first: architecture (text), accuracy with shared weights, tokens."""
        return self._table("candidates.csv", ["architecture", "accuracy", "tokens"])

    @cached_property
    def found(self) -> Hashable:
        """The architecture that the search settled on."""
        from nasbook.searchers.enas import space_of

        return space_of(self._settings).decode([int(word) for word in self.candidates["tokens"][0].split()])

    def state(self, data: ImageData) -> SharedSearch:
        """The search as its last checkpoint left it: ``.net``, ``.controller``, ``.space``, ``.parts``.

        Raises NasbookError for other data than it searched on, and before the first checkpoint.
        """
        from nasbook.datasets.splits import split
        from nasbook.recording import read_checkpoint
        from nasbook.training.sharing import begin

        wanted = {name: self.config[name] for name in data.description()}
        if wanted != data.description():
            raise NasbookError(f"{self.folder} was searched on {wanted['data']}, and these are other data")
        stored = read_checkpoint(self._file("checkpoint.pt"))
        if stored is None:
            raise NasbookError(f"{self.folder}/checkpoint.pt is damaged: delete the folder and run again")
        settings, data = self._settings, data.without_test()
        search = begin(settings, data, split(data.labels, settings.split, settings.seed))
        search.load_state_dict(stored)
        return search

    def evaluator(self, data: ImageData) -> SharedWeights:
        """Judges architectures with the shared weights of the last checkpoint, on the selection images of ``data``."""
        from nasbook.evaluators import SharedWeights

        search = self.state(data)
        positions, size = search.parts["selection"], self._settings.batch_size
        return SharedWeights(search.net, data=data, positions=positions, batch_size=size, name=self.folder.name)

    @property
    def _settings(self):
        from nasbook.searchers.enas import Config

        known = {name: value for name, value in self.config.items() if name in Config.model_fields}
        return Config.make(known)

    def _file(self, name: str):
        if name in ("alphas.npz", "margins.csv"):
            raise NasbookError(f"{self.folder} holds a search with a controller: no {name}, but .trace and .candidates")
        if name == "genotype.json" and self.config["space"] != "micro":
            raise NasbookError(f"a search of the space {self.config['space']!r} has no genotype: see .architecture")
        return super()._file(name)

    def save_figures(self) -> list[Path]:
        """Draw rewards and accuracy by epoch into ``figures/``. Raises NasbookError if that cannot be written."""
        return [self._picture().save(self.folder / "figures" / "search.svg")]

    def _picture(self) -> Picture:
        from nasbook.drawing.figures.sharing import sharing_picture

        return sharing_picture(self.trace)

    def _repr_mimebundle_(self, include=None, exclude=None):
        if not (self.folder / "trace.csv").exists():
            return {"text/plain": repr(self)}
        return self._picture()._repr_mimebundle_()


def rankings(runs: Iterable[SharedRun], data: ImageData, architectures: Sequence[Hashable]) -> pd.DataFrame:
    """One row a search: seed, the architecture that it derived, the entropy of its controller in nats (None where it
    never drew to learn), the candidates' mean held-out accuracy, and that of each of ``architectures``, by name."""
    rows = []
    for run in runs:
        learned = run.config["controller_steps"] > 0
        facts = {"seed": run.config["seed"], "architecture": run.architecture}
        facts["entropy"] = run.last("controller", "entropy") if learned else None
        facts["candidates"] = run.last("selection", "accuracy")
        scores = run.evaluator(data).evaluate(architectures)  # (n,)
        rows.append(facts | dict(zip(map(str, architectures), scores.tolist())))
    return pd.DataFrame(rows)
