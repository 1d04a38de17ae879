"""Random streams, precision and BatchNorm: what every loop must do in the same way."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import nn

from nasbook.base.errors import NasbookError
from nasbook.spaces.operations import StridedPointwise

SAFE_CHANNELS = 8
"""Input channels from which oneDNN's strided 1x1 convolutions were found right, with each set of registers."""


def stream(seed: int, name: str) -> torch.Generator:
    """A CPU generator of its own for each purpose ``name`` of a run, so that one use never shifts another."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def cosine(start: float, end: float, epoch: int, epochs: int) -> float:
    """The learning rate of ``epoch`` (from 0) on half a cosine from ``start`` towards ``end`` (SGDR without
    restarts, Loshchilov & Hutter, 2017, arXiv 1608.03983, equation 5)."""
    return end + (start - end) * (1 + math.cos(math.pi * epoch / epochs)) / 2


def autocast(device: torch.device, bfloat16: bool | None) -> AbstractContextManager:
    """bfloat16 arithmetic in convolutions and linear layers. None: on CUDA devices that have it, not on a CPU."""
    if bfloat16 is None:
        bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)


def memory_format(device: torch.device, channels_last: bool | None) -> torch.memory_format:
    """How images and weights lie in memory. None: channels last on every device but CUDA, where depthwise
    convolutions in that layout are not measured yet."""
    chosen = device.type != "cuda" if channels_last is None else channels_last
    return torch.channels_last if chosen else torch.contiguous_format


def check_convolutions(net: nn.Module, device: torch.device, channels_last: bool | None) -> None:
    """Raise NasbookError if ``net`` has a convolution that corrupts memory on many CPUs (uxlfoundation/oneDNN issue
    6035): a strided 1x1 one of fewer than 8 input channels, channels last."""
    if device.type != "cpu" or memory_format(device, channels_last) != torch.channels_last:
        return
    for name, layer in net.named_modules():
        if not isinstance(layer, nn.Conv2d) or isinstance(layer, StridedPointwise) or layer.groups > 1:
            continue
        if layer.kernel_size == (1, 1) != layer.stride and layer.in_channels < SAFE_CHANNELS:
            raise NasbookError(
                f"the layer {name!r} is a 1x1 convolution of stride {layer.stride[0]} on {layer.in_channels} channels, "
                "which PyTorch computes wrongly on many CPUs if channels lie last: make it with "
                "nasbook.spaces.operations.convolution, or set channels_last=False"
            )


def arrange(images: torch.Tensor, channels_last: bool | None) -> torch.Tensor:
    """``images`` (B, C, H, W) in the :func:`memory_format` of their device."""
    return images.contiguous(memory_format=memory_format(images.device, channels_last))


@contextmanager
def repeatable(device: torch.device, threads: int | None) -> Iterator[None]:
    """Inside, cuDNN's deterministic algorithms, and ``threads`` CPU threads (None: as many as before)."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark, torch.get_num_threads()
    if device.type == "cuda":
        cudnn.deterministic, cudnn.benchmark = True, False
    torch.set_num_threads(threads or before[2])
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before[:2]
        torch.set_num_threads(before[2])


class Diverged(NasbookError):
    """The ``loss`` of ``epoch``, which counts from 1, is not finite: a setting must be lower."""

    def __init__(self, loss: float, epoch: int, setting: str, value: float) -> None:
        super().__init__(f"the loss of epoch {epoch} is {loss}: it diverged; choose {setting} below {value:g}")
        self.loss, self.epoch = loss, epoch


def batch_norms(net: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The BatchNorm layers of ``net`` that keep running statistics; a super-net has a thousand, so find them once."""
    return [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]


@contextmanager
def frozen_statistics(norms: Sequence[nn.modules.batchnorm._BatchNorm]) -> Iterator[None]:
    """Inside, ``norms`` normalise by the batch and leave their running statistics alone; it may be nested."""
    before = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, tracked in zip(norms, before):
            norm.track_running_stats = tracked
