"""A searched recurrent cell as a module that runs (Zoph & Le, 2017, arXiv 1611.01578, section 3.4)."""

import torch
from torch import Tensor, nn

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.spaces.recurrent.trees import RecurrentTree

FUNCTIONS = {"identity": lambda x: x, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}


def combine(name: str, one: Tensor, other: Tensor) -> Tensor:
    """Two (B, H) to one (B, H)."""
    return one + other if name == "add" else one * other


class TreeCell(nn.Module):
    """``tree`` on inputs of ``inputs`` numbers and a state of ``units``: b (inputs + units) units weights, no bias.

    ``input_maps`` (b units, inputs) and ``state_maps`` (b units, units) hold the maps of the leaves, one after
    another. ``seed`` of the initial weights, U(-.1, .1). Raises NasbookError for what is no tree and for sizes that
    are no positive numbers.
    """

    def __init__(self, tree: RecurrentTree, inputs: int, units: int, *, seed: int = 0) -> None:
        super().__init__()
        if not isinstance(tree, RecurrentTree):
            raise NasbookError(f"the cell needs a RecurrentTree, not {tree!r}")
        inputs, units = checks.whole(inputs, "inputs", 1), checks.whole(units, "units", 1)
        generator = torch.Generator().manual_seed(seed)
        self.tree, self.units = tree, units
        rows = tree.leaves * units
        self.input_maps = nn.Parameter(torch.empty(rows, inputs).uniform_(-0.1, 0.1, generator=generator))
        self.state_maps = nn.Parameter(torch.empty(rows, units).uniform_(-0.1, 0.1, generator=generator))

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """One step: x (B, inputs) and (h, c), each (B, units), to the next (h, c); zeros to begin with."""
        if state is None:
            state = (x.new_zeros(len(x), self.units),) * 2
        h, c = state
        of_input = (x @ self.input_maps.T).chunk(self.tree.leaves, dim=1)  # (B, b units) -> b of (B, units)
        of_state = (h @ self.state_maps.T).chunk(self.tree.leaves, dim=1)  # (B, b units) -> b of (B, units)
        values: list[Tensor] = []
        for number, node in enumerate(self.tree.nodes):
            if number < self.tree.leaves:
                one, other = of_input[number], of_state[number]
            else:
                below = 2 * (number - self.tree.leaves)  # nodes in order of their number, taken in pairs
                one, other = values[below : below + 2]
            combined = combine(node.combination, one, other)
            if number == self.tree.memory:
                memory = combined
            value = FUNCTIONS[node.activation](combined)
            if number == self.tree.into:
                inject = self.tree.inject
                value = FUNCTIONS[inject.activation](combine(inject.combination, value, c))
            values.append(value)
        return values[-1], memory

    def unroll(self, x: Tensor) -> Tensor:
        """A sequence (T, B, inputs) to its hidden states (T, B, units)."""
        state, hidden = None, []
        for one in x:
            state = self(one, state)
            hidden.append(state[0])
        return torch.stack(hidden)
