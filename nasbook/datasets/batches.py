"""An endless stream of batches, drawn without replacement, that continues exactly where it was stopped."""

from __future__ import annotations

import torch

from nasbook.base.errors import NasbookError
from nasbook.datasets.arrays import whole


class Sampler:
    """Draws batches of positions from ``indices`` (N,) int64, pass after pass, shuffled anew for each.

    Every batch has ``batch_size`` positions: the N % batch_size left over in a pass are dropped, so that
    shapes never change. Shuffling draws from ``generator``, a CPU generator of the sampler's own.
    Raises NasbookError if a batch cannot be filled.
    """

    def __init__(self, indices: torch.Tensor, batch_size: int, generator: torch.Generator) -> None:
        size = whole(batch_size)
        if size is None or size < 1:
            raise NasbookError(f"batch size {batch_size!r} is not a whole number of at least 1")
        if size > len(indices):
            raise NasbookError(f"a batch of {size:,} cannot be drawn from {len(indices):,} images")
        self.indices = indices.cpu()
        self.batch_size = size
        self.generator = generator
        self.order = torch.arange(len(indices))
        self.position = self.per_epoch

    @property
    def per_epoch(self) -> int:
        """Batches in one pass."""
        return len(self.indices) // self.batch_size

    def next(self) -> torch.Tensor:
        """The positions of the next batch: (batch_size,) int64 on the CPU."""
        if self.position == self.per_epoch:
            self.order = torch.randperm(len(self.indices), generator=self.generator)  # (N,)
            self.position = 0
        start = self.position * self.batch_size
        self.position += 1
        return self.indices[self.order[start : start + self.batch_size]]  # (N,) -> (batch_size,)

    def state_dict(self) -> dict:
        """What ``load_state_dict`` needs to continue bit for bit: tensors and whole numbers."""
        return {
            "order": self.order.clone(),
            "position": self.position,
            "batch_size": self.batch_size,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state``. Raises NasbookError if it belongs to other data or another batch size."""
        if len(state["order"]) != len(self.indices) or state["batch_size"] != self.batch_size:
            raise NasbookError(
                f"the stored data order is for {len(state['order']):,} images in batches of "
                f"{state['batch_size']}, not for {len(self.indices):,} in batches of {self.batch_size}"
            )
        self.order = state["order"].clone()
        self.position = state["position"]
        self.generator.set_state(state["generator"])
