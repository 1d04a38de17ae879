"""The candidate operations of cell search spaces.

Each keeps C channels and divides height and width by its stride, rounding up. Convolutions have no bias and
stand in the order ReLU, convolution, BatchNorm. While searching, BatchNorm has no learned scale
(``affine=False``): a scale would cancel the architecture's weight.
Follows DARTS (Liu et al., 2019, arXiv 1806.09055, section 3.1 and its released operations).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.base.errors import NasbookError, one_of


class Zero(nn.Module):
    """``none``: zeros of the shape that the edge's other operations have.

    Made anew rather than multiplied by zero, so that a NaN or an infinity in the input ends here.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, ceil(H/s), ceil(W/s))."""
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])  # (B, C, ceil(H/s), ceil(W/s))


class StridedPointwise(nn.Conv2d):
    """A 1x1 convolution of ``stride`` 2 or more, without bias, that begins at row and column ``first``; with
    ``rectify``, behind a ReLU.

    Off CUDA it is one of stride 1 on the pixels that it reads: same weights, same numbers. oneDNN's strided kernel
    writes past its buffers on processors without AVX-512 (uxlfoundation/oneDNN issue 6035), which crashes, hangs, or
    changes gradients unseen.
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: tuple[int, int], first: int = 0, *, rectify: bool = False
    ) -> None:
        super().__init__(channels_in, channels_out, 1, stride=stride, bias=False)
        self.first, self.rectify = first, rectify

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, H, W) to (B, Cout, ceil((H - first)/s), ceil((W - first)/s))."""
        if x.is_cuda:
            x = x[:, :, self.first :, self.first :]  # (B, Cin, H - first, W - first)
            return super().forward(F.relu(x) if self.rectify else x)  # (B, Cout, H', W')
        seen = every(self.stride, x, self.first)  # (B, Cin, H', W')
        # either way dense, for the convolution and its two gradients would each copy a slice again
        seen = F.relu(seen) if self.rectify else dense(seen)
        return F.conv2d(seen, self.weight)  # (B, Cout, H', W')


def every(stride: tuple[int, int], x: Tensor, first: int = 0) -> Tensor:
    """Every ``stride``-th row and column of ``x`` (B, C, H, W) from ``first`` on: (B, C, H', W'), as it lies in memory.

    The backward pass of a slice fills zeros in the order of what was sliced, so what lies channels last is sliced so.
    """
    rows, columns = (slice(first, None, step) for step in stride)
    if not x.is_contiguous(memory_format=torch.channels_last):
        return x[:, :, rows, columns]  # (B, C, H', W')
    return x.permute(0, 2, 3, 1)[:, rows, columns].permute(0, 3, 1, 2)  # (B, H', W', C) -> (B, C, H', W')


def dense(x: Tensor) -> Tensor:
    """``x`` (B, C, H, W) without gaps in memory, its channels last if they were."""
    last = x.stride(1) == 1 and x.shape[1] > 1
    return x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


class FactorizedReduce(nn.Module):
    """Half the height and width without losing every other pixel: two 1x1 convolutions of stride 2, one of
    them on the image shifted by a pixel, concatenated.

    ``rectify``: behind a ReLU, as in DARTS; without it negative values pass, as in the released code of ENAS.
    Odd sizes are padded by one pixel at the right and bottom first, as in the code of GDAS; even sizes are not
    changed by it.
    Raises NasbookError if the output channels cannot be halved.
    """

    def __init__(self, channels_in: int, channels_out: int, affine: bool, *, rectify: bool = True) -> None:
        super().__init__()
        self.rectify = rectify
        if channels_out % 2:
            raise NasbookError(
                f"a stride-2 skip connection splits its channels in two halves, and {channels_out} is odd: "
                f"choose an even number of channels, such as {channels_out + 1}"
            )
        self.even = StridedPointwise(channels_in, channels_out // 2, (2, 2), rectify=rectify)
        self.odd = StridedPointwise(channels_in, channels_out // 2, (2, 2), first=1, rectify=rectify)
        self.norm = nn.BatchNorm2d(channels_out, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, H, W) to (B, Cout, ceil(H/2), ceil(W/2))."""
        if x.shape[2] % 2 or x.shape[3] % 2:
            x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))  # (B, Cin, 2 ceil(H/2), 2 ceil(W/2))
        halves = torch.cat([self.even(x), self.odd(x)], dim=1)  # (B, Cout, ceil(H/2), ceil(W/2))
        return self.norm(halves)


def convolution(
    channels_in: int, channels_out: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)
) -> nn.Conv2d:
    """A dense convolution without bias that keeps the size but for its stride, rounded up; safe on every processor."""
    if kernel == (1, 1) and stride != (1, 1):
        return StridedPointwise(channels_in, channels_out, stride)
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Conv2d(channels_in, channels_out, kernel, stride, padding, bias=False)


def conv(channels_in: int, channels_out: int, kernel: int, stride: int, affine: bool) -> nn.Sequential:
    """ReLU, a k x k convolution, BatchNorm."""
    return nn.Sequential(
        nn.ReLU(),
        convolution(channels_in, channels_out, (kernel, kernel), (stride, stride)),
        nn.BatchNorm2d(channels_out, affine=affine),
    )


