"""Cells: small directed graphs of operations, stacked to make a network.

A cell reads the outputs of the two cells before it, brings both to C channels and one size, and gives the
concatenation of its nodes. DARTS (Liu et al., 2019, arXiv 1806.09055, section 2.1); the fixed reduction cell is
GDAS's (Dong & Yang, 2019, arXiv 1910.04465, figure 3).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nasbook.spaces.names import Node, cell_edges
from nasbook.spaces.operations import FactorizedReduce, Zero, conv, drop_path, make_operation, skip

Disturbance = Callable[[str, Tensor], Tensor]
"""What befalls an operation's output while searching: its name and (B, C, H, W) to (B, C, H, W)."""


class Preprocess(nn.Module):
    """Bring a cell's two inputs to C channels and to the size of the nearer one.

    The farther input is twice as large where the cell before was a reduction; it is then reduced too.
    """

    def __init__(self, far: int, near: int, channels: int, *, after_reduction: bool, affine: bool) -> None:
        super().__init__()
        self.far = FactorizedReduce(far, channels, affine) if after_reduction else conv(far, channels, 1, 1, affine)
        self.near = conv(near, channels, 1, 1, affine)

    def forward(self, far: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
        """(B, Cfar, H or 2H, W or 2W) and (B, Cnear, H, W) to two of (B, C, H, W)."""
        return self.far(far), self.near(near)  # (B, C, H, W) each


class SearchCell(nn.Module):
    """A cell that holds every candidate on every edge, and runs those with a weight that is not zero.

    This is the cell to read; a search runs :class:`.grouped.GroupedCell`, which computes the same, and quicker.
    """

    def __init__(self, channels: int, stride: int, operations: Sequence[str], nodes: int) -> None:
        super().__init__()
        self.stride = stride
        self.operations = tuple(operations)
        self.ends = cell_edges(nodes)
        self.edges = nn.ModuleList(
            nn.ModuleList(
                make_operation(name, channels, stride if source < 2 else 1, searching=True) for name in operations
            )
            for _, source in self.ends
        )
        self.nothing = Zero(stride)

    def forward(
        self, far: Tensor, near: Tensor, weights: Tensor, active: list[list[int]], disturb: Disturbance | None = None
    ) -> Tensor:
        """``far``, ``near`` (B, C, H, W) preprocessed inputs; ``weights`` (E, O) on their device; ``active[e]``
        the operations that edge e runs; ``disturb`` what befalls their outputs. Returns (B, nodes * C, H', W').
        """
        states = [far, near]
        for node in range(2, self.ends[-1][0] + 1):
            states.append(self.blend(node, states, weights, active, disturb))
        return torch.cat(states[2:], dim=1)  # (B, nodes * C, H', W')

    def blend(
        self, node: int, states: Sequence[Tensor], weights: Tensor, active: list[list[int]], disturb: Disturbance | None
    ) -> Tensor:
        """What ``node`` receives from the ``states`` (B, C, H, W) before it: the sum over its edges of the operations'
        outputs, each times its weight, (B, C, H', W')."""
        terms = []
        for edge, (end, source) in enumerate(self.ends):
            for op in active[edge] if end == node else ():
                y = self.edges[edge][op](states[source])  # (B, C, H', W')
                y = y if disturb is None else disturb(self.operations[op], y)
                terms.append(weights[edge, op] * y)
        return sum(terms[1:], terms[0]) if terms else self.nothing(states[1])


class Cell(nn.Module):
    """A cell that holds exactly the operations of a genotype.

    ``bare_skips``: a stride-2 skip neither rectifies nor is dropped, as in the released code of ENAS.
    """

    def __init__(
        self, nodes: Sequence[Node], concat: Sequence[int], channels: int, stride: int, *, bare_skips: bool = False
    ) -> None:
        super().__init__()
        self.plan = [[source for _, source in node] for node in nodes]
        self.droppable = [
            [name != "skip_connect" or (stride == 2 and source < 2 and not bare_skips) for name, source in node]
            for node in nodes
        ]
        self.concat = tuple(concat)

        def make(name: str, source: int) -> nn.Module:
            step = stride if source < 2 else 1
            if bare_skips and name == "skip_connect":
                return skip(channels, step, True, rectify=False)
            return make_operation(name, channels, step, searching=False)

        self.operations = nn.ModuleList(nn.ModuleList(make(name, source) for name, source in node) for node in nodes)
        self.drops = sum(map(sum, self.droppable))

    def forward(self, far: Tensor, near: Tensor, keep: Tensor | None = None) -> Tensor:
        """``far``, ``near`` (B, C, H, W) preprocessed; ``keep`` (drops, B) the drop-path masks, one for each
        operation in ``droppable``. Returns (B, len(concat) * C, H', W').
        """
        states = [far, near]
        masks = iter(keep) if keep is not None else None
        for sources, droppable, operations in zip(self.plan, self.droppable, self.operations):
            terms = []
            for source, may_drop, operation in zip(sources, droppable, operations):
                y = operation(states[source])  # (B, C, H', W')
                terms.append(drop_path(y, next(masks)) if masks and may_drop else y)
            states.append(sum(terms[1:], terms[0]))
        return torch.cat([states[node] for node in self.concat], dim=1)  # (B, len(concat) * C, H', W')


class FixedReductionCell(nn.Module):
    """GDAS's reduction cell: for both inputs a factorised 3x3 convolution and a max-pooling, concatenated.

    The 1x3 and 3x1 convolutions have 8 groups, so C must be divisible by 8; the paper does not say so, its
    parameter counts need it.
    """

    drops = 0

    def __init__(self, channels: int, affine: bool) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(channels, channels, (1, 3), (1, 2), (0, 1), groups=8, bias=False),
                nn.Conv2d(channels, channels, (3, 1), (2, 1), (1, 0), groups=8, bias=False),
                nn.BatchNorm2d(channels, affine=affine),
                nn.ReLU(),
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels, affine=affine),
            )
            for _ in range(2)
        )
        self.pools = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(3, stride=2, padding=1), nn.BatchNorm2d(channels, affine=affine))
            for _ in range(2)
        )

    def forward(self, far: Tensor, near: Tensor, keep: Tensor | None = None) -> Tensor:
        """``far``, ``near`` (B, C, H, W) preprocessed. Returns (B, 4C, ceil(H/2), ceil(W/2)).

        ``keep`` is there for the interface of :class:`Cell`; this cell drops no path.
        """
        inputs = (far, near)
        outputs = [branch(x) for branches in (self.convolutions, self.pools) for branch, x in zip(branches, inputs)]
        return torch.cat(outputs, dim=1)  # (B, 4C, ceil(H/2), ceil(W/2))
