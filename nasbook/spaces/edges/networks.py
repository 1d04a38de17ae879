"""The networks around a cell of NAS-Bench-201, of any width and depth: one cell alone, or all of them in a super-net.

A 3x3 stem, three stages of equal cells, a residual block that halves the size and doubles the channels before the
second and the third, BatchNorm, ReLU, the mean over the pixels and a linear classifier (Dong & Yang, 2020, arXiv
2001.00326, section 2.1; 16 channels and five cells a stage there).
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.spaces.darts.cells import Disturbance
from nasbook.spaces.darts.partial import shuffle
from nasbook.spaces.darts.stacks import check_training_memory
from nasbook.spaces.edges.cells import EDGES, NASBENCH201_OPERATIONS, NODES, read_cell
from nasbook.spaces.operations import Zero, conv

MAKERS: dict[str, Callable[[int, bool], nn.Module]] = {
    "none": lambda C, affine: Zero(1),
    "skip_connect": lambda C, affine: nn.Identity(),
    "nor_conv_1x1": lambda C, affine: conv(C, C, 1, 1, affine),
    "nor_conv_3x3": lambda C, affine: conv(C, C, 3, 1, affine),
    "avg_pool_3x3": lambda C, affine: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}
"""Name to maker(channels, affine); every edge keeps channels and size."""

STAGES = 3


class EdgeCell(nn.Module):
    """One cell: node 0 is the input, each later node the sum of its edges, the last node the output."""

    def __init__(self, operations: Sequence[str], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(MAKERS[name](channels, True) for name in operations)
        self.active = [edge for edge, name in enumerate(operations) if name != "none"]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return _sum_nodes(x, {edge: self.edges[edge] for edge in self.active})


class EdgeSearchCell(nn.Module):
    """One cell with every candidate on every edge, BatchNorm without scale and shift.

    ``share`` K: the operations see one channel in K, and the others go round them (PC-DARTS, Xu et al., 2020, arXiv
    1907.05737, section 3.2), see :mod:`nasbook.spaces.darts.partial`.
    """

    def __init__(self, operations: Sequence[str], channels: int, share: int = 1) -> None:
        super().__init__()
        self.operations, self.share, self.seen = tuple(operations), share, channels // share
        self.edges = nn.ModuleList(nn.ModuleList(MAKERS[name](self.seen, False) for name in operations) for _ in EDGES)

    def forward(
        self, x: Tensor, weights: Tensor, active: Sequence[Sequence[int]], disturb: Disturbance | None = None
    ) -> Tensor:
        """(B, C, H, W) to the same shape: each edge the sum of its ``active`` candidates times ``weights`` (E, O).

        ``disturb`` is applied to the output of each."""

        def mixture(edge: int) -> Callable[[Tensor], Tensor]:
            def mix(source: Tensor) -> Tensor:
                seen = source[:, : self.seen]  # (B, C, H, W) -> (B, C/K, H, W)
                terms = []
                for op in active[edge]:
                    y = self.edges[edge][op](seen)  # (B, C/K, H, W)
                    terms.append(weights[edge, op] * (y if disturb is None else disturb(self.operations[op], y)))
                mixed = sum(terms[1:], terms[0])
                if self.share == 1:
                    return mixed
                around = source[:, self.seen :] * weights[edge].sum()  # (B, C - C/K, H, W)
                return shuffle(torch.cat([mixed, around], dim=1), self.share)  # (B, C, H, W)

            return mix

        return _sum_nodes(x, {edge: mixture(edge) for edge in range(len(EDGES)) if active[edge]})


def _sum_nodes(x: Tensor, functions: dict[int, Callable[[Tensor], Tensor]]) -> Tensor:
    """Node 3 from node 0, with ``functions`` on the edges that carry anything."""
    nodes = [x]
    for node in range(1, NODES):
        terms = [functions[edge](nodes[EDGES[edge][1]]) for edge in functions if EDGES[edge][0] == node]
        nodes.append(sum(terms[1:], terms[0]) if terms else torch.zeros_like(x))
    return nodes[-1]


class ResidualBlock(nn.Module):
    """Half the size, twice the channels: two 3x3 convolutions beside a mean over 2x2 pixels and a 1x1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv(channels, 2 * channels, 3, 2, True)
        self.second = conv(2 * channels, 2 * channels, 3, 1, True)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, 2 * channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 2C, H/2, W/2)."""
        return self.shortcut(x) + self.second(self.first(x))  # (B, 2C, H/2, W/2)


class EdgeStack(nn.Module):
    """What network and super-net share; ``make_cell(channels)`` gives each of the ``cells`` of a stage."""

    def __init__(self, make_cell: Callable[[int], nn.Module], channels: int, cells: int, classes: int) -> None:
        super().__init__()
        for name, value, least in (("channels", channels, 1), ("cells", cells, 1), ("classes", classes, 2)):
            checks.whole(value, name, least)
        # Three stages of 1, 2 and 4 times the channels, their squares 21 in all; an edge has about channels**2 weights.
        weights = 21 * cells * len(EDGES) * channels**2 + 4 * channels * classes
        network = f"a network of {channels} channels, {cells} cells a stage and {classes} classes"
        check_training_memory(weights, STAGES * cells * len(EDGES), network)
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        self.blocks = nn.ModuleList()
        for stage in range(STAGES):
            if stage:
                self.blocks.append(ResidualBlock(channels))
                channels *= 2
            self.cells.append(nn.ModuleList(make_cell(channels) for _ in range(cells)))
        self.norm = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor, extra: Iterable[tuple] = repeat(())) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W); ``extra`` is what each cell takes besides, in their order."""
        if x.shape[-1] % 4 or x.shape[-2] % 4:
            size = f"{x.shape[-2]}x{x.shape[-1]}"
            raise NasbookError(f"images of {size} pixels cannot be halved twice: both sides must be multiples of 4")
        x, more = self.stem(x), iter(extra)  # (B, 3, H, W) -> (B, C, H, W)
        for stage, cells in enumerate(self.cells):
            if stage:
                x = self.blocks[stage - 1](x)  # (B, C, H, W) -> (B, 2C, H/2, W/2)
            for cell in cells:
                x = cell(x, *next(more))
        x = F.relu(self.norm(x)).mean(dim=(2, 3))  # (B, 4C, H/4, W/4) -> (B, 4C)
        return self.classifier(x)  # -> (B, classes)