def depthwise_separable(C: int, kernel: int, stride: int, dilation: int, affine: bool) -> nn.Sequential:
    """ReLU, a depthwise k x k convolution, a 1x1 convolution, BatchNorm."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(C, C, kernel, stride=stride, padding=padding, dilation=dilation, groups=C, bias=False),
        nn.Conv2d(C, C, 1, bias=False),
        nn.BatchNorm2d(C, affine=affine),
    )


def separable(C: int, kernel: int, stride: int, affine: bool) -> nn.Sequential:
    """``sep_conv``: depthwise-separable twice, the stride in the first."""
    return nn.Sequential(
        *depthwise_separable(C, kernel, stride, 1, affine),
        *depthwise_separable(C, kernel, 1, 1, affine),
    )


def factorized_7x7(C: int, stride: int, affine: bool) -> nn.Sequential:
    """``conv_7x1_1x7``: a full 7x7 field from a 1x7 and a 7x1 convolution (NASNet)."""
    return nn.Sequential(
        nn.ReLU(),
        convolution(C, C, (1, 7), (1, stride)),
        convolution(C, C, (7, 1), (stride, 1)),
        nn.BatchNorm2d(C, affine=affine),
    )


def skip(C: int, stride: int, affine: bool, *, rectify: bool = True) -> nn.Module:
    """``skip_connect``: the identity, or FactorizedReduce where the edge has stride 2."""
    return nn.Identity() if stride == 1 else FactorizedReduce(C, C, affine, rectify=rectify)


OPERATIONS: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "none": lambda C, stride, affine: Zero(stride),
    "max_pool_3x3": lambda C, stride, affine: nn.MaxPool2d(3, stride=stride, padding=1),
    "avg_pool_3x3": lambda C, stride, affine: nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False),
    "skip_connect": skip,
    "sep_conv_3x3": lambda C, stride, affine: separable(C, 3, stride, affine),
    "sep_conv_5x5": lambda C, stride, affine: separable(C, 5, stride, affine),
    "dil_conv_3x3": lambda C, stride, affine: depthwise_separable(C, 3, stride, 2, affine),
    "dil_conv_5x5": lambda C, stride, affine: depthwise_separable(C, 5, stride, 2, affine),
    "sep_conv_7x7": lambda C, stride, affine: separable(C, 7, stride, affine),
    "conv_7x1_1x7": factorized_7x7,
    "conv_3x3": lambda C, stride, affine: conv(C, C, 3, stride, affine),
    "conv_1x1": lambda C, stride, affine: conv(C, C, 1, stride, affine),
}
"""Name to maker(channels, stride, affine). A new operation is an entry here, its name in ``names.py`` and its look
in ``drawing/parts/style.py``."""

POOLS = frozenset({"max_pool_3x3", "avg_pool_3x3"})
"""Operations that a super-net follows by BatchNorm."""


def make_operation(name: str, channels: int, stride: int, *, searching: bool) -> nn.Module:
    """The operation as an edge of a cell holds it.

    ``searching``: BatchNorm without scale and shift, and one more such BatchNorm behind each pooling, as DARTS
    has it in its super-net only. Raises NasbookError for an unknown name.
    """
    operation = OPERATIONS[one_of(name, OPERATIONS, "operation")](channels, stride, not searching)
    if searching and name in POOLS:
        return nn.Sequential(operation, nn.BatchNorm2d(channels, affine=False))
    return operation


def drop_path(x: Tensor, keep: Tensor) -> Tensor:
    """Scheduled drop-path: a whole path of some samples set to zero (NASNet, Zoph et al., 2018, arXiv 1707.07012).

    ``x`` (B, C, H, W); ``keep`` (B,) holds 0 or 1/(1 - p), so that the expectation is kept.
    """
    return x * keep.to(x.dtype)[:, None, None, None]  # (B, C, H, W) * (B, 1, 1, 1)


def drop_path_masks(
    drops: int, batch: int, probability: float | Tensor, generator: torch.Generator, device: torch.device
) -> Tensor | None:
    """Masks (drops, batch) that hold 0 with ``probability`` and else 1/(1 - probability); None for probability 0.

    ``probability`` (drops,) is one for each. Drawn at once on the generator's device and moved once, so that the
    stream does not depend on ``device``.
    """
    if not torch.as_tensor(probability).any():
        return None
    keep = 1 - (probability[:, None] if isinstance(probability, Tensor) else probability)  # (drops, 1) or a number
    drawn = torch.rand(drops, batch, generator=generator, device=generator.device) < keep  # (drops, B)
    return drawn.to(torch.float32).div_(keep).to(device)


def drop_block(x: Tensor, ratio: float, side: int, generator: torch.Generator) -> Tensor:
    """DropBlock without rescaling (Ghiasi et al., 2018, arXiv 1810.12890; MSG-DAS, equations 4 to 6).

    ``x`` (B, C, H, W); squares of ``side`` x ``side`` pixels are zeroed, drawn for each image and channel, so many
    that about ``ratio`` of all pixels are. What is kept is not scaled up: DropBlock's scaling would keep the
    expected output, and with it the expected gradient of the skip's weight, which MSG-DAS wants smaller.
    A block larger than the image covers what there is.
    """
    height, width = x.shape[2:]
    side = min(side, height, width)
    seeds = (height - side + 1, width - side + 1)
    chance = ratio / side**2 * height * width / (seeds[0] * seeds[1])
    drawn = torch.rand((*x.shape[:2], *seeds), generator=generator, device=generator.device) < chance
    corners = F.pad(drawn.to(x.device, x.dtype), (side - 1, side - 1, side - 1, side - 1))  # (B, C, H+s-1, W+s-1)
    dropped = F.max_pool2d(corners, side, stride=1)  # (B, C, H, W): ones wherever a block lies
    return x * (1 - dropped)
