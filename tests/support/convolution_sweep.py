"""Every convolution of the package at small sizes: outputs and gradients in float32 against float64 in plain layout.

Run as a program, in a process of its own because a wrong kernel may kill it: prints a line of JSON with how many
gradients were compared, the largest relative error, and how many blocks of memory were written past, counted where
the allocator of guard.c is loaded. ``plain`` as first argument runs PyTorch's own strided 1x1 convolution instead.
"""

import ctypes
import json
import sys
from functools import partial
from itertools import product

import torch
from torch import nn
from torch.nn import functional

from nasbook.spaces.darts.cells import FixedReductionCell
from nasbook.spaces.darts.grouped import GroupedCell
from nasbook.spaces.operations import FactorizedReduce, convolution, depthwise_separable, factorized_7x7

SMOOTH = ("none", "avg_pool_3x3", "skip_connect", "dil_conv_3x3", "dil_conv_5x5")  # no kink behind their first ReLU
LAYOUTS = (torch.channels_last, torch.contiguous_format)
BATCHES = (1, 64)
libc = ctypes.CDLL(None)
GUARDED = hasattr(libc, "guard_on") and bool(libc.guard_on())


def cases():
    """(maker, input channels, image size) of everything that holds a convolution."""
    for inside, outside, side, stride in product(range(1, 17), (4, 16), (1, 3, 5), (1, 2)):
        yield partial(convolution, inside, outside, (side, side), (stride, stride)), inside, 8
    for inside, outside, stride in product((1, 2, 3, 4, 6, 12), (2, 4, 24), ((1, 2), (2, 1), (3, 3))):
        yield partial(convolution, inside, outside, (1, 1), stride), inside, 9
    for inside, outside, size in product(range(1, 17), (2, 16), (7, 8)):
        yield partial(FactorizedReduce, inside, outside, True), inside, size
    for channels, side, stride, dilation in product(range(1, 17), (3, 5), (1, 2), (1, 2)):
        yield partial(depthwise_separable, channels, side, stride, dilation, True), channels, 8
    for channels, stride in product((1, 2, 3, 4, 8), (1, 2)):
        yield partial(factorized_7x7, channels, stride, True), channels, 8


def plain_cases():
    for inside, outside in product(range(2, 7), (4, 8)):
        yield partial(nn.Conv2d, inside, outside, 1, stride=2, bias=False), inside, 8


def cells():
    """Cells with two inputs: the fixed reduction, and searched ones of one node as they run grouped and plain."""
    yield lambda: FixedReductionCell(8, affine=False), 8, ()
    weights, every = torch.full((2, len(SMOOTH)), 0.2), [list(range(len(SMOOTH)))] * 2
    for channels, stride, grouped in product((2, 4, 6, 8), (1, 2), (True, False)):
        make = partial(GroupedCell, channels, stride, SMOOTH, 1, grouped=grouped)
        yield make, channels, (weights, every)


def results(module, inputs, extra, slope, dtype, layout):
    """Output, gradients of the inputs and of the weights of ``module`` in ``dtype`` and ``layout``, as float64."""
    module.to(dtype, memory_format=layout)
    module.zero_grad()
    given = [x.to(dtype, memory_format=layout).requires_grad_() for x in inputs]
    moved = [x.to(dtype) if isinstance(x, torch.Tensor) else x for x in extra]
    out = module(*given, *moved)
    if slope is None:
        slope = torch.rand(out.shape, generator=torch.Generator().manual_seed(1))
    out.backward(slope.to(dtype, memory_format=layout))
    found = [out, *(x.grad for x in given), *(w.grad for w in module.parameters() if w.grad is not None)]
    return [value.detach().double().contiguous() for value in found], slope


def numbers(shape, generator):
    """From -.6 to 1.6 and never near 0: no rounding crosses the kink of a ReLU, and sums do not cancel."""
    drawn = 2 * torch.rand(shape, generator=generator) - 0.5
    return drawn + 0.1 * drawn.sign()


def only_scaled(x, mean, variance, weight=None, *_, **__):
    """BatchNorm without its normalisation, behind which a weight's gradient may be all rounding."""
    return x if weight is None else x * weight[:, None, None]  # (B, C, H, W) * (C, 1, 1)


def compare(make, channels, size, batch, inputs=1, extra=()):
    """The number of gradients compared, and the largest error relative to the largest entry of its tensor."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    module = make()
    images = [numbers((batch, channels, size, size), generator) for _ in range(inputs)]
    right, slope = results(module, images, extra, None, torch.float64, torch.contiguous_format)
    count, worst = 0, 0.0
    for layout in LAYOUTS:
        found, _ = results(module, images, extra, slope, torch.float32, layout)
        for one, other in zip(found, right, strict=True):
            count += 1
            worst = max(worst, float((one - other).abs().max() / other.abs().max().clamp_min(1e-3)))
    return count, worst


def main():
    torch.set_num_threads(1)
    functional.batch_norm = only_scaled
    count, worst, at = 0, 0.0, ""
    plain = sys.argv[1:] == ["plain"]
    for make, channels, size in plain_cases() if plain else cases():
        for batch in BATCHES:
            compared, error = compare(make, channels, size, batch)
            count += compared
            worst, at = max((worst, at), (error, f"{make()} batch {batch}"))
    for make, channels, extra in () if plain else cells():
        compared, error = compare(make, channels, 8, BATCHES[-1], inputs=2, extra=extra)
        count += compared
        worst, at = max((worst, at), (error, f"cell of {channels} channels"))
    hits = libc.guard_hits() if GUARDED else 0
    print(json.dumps({"compared": count, "worst": worst, "at": at, "guarded": GUARDED, "hits": hits}))


if __name__ == "__main__":
    main()
