"""What a run writes down while it goes on: a tidy trace, snapshots, and what each epoch cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from nasbook.spaces.genotypes import Genotype


class Record:
    """A trace, snapshots and costs; costs stand apart because a clock never repeats itself, and the rest does."""

    def __init__(self) -> None:
        self.rows: list[list] = []
        self.costs: list[list] = []
        self.steps: list[int] = []
        self.snapshots: list = []
        self.edge_snapshots: list = []
        self.genotypes: list[str] = []

    def add(self, step: int, split: str, **quantities: float) -> None:
        """Append one trace row for each quantity; ``step`` counts finished epochs."""
        self.rows += [[step, split, name, float(value)] for name, value in quantities.items()]

    def snapshot(
        self, step: int, alphas: Mapping[str, Any], genotype: Genotype, betas: Mapping[str, Any] | None = None
    ) -> None:
        """After ``step`` epochs, keep ``alphas``, cell kind to (E, O), as one (kinds, E, O) float32 tensor, the
        genotype that they stand for, and ``betas``, cell kind to (E,), if the method has any."""
        import torch

        self.steps.append(step)
        self.genotypes.append(str(genotype))
        self.snapshots.append(torch.stack([a.detach().float().cpu() for a in alphas.values()]))  # (kinds, E, O)
        if betas:
            self.edge_snapshots.append(torch.stack([b.detach().float().cpu() for b in betas.values()]))  # (kinds, E)

    def state_dict(self) -> dict:
        """Its rows and snapshots, as plain values and tensors."""
        return {name: list(values) for name, values in vars(self).items()}

    def load_state_dict(self, state: dict) -> None:
        """Take over what ``state_dict`` gave."""
        for name in vars(self):
            setattr(self, name, list(state[name]))

    def trace(self) -> pd.DataFrame:
        """Columns step, split, quantity, value."""
        return pd.DataFrame(self.rows, columns=["step", "split", "quantity", "value"])

    def spent(self) -> pd.DataFrame:
        """Columns step, seconds (of that epoch), peak_memory_bytes (so far)."""
        return pd.DataFrame(self.costs, columns=["step", "seconds", "peak_memory_bytes"])
