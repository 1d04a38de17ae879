"""Partial channels: a cell's operations see one channel in K, and the others go round them.

PC-DARTS (Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", ICLR 2020, arXiv
1907.05737, section 3.2). Always the first C/K channels of a node go through the operations, as in the released code;
the shuffle at its end sees to it that these are others at each node.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from nasbook.spaces.darts.cells import Disturbance, SearchCell


class PartialCell(SearchCell):
    """A cell whose operations see one channel in ``channel_share`` K, which divides ``channels``; 1: all of them."""

    def __init__(
        self, channels: int, stride: int, operations: Sequence[str], nodes: int, *, channel_share: int = 1
    ) -> None:
        super().__init__(channels // channel_share, stride, operations, nodes)
        self.channel_share = channel_share

    def forward(
        self, far: Tensor, near: Tensor, weights: Tensor, active: list[list[int]], disturb: Disturbance | None = None
    ) -> Tensor:
        """As :meth:`.SearchCell.forward`: (B, C, H, W) twice and (E, O) to (B, nodes * C, H', W')."""
        states = States(far, near, weights, self.channel_share, self.stride)
        for node in range(2, self.ends[-1][0] + 1):
            states.receive(self.blend(node, states.seen, weights, active, disturb))
        return torch.cat(states.nodes, dim=1)  # (B, nodes * C, H', W')


class States:
    """The values of a cell's inputs and nodes in one forward pass, and what of them the operations see.

    ``far``, ``near`` (B, C, H, W) are the inputs, ``weights`` (E, O) those of the operations. With ``share`` K above 1
    an operation sees (B, C/K, H, W); the other channels reach the next node with the sum of their edge's weights, after
    a 2x2 max-pooling where the edge has ``stride`` 2.
    """

    def __init__(self, far: Tensor, near: Tensor, weights: Tensor, share: int, stride: int) -> None:
        self.share = share
        self.seen: list[Tensor] = []
        """What the operations that leave each input and node see, (B, C/K, H, W)."""
        self.nodes: list[Tensor] = []
        """The values of the nodes that are ready, (B, C, H', W')."""
        self._around: list[Tensor] = []
        self._kept = iter(weights.sum(dim=1))  # (E, O) -> (E,), edges in the order of their nodes
        for x in (far, near):
            self._enter(x, stride)

    def _enter(self, x: Tensor, stride: int) -> None:
        if self.share == 1:
            self.seen.append(x)
            return
        seen = x.shape[1] // self.share
        others = x[:, seen:]  # (B, C - C/K, H, W)
        self.seen.append(x[:, :seen])  # (B, C/K, H, W)
        self._around.append(others if stride == 1 else F.max_pool2d(others, 2, ceil_mode=True))

    def receive(self, mixed: Tensor) -> None:
        """The next node is ready: its operations' blend is ``mixed`` (B, C/K, H', W')."""
        if self.share > 1:
            terms = [next(self._kept) * others for others in self._around]  # (B, C - C/K, H', W') each
            whole = torch.cat([mixed, sum(terms[1:], terms[0])], dim=1)  # (B, C, H', W')
            mixed = shuffle(whole, self.share)
        self.nodes.append(mixed)
        self._enter(mixed, 1)


def shuffle(x: Tensor, groups: int) -> Tensor:
    """The channels of ``x`` (B, C, H, W) in the order: the first of each of the ``groups``, the second of each, ...

    ShuffleNet (Zhang et al., 2018, arXiv 1707.01083, section 3.1). Keeps the layout in memory.
    """
    if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
        last = x.permute(0, 2, 3, 1).unflatten(3, (groups, -1))  # (B, H, W, groups, C / groups)
        return last.transpose(3, 4).flatten(3).permute(0, 3, 1, 2)  # (B, C, H, W)
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)  # (B, groups, C / groups, H, W) -> (B, C, H, W)