class EdgeNetwork(EdgeStack):
    """The network of one cell, as it is trained and reported.

    ``cell`` is its string; ``channels`` of the first stage; ``cells`` in each stage; ``seed`` of the initial weights.
    Operations that no path leads from to the output are part of it and count, as in the published table. Raises
    NasbookError for a bad string or size.
    """

    def __init__(self, cell: str, channels: int = 16, cells: int = 5, classes: int = 10, *, seed: int = 0) -> None:
        operations = read_cell(cell)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            super().__init__(lambda width: EdgeCell(operations, width), channels, cells, classes)
        self.description = {"cell": cell, "channels": channels, "cells": cells, "classes": classes, "seed": seed}


class EdgeSupernet(EdgeStack):
    """The network that holds every cell over ``operations``.

    ``channel_share``: see :class:`EdgeSearchCell`. ``sequence``: the kind of each cell, of which there is one.
    """

    def __init__(
        self,
        operations: Sequence[str] = NASBENCH201_OPERATIONS,
        channels: int = 16,
        cells: int = 5,
        classes: int = 10,
        *,
        channel_share: int = 1,
        seed: int = 0,
    ) -> None:
        if channels % channel_share:
            raise NasbookError(f"channels is {channels}; with one channel in {channel_share} it must be a multiple")
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            super().__init__(lambda width: EdgeSearchCell(operations, width, channel_share), channels, cells, classes)
        self.operations = tuple(operations)
        self.sequence = ("normal",) * (STAGES * cells)

    def path(self, cell: str) -> Tensor:
        """The one-hot path (6, O) of a cell's string. Raises NasbookError if an operation is not in this super-net."""
        absent = set(read_cell(cell)) - set(self.operations)
        if absent:
            raise NasbookError(f"this super-net has no {sorted(absent)[0]}: it has {', '.join(self.operations)}")
        places = torch.tensor([self.operations.index(name) for name in read_cell(cell)])  # (E,)
        return F.one_hot(places, len(self.operations)).float()  # (E,) -> (E, O)

    def forward(
        self, x: Tensor, path: Tensor, *, execute: str = "nonzero", disturb: Disturbance | None = None
    ) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W); ``path`` (6, O) weighs the operations of each edge in all cells,
        or (cells, 6, O) in each.

        An operation runs only where its weight is not exactly zero, or ``execute`` is "all"; ``none`` never does.
        ``disturb`` is applied to the output of each. How many ran, in all cells, stands in ``executed`` afterwards.
        """
        shape, count = (len(EDGES), len(self.operations)), len(self.sequence)
        if tuple(path.shape) not in (shape, (count, *shape)):
            raise NasbookError(f"the path has shape {tuple(path.shape)}; it must be (edges, operations) = {shape}")
        real = [op for op, name in enumerate(self.operations) if name != "none"]
        each = path.expand(count, *shape)  # (6, O) or (cells, 6, O) -> (cells, 6, O)
        plans = [
            [[op for op in real if execute == "all" or row[op] != 0.0] for row in rows]
            for rows in (path.tolist() if path.dim() == 3 else [path.tolist()] * count)
        ]
        self.executed = sum(len(edge) for plan in plans for edge in plan)
        return super().forward(x, ((weights, plan, disturb) for weights, plan in zip(each.to(x.device), plans)))
