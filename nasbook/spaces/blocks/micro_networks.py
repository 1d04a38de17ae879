"""ENAS's micro networks: the one that shares its weights among all cells, and the one of a single pair of cells.

Pham et al., 2018, arXiv 1802.03268, and its released code: a 3x3 stem to 3C channels, ``cells`` normal cells and two
reductions that double the channels. In the shared network a reduction halves both inputs first and the cell then keeps
the size, since shared weights know one size; in the final network the operations on the inputs have stride 2. As in
that code a farther input is rectified before it is halved, and nothing else that is halved is. A second classifier
behind the cell after the last reduction helps the training and is not counted.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.spaces.blocks.micro_cells import MICRO_OPERATIONS
from nasbook.spaces.darts.cells import Cell, Disturbance
from nasbook.spaces.darts.stacks import AuxiliaryHead, TwoHeaded, check_sizes
from nasbook.spaces.forms import loose_ends
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import Node, edge_count
from nasbook.spaces.operations import FactorizedReduce, conv, make_operation


def micro_sequence(cells: int) -> list[str]:
    """The kinds of ``cells`` normal cells and two reductions, in order."""
    third = cells // 3
    return ["reduce" if place in (third, 2 * third + 1) else "normal" for place in range(cells + 2)]


def second_classifier(width: int, classes: int) -> AuxiliaryHead:
    """The auxiliary head of features (B, ``width``, 8, 8), as in the released code: its 2x2 convolution keeps the 2x2
    pixels, with zeros below and to the right of them, and its last layer has no bias."""
    head = AuxiliaryHead(width, classes, "cifar")
    head.features.insert(5, nn.ZeroPad2d((0, 1, 0, 1)))  # before the 2x2 convolution: (B, 128, 2, 2) -> (B, 128, 3, 3)
    head.classifier = nn.Linear(head.classifier.in_features, classes, bias=False)
    return head


def calibrate(channels_in: int, channels: int, halve: bool) -> nn.Module:
    """Bring an input to ``channels`` and, with ``halve``, to half the size; it passes if it fits already."""
    if halve:
        return FactorizedReduce(channels_in, channels, True)
    return nn.Identity() if channels_in == channels else conv(channels_in, channels, 1, 1, True)


class MicroNetwork(TwoHeaded):
    """The stand-alone network of ``genotype``, as it is trained and reported; the official cells at 36 channels and
    15 cells have 3,894,372 weights, and 494,848 in the ``auxiliary`` head. ``seed`` of the initial ones.

    :func:`nasbook.train` drops paths in it: ``drop_shares`` (drops,) is what share of the drop-path probability each
    operation has, the deeper the more. Raises NasbookError for impossible sizes.
    """

    def __init__(
        self,
        genotype: Genotype,
        channels: int = 36,
        cells: int = 15,
        classes: int = 10,
        *,
        auxiliary: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        kinds = genotype.kinds
        largest = max(sum(map(len, nodes)) for nodes, _ in kinds.values())
        check_sizes(channels, cells, classes, 2, operations=largest)
        self.sequence = micro_sequence(cells)
        if "reduce" not in kinds:
            raise NasbookError("ENAS's micro network needs a reduction cell, and this genotype has none")
        self.description = {"genotype": str(genotype), "channels": channels, "cells": cells, "classes": classes}
        self.description |= {"network": "ENAS micro", "auxiliary": auxiliary, "seed": seed}
        self.auxiliary_position = self.sequence.index("reduce", cells // 3 + 1) + 1
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            far = near = 3 * channels
            self.stem = nn.Sequential(nn.Conv2d(3, near, 3, padding=1, bias=False), nn.BatchNorm2d(near))
            self.inputs, self.cells = nn.ModuleList(), nn.ModuleList()
            halved = False
            for kind in self.sequence:
                channels *= 2 if kind == "reduce" else 1
                base = conv(channels, channels, 1, 1, True)
                near_input = nn.Sequential(calibrate(near, channels, False), base)
                self.inputs.append(nn.ModuleList([calibrate(far, channels, halved), near_input]))
                nodes, concat = kinds[kind]
                self.cells.append(Cell(nodes, concat, channels, 2 if kind == "reduce" else 1, bare_skips=True))
                far, near, halved = near, len(concat) * channels, kind == "reduce"
            self.classifier = nn.Linear(near, classes, bias=False)
            self.auxiliary_head = second_classifier(near, classes) if auxiliary else None
        depth = [(place + 1) / len(self.cells) for place, cell in enumerate(self.cells) for _ in range(cell.drops)]
        self.drops, self.drop_shares = len(depth), torch.tensor(depth)  # (drops,)

    def _run(self, x: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        masks = [None] * len(self.cells) if keep is None else keep.split([cell.drops for cell in self.cells])
        far = near = middle = self.stem(x)  # (B, 3C, H, W)
        for place, ((far_input, near_input), cell, mask) in enumerate(zip(self.inputs, self.cells, masks)):
            far, near = near, cell(far_input(far), near_input(near), mask)
            middle = near if place == self.auxiliary_position else middle
        features = F.relu(near).mean(dim=(2, 3))  # (B, F, H', W') -> (B, F)
        return self.classifier(features), middle  # (B, classes), (B, F', H', W')


class SharedCell(nn.Module):
    """All cells of ``nodes`` blocks in one: ``edges[block][side][source][operation]`` are the modules that every cell
    with that operation on that edge uses, ``kernels`` the slices of the last 1x1 convolution, one for each block."""

    def __init__(self, channels: int, nodes: int, operations: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(operations)

        def make_edge() -> nn.ModuleList:
            return nn.ModuleList(make_operation(name, channels, 1, searching=False) for name in operations)

        def make_side(block: int) -> nn.ModuleList:
            return nn.ModuleList(make_edge() for _ in range(block + 2))

        self.edges = nn.ModuleList(nn.ModuleList(make_side(block) for _ in range(2)) for block in range(nodes))
        self.kernels = nn.ParameterList(nn.Parameter(torch.empty(channels, channels, 1, 1)) for _ in range(nodes))
        for kernel in self.kernels:
            nn.init.kaiming_uniform_(kernel, a=5**0.5)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, far: Tensor, near: Tensor, nodes: Sequence[Node]) -> Tensor:
        """``far``, ``near`` (B, C, H, W) to the same shape, by the cell of ``nodes``."""
        states = [far, near]
        for block, node in enumerate(nodes):
            sides = zip(self.edges[block], node)
            x, y = (side[source][self.names.index(name)](states[source]) for side, (name, source) in sides)
            states.append(x + y)  # (B, C, H, W)
        ends = loose_ends([[source for _, source in node] for node in nodes])
        kernel = torch.cat([self.kernels[end - 2] for end in ends], dim=1)  # (C, ends * C, 1, 1)
        joined = torch.cat([states[end] for end in ends], dim=1)  # (B, ends * C, H, W)
        return self.norm(F.conv2d(F.relu(joined), kernel))  # (B, C, H, W)


class MicroSupernet(TwoHeaded):
    """The network that shares its weights among all pairs of cells of ``nodes`` blocks over ``operations``.

    A forward takes images and a genotype, and the rest of the weights stays idle; what disturbs it is applied to the
    features (B, F) before the classifier, under the name "classifier". ``auxiliary``: with a second classifier, which
    all cells share too. Raises NasbookError for a genotype of another space.
    """

    def __init__(
        self,
        channels: int = 20,
        cells: int = 6,
        classes: int = 10,
        *,
        nodes: int = 5,
        operations: Sequence[str] = MICRO_OPERATIONS,
        auxiliary: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        checks.whole(nodes, "nodes", 1)
        check_sizes(channels, cells, classes, 2, operations=2 * edge_count(nodes) * len(operations))
        self.sequence, self.nodes, self.operations = micro_sequence(cells), nodes, tuple(operations)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            far = near = 3 * channels
            self.stem = nn.Sequential(nn.Conv2d(3, near, 3, padding=1, bias=False), nn.BatchNorm2d(near))
            self.reductions, self.inputs, self.cells = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
            for kind in self.sequence:
                halve = kind == "reduce"
                if halve:
                    channels *= 2
                    self.reductions.append(FactorizedReduce(near, channels, True, rectify=False))
                    near = channels
                self.inputs.append(nn.ModuleList([calibrate(far, channels, halve), calibrate(near, channels, False)]))
                self.cells.append(SharedCell(channels, nodes, operations))
                far, near = near, channels
            self.classifier = nn.Linear(near, classes, bias=False)
            self.auxiliary_head = second_classifier(near, classes) if auxiliary else None
        self.auxiliary_position = self.sequence.index("reduce", cells // 3 + 1) + 1

    def _run(self, x: Tensor, genotype: Genotype, disturb: Disturbance | None = None) -> tuple[Tensor, Tensor]:
        kinds = {kind: nodes for kind, (nodes, _) in genotype.kinds.items()}
        for kind in ("normal", "reduce"):
            nodes = kinds.get(kind, ())
            strange = [name for node in nodes for name, _ in node if name not in self.operations]
            if len(nodes) != self.nodes or strange or any(len(node) != 2 for node in nodes):
                raise NasbookError(
                    f"the {kind} cell must have {self.nodes} blocks of two of {', '.join(self.operations)}: {nodes}"
                )
        reductions = iter(self.reductions)
        far = near = middle = self.stem(x)  # (B, 3C, H, W)
        for place, (kind, (far_input, near_input), cell) in enumerate(zip(self.sequence, self.inputs, self.cells)):
            if kind == "reduce":
                near = next(reductions)(near)  # (B, C, H, W) -> (B, 2C, H/2, W/2)
            far, near = near, cell(far_input(far), near_input(near), kinds[kind])
            middle = near if place == self.auxiliary_position else middle
        features = F.relu(near).mean(dim=(2, 3))  # (B, F, H', W') -> (B, F)
        features = features if disturb is None else disturb("classifier", features)
        return self.classifier(features), middle  # (B, classes), (B, C, H', W')
