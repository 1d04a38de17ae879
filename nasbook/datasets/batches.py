"""An endless stream of batches, drawn without replacement, that continues exactly where it was stopped."""

import torch

from nasbook.base.errors import NasbookError


class Sampler:
    """Draws batches of positions from ``indices`` (N,) int64, pass after pass, shuffled anew for each.

    Every batch has ``batch_size`` positions: the N % batch_size left over in a pass are dropped, so that
    shapes never change. Shuffling draws from ``generator``, a CPU generator of the sampler's own.
    Raises NasbookError if a batch cannot be filled.
    """

    def __init__(self, indices: torch.Tensor, batch_size: int, generator: torch.Generator) -> None:
        if batch_size > len(indices):
            raise NasbookError(f"a batch of {batch_size:,} cannot be drawn from {len(indices):,} images")
        self.indices = indices.cpu()
        self.batch_size = batch_size
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
        return {"order": self.order.clone(), "position": self.position, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state``, that of a sampler of the same data and batch size."""
        self.order = state["order"].clone()
        self.position = state["position"]
        self.generator.set_state(state["generator"])
