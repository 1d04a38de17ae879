"""A cell's dense mixture in few wide operations: all edges that leave a node run together.

DARTS (Liu et al., 2019, arXiv 1806.09055) mixes every candidate on every edge. Run one by one, as
:class:`~nasbook.spaces.darts.cells.SearchCell` shows it, they are thousands of small operations; here the n edges that
leave a node share its ReLU and its poolings, and n operations of one make are one operation n times as wide. The
weights are the plain cell's own, concatenated at each forward. Three identities make it exact:

1. BatchNorm without a scale treats each channel alone, so n of them are one; and where the scale would stand there
   is room for the mixing weight.
2. A convolution with dilation 2 never mixes even pixels with odd ones: it is a plain convolution on each of the
   four interleaved subgrids of the image, and with stride 2 on the first of them alone.
3. FactorizedReduce is one 2x2 convolution of stride 2 in which two of the four taps are not zero.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.spaces.darts.cells import Disturbance
from nasbook.spaces.darts.partial import PartialCell, States
from nasbook.spaces.operations import FactorizedReduce, Zero

Seen = list[tuple[list[nn.BatchNorm2d], Tensor]]
"""BatchNorm layers, and mean and variance (2, channels) of what they saw: side by side, or one for all of them."""


class GroupedCell(PartialCell):
    """The cell of a search, which runs as a few wide operations where all of them run, in training mode: equal up to
    rounding, and quicker.

    ``sizes`` are those of :class:`PartialCell`. ``grouped`` False: it does not. It is an attribute too, and may change
    at any time.
    """

    def __init__(self, *sizes: Any, grouped: bool = True, channel_share: int = 1) -> None:
        super().__init__(*sizes, channel_share=channel_share)
        self.grouped = grouped

    def forward(
        self, far: Tensor, near: Tensor, weights: Tensor, active: list[list[int]], disturb: Disturbance | None = None
    ) -> Tensor:
        """As :meth:`.SearchCell.forward`: (B, C, H, W) twice and (E, O) to (B, nodes * C, H', W')."""
        dense = all(len(ops) == len(self.edges[0]) for ops in active)
        if self.grouped and self.training and dense and disturb is None:
            return grouped_forward(self, far, near, weights)
        return super().forward(far, near, weights, active, disturb)


def grouped_forward(cell: PartialCell, far: Tensor, near: Tensor, weights: Tensor) -> Tensor:
    """What the plain ``cell`` gives in training mode when every edge runs all of its operations.

    ``far``, ``near`` (B, C, H, W) preprocessed inputs; ``weights`` (E, O) on their device. Returns
    (B, nodes * C, H', W'). Outputs, gradients of every order and running statistics equal the plain cell's up to
    rounding; frozen statistics stay. Chains of ReLU, convolution and BatchNorm, poolings and FactorizedReduce that
    rectify are grouped; other operations, and those with forward hooks on themselves or a layer, run one by one.
    """
    if near.device.type == "cpu":  # oneDNN is several times as quick in this layout
        far, near = (state.contiguous(memory_format=torch.channels_last) for state in (far, near))
    states = States(far, near, weights, cell.channel_share, cell.stride)
    seen: Seen = []
    pending: Tensor | None = None  # what the nodes still to come have received so far, side by side
    for source in range(cell.ends[-1][0]):
        leaving = [edge for edge, (_, start) in enumerate(cell.ends) if start == source]
        sent = _send([cell.edges[edge] for edge in leaving], states.seen[source], weights[leaving], seen)
        pending = sent if pending is None else pending + sent
        if source > 0:
            ready, pending = _cut(pending, states.seen[1].shape[1])  # (B, C, H', W'), (B, (n - 1) * C, H', W')
            states.receive(ready.clone())  # dense, because several operations read it
    _update(seen)
    return torch.cat(states.nodes, dim=1)  # (B, nodes * C, H', W')


class _Source:
    """The rectified value (B, C, H, W) of a node in the forms that n wide operations read, each made once."""

    def __init__(self, x: Tensor, n: int) -> None:
        self.rectified = F.relu(x)
        self.n = n
        height, width = x.shape[2:]
        # On a CPU, oneDNN has no quick backward pass for dilated depthwise convolutions.
        self.splits = x.device.type == "cpu" and height % 2 == 0 and width % 2 == 0

    @cached_property
    def whole(self) -> Tensor:
        return torch.cat([self.rectified] * self.n, dim=1)  # (B, n * C, H, W)

    @cached_property
    def corner(self) -> Tensor:
        first = self.rectified.permute(0, 2, 3, 1)[:, ::2, ::2]  # (B, ceil(H/2), ceil(W/2), C)
        return torch.cat([first.permute(0, 3, 1, 2)] * self.n, dim=1)  # (B, n * C, ceil(H/2), ceil(W/2))

    @cached_property
    def subgrids(self) -> Tensor:
        pixels = self.rectified.permute(0, 2, 3, 1)  # (B, H, W, C)
        pixels = pixels.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # (B, H/2, 2, W/2, 2, C)
        grids = pixels.permute(2, 4, 0, 1, 3, 5).flatten(0, 2)  # (4B, H/2, W/2, C)
        return torch.cat([grids.permute(0, 3, 1, 2)] * self.n, dim=1)  # (4B, n * C, H/2, W/2)


def _send(edges: Sequence[nn.ModuleList], x: Tensor, weights: Tensor, seen: Seen) -> Tensor:
    """What n ``edges`` send from their source ``x`` (B, C, H, W) by ``weights`` (n, O): (B, n * C, H', W')."""
    source = _Source(x, len(edges))
    wide: list[Tensor] = []
    grids: list[Tensor] = []
    each: list[list[Tensor]] = [[] for _ in edges]
    columns = list(zip(*edges))
    kinds = [_kind(operations) for operations in columns]
    for op, (kind, operations) in enumerate(zip(kinds, columns)):
        if kind == (Zero,) and set(kinds) != {(Zero,)}:
            continue
        # not expand: the backward pass of channels-last BatchNorm on a CPU misreads a scale that has stride 0
        scale = weights[:, op].repeat_interleave(x.shape[1])  # (n,) -> (n * C,)
        if kind == (FactorizedReduce,) and _plain(operations[0].norm) and all(one.rectify for one in operations):
            wide.append(_factorized(operations, source.rectified, scale, seen))
        elif _is_chain(kind, operations[0]):
            on_grids, y = _chain(operations, source, scale, seen)
            (grids if on_grids else wide).append(y)
        else:
            pooling = kind in ((nn.MaxPool2d, nn.BatchNorm2d), (nn.AvgPool2d, nn.BatchNorm2d))
            if pooling and _plain(operations[0][1]):
                pooled = _normalize([norm for _, norm in operations], operations[0][0](x), None, seen)
                outputs = [pooled] * len(edges)
            else:
                outputs = [operation(x) for operation in operations]
            for terms, weight, y in zip(each, weights[:, op], outputs):
                terms.append(weight * y)  # (B, C, H', W')
    if grids:
        wide.append(_interleave(_sum(grids)))
    if each[0]:
        wide.append(torch.cat([_sum(terms) for terms in each], dim=1))  # (B, n * C, H', W')
    return _sum(wide)


def _cut(x: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """The first ``channels`` of ``x`` (B, n, H, W) and the others, so that the gradient lies in memory as ``x`` does.

    The backward pass of a slice fills zeros of the shape of what was sliced, in that shape's plain order.
    """
    if not x.is_contiguous(memory_format=torch.channels_last):
        return x.tensor_split([channels], dim=1)
    first, others = x.permute(0, 2, 3, 1).tensor_split([channels], dim=3)  # (B, H, W, channels or n - channels)
    return first.permute(0, 3, 1, 2), others.permute(0, 3, 1, 2)  # (B, channels or n - channels, H, W)


def _kind(operations: Sequence[nn.Module]) -> tuple[type, ...]:
    """The types of the layers that all ``operations`` have in common; empty if they differ or somebody hooks them."""
    kinds = set()
    for operation in operations:
        layers = tuple(operation.children())
        if any(module._forward_hooks or module._forward_pre_hooks for module in (operation, *layers)):
            return ()
        kinds.add(tuple(map(type, layers)) if type(operation) is nn.Sequential else (type(operation),))
    return kinds.pop() if len(kinds) == 1 else ()


def _is_chain(kind: tuple[type, ...], operation: nn.Module) -> bool:
    """Whether the operation is ReLU, then convolutions, ReLUs and BatchNorms, the last of them a BatchNorm."""
    known = {nn.ReLU, nn.Conv2d, nn.BatchNorm2d}
    if kind[:2] != (nn.ReLU, nn.Conv2d) or kind[-1] is not nn.BatchNorm2d or not known.issuperset(kind):
        return False
    return all(
        layer.bias is None if isinstance(layer, nn.Conv2d) else isinstance(layer, nn.ReLU) or _plain(layer)
        for layer in operation
    )


def _plain(norm: nn.BatchNorm2d) -> bool:
    """Whether ``norm`` only normalises by the batch."""
    return norm.training and not norm.affine and norm.momentum is not None


def _chain(operations: Sequence[nn.Sequential], source: _Source, scale: Tensor, seen: Seen) -> tuple[bool, Tensor]:
    """n chains as one. Returns whether it lies on subgrids, and then (4B, n * C, H/2, W/2), else (B, n * C, H', W')."""
    first = operations[0][1]
    dilated = first.dilation == (2, 2) and first.padding == tuple(2 * (k // 2) for k in first.kernel_size)
    on_corner = dilated and first.stride == (2, 2)
    on_grids = dilated and first.stride == (1, 1) and source.splits
    y = source.corner if on_corner else source.subgrids if on_grids else source.whole
    for depth, layers in enumerate(list(zip(*operations))[1:]):
        layer = layers[0]
        if isinstance(layer, nn.ReLU):
            y = F.relu(y, inplace=True)
        elif isinstance(layer, nn.BatchNorm2d):
            y = _normalize(layers, y, scale if depth == len(operations[0]) - 2 else None, seen)
        else:
            kernel = torch.cat([conv.weight for conv in layers])  # (C, Cin, k, k) each -> (n * C, Cin, k, k)
            groups = len(layers) * layer.groups
            if depth == 0 and (on_corner or on_grids):
                y = F.conv2d(y, kernel, padding=tuple(k // 2 for k in layer.kernel_size), groups=groups)
            else:
                y = F.conv2d(y, kernel, None, layer.stride, layer.padding, layer.dilation, groups)
    return on_grids, y


def _factorized(operations: Sequence[FactorizedReduce], x: Tensor, scale: Tensor, seen: Seen) -> Tensor:
    """n FactorizedReduce of the rectified ``x`` (B, C, H, W) as one: (B, n * C, ceil(H/2), ceil(W/2))."""
    even, odd = (0, 1, 0, 1), (1, 0, 1, 0)  # one more column and row, after or before the tap
    taps = [F.pad(w, at) for op in operations for w, at in ((op.even.weight, even), (op.odd.weight, odd))]
    x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))  # to even height and width
    y = F.conv2d(x, torch.cat(taps), stride=2)  # (B, n * C, ceil(H/2), ceil(W/2))
    return _normalize([operation.norm for operation in operations], y, scale, seen)


def _normalize(norms: Sequence[nn.BatchNorm2d], x: Tensor, scale: Tensor | None, seen: Seen) -> Tensor:
    """``x`` (B, channels, H, W) normalised by the batch, each channel times its ``scale`` (channels,)."""
    mean = variance = None
    scale = None if scale is None else scale.to(norms[0].running_mean.dtype)
    if any(norm.track_running_stats for norm in norms):
        # With momentum 1 the running statistics of this call are those of the batch.
        statistics = torch.zeros(2, x.shape[1], dtype=norms[0].running_mean.dtype, device=x.device)
        mean, variance = statistics
        seen.append((norms, statistics))
    return F.batch_norm(x, mean, variance, weight=scale, training=True, momentum=1.0, eps=norms[0].eps)


def _update(seen: Seen) -> None:
    """Move the running statistics as BatchNorm does, those of a whole cell in a few calls."""
    running, batch, counts = [], [], []
    for norms, statistics in seen:
        parts = statistics.split(norms[0].num_features, dim=1)  # (2, n * C) -> (2, C) each
        for norm, (mean, variance) in zip(norms, parts if len(parts) > 1 else parts * len(norms)):
            if norm.track_running_stats:
                running += [norm.running_mean, norm.running_var]
                batch += [mean, variance]
                counts.append(norm.num_batches_tracked)
    if counts:
        torch._foreach_lerp_(running, batch, seen[0][0][0].momentum)
        torch._foreach_add_(counts, 1)


def _interleave(grids: Tensor) -> Tensor:
    """Subgrids (4B, C, H, W) back to images (B, C, 2H, 2W), channels last."""
    pixels = grids.permute(0, 2, 3, 1).unflatten(0, (2, 2, -1))  # (2, 2, B, H, W, C)
    pixels = pixels.permute(2, 3, 0, 4, 1, 5)  # (B, H, 2, W, 2, C)
    return pixels.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)  # (B, C, 2H, 2W)


def _sum(terms: Sequence[Tensor]) -> Tensor:
    return sum(terms[1:], terms[0])
