"""What every network of stacked cells has: stem, preprocessing, reductions, classifier, and a second classifier.

Cells at one and two thirds of the depth are reductions and double the channels (DARTS, Liu et al., 2019, arXiv
1806.09055, section 3.1). The CIFAR stem is one 3x3 convolution to 3C channels; the ImageNet stem reduces 224
pixels to 28 in three convolutions.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from nasbook.base import checks, machine
from nasbook.base.errors import NasbookError, one_of
from nasbook.spaces.darts.cells import Preprocess
from nasbook.spaces.operations import conv

COPIES = 3
"""Training keeps each weight, its gradient and its momentum."""

OPERATION_BYTES = 2**14
"""What the Python objects of one operation take, measured on networks of two channels."""


def reduction_positions(cells: int) -> tuple[int, int]:
    """The indices of the two reduction cells among ``cells``."""
    return cells // 3, 2 * cells // 3


def check_sizes(channels: object, cells: object, classes: object, divisor: int = 1, *, operations: int = 0) -> None:
    """Raise NasbookError unless a network of these sizes can be built, with channels divisible by ``divisor``.

    ``operations`` of one cell, candidates too: before anything is built, they tell about how much memory the network
    and its training need.
    """
    for name, value, least in (("channels", channels, 2), ("cells", cells, 3), ("classes", classes, 2)):
        checks.whole(value, name, least)
    if channels % divisor:
        near = divisor * max(1, round(channels / divisor))
        raise NasbookError(f"channels is {channels}; here it must be divisible by {divisor}: try {near}")
    # An operation has about channels**2 weights, and bringing its inputs to its width costs a cell about eight more.
    # With widths of 1, 2 and 4 times the channels a third of the cells each, the mean square is 7 channels**2.
    weights = 7 * cells * channels**2 * (operations + 8) + 16 * channels * classes
    network = f"a network of {channels} channels, {cells} cells and {classes} classes"
    check_training_memory(weights, cells * (operations + 8), network)


def check_training_memory(weights: int, operations: int, network: str) -> None:
    """Raise NasbookError if a network of about so many weights and operations cannot be held and trained here."""
    machine.check_memory(COPIES * 4 * weights + OPERATION_BYTES * operations, network)


def channel_divisor(stem: str, fixed_reduction: bool, channel_share: int = 1) -> int:
    """What the channels of a network must be divisible by: 2 for the ImageNet stem, which begins with half of
    them; 4 for the fixed reduction cell, which has 8 groups and stands where the channels have doubled; and
    ``channel_share`` if operations see one channel in so many. Raises NasbookError unless that is at least 1."""
    share = checks.whole(channel_share, "channel_share", 1)
    return math.lcm(4 if fixed_reduction else 2 if stem == "imagenet" else 1, share)


class CellStack(nn.Module):
    """What super-net and stand-alone network share: stem, preprocessing of every cell, classifier.

    ``make_cell(kind, channels)`` gives the cell for "normal" or "reduce"; ``widths[kind]`` is the number of nodes
    that this kind of cell concatenates; ``divisor`` divides ``channels``; ``operations`` of one cell, the largest.
    """

    def __init__(
        self,
        make_cell: Callable[[str, int], nn.Module],
        widths: Mapping[str, int],
        channels: int,
        cells: int,
        classes: int,
        *,
        stem: str = "cifar",
        affine: bool,
        divisor: int,
        operations: int,
    ) -> None:
        super().__init__()
        one_of(stem, ["cifar", "imagenet"], "stem")
        check_sizes(channels, cells, classes, divisor, operations=operations)
        self.sequence = ["reduce" if i in reduction_positions(cells) else "normal" for i in range(cells)]
        self.classes = classes
        if stem == "cifar":
            far = near = 3 * channels
            first = nn.Sequential(nn.Conv2d(3, near, 3, padding=1, bias=False), nn.BatchNorm2d(near))
            self.stems = nn.ModuleList([first])
        else:
            far = near = channels
            first = nn.Sequential(
                nn.Conv2d(3, channels // 2, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(channels // 2),
                *conv(channels // 2, channels, 3, 2, True)[:2],
                nn.BatchNorm2d(channels),
            )
            self.stems = nn.ModuleList([first, conv(channels, channels, 3, 2, True)])
        after_reduction = stem == "imagenet"
        self.inputs, self.cells = nn.ModuleList(), nn.ModuleList()
        for kind in self.sequence:
            channels *= 2 if kind == "reduce" else 1
            self.inputs.append(Preprocess(far, near, channels, after_reduction=after_reduction, affine=affine))
            self.cells.append(make_cell(kind, channels))
            far, near = near, widths[kind] * channels
            after_reduction = kind == "reduce"
        self.classifier = nn.Linear(near, classes)

    def stem(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The first two cell inputs of images (B, 3, H, W): equal on CIFAR, 1/4 and 1/8 of the size on ImageNet."""
        first = self.stems[0](x)  # (B, 3C, H, W), or (B, C, H/4, W/4)
        return first, (self.stems[1](first) if len(self.stems) > 1 else first)  # (B, C, H/8, W/8)

    def classify(self, x: Tensor) -> Tensor:
        """(B, width, H', W') to logits (B, classes), averaging over the pixels."""
        return self.classifier(x.mean(dim=(2, 3)))  # (B, width) -> (B, classes)


class AuxiliaryHead(nn.Module):
    """The second classifier after two thirds of the depth, used in training only (DARTS's released model).

    As in the published networks, the ImageNet head lacks the last BatchNorm.
    """

    def __init__(self, width: int, classes: int, stem: str) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=3 if stem == "cifar" else 2, count_include_pad=False),
            nn.Conv2d(width, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768) if stem == "cifar" else nn.Identity(),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)
        self.least = 8 if stem == "cifar" else 7

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to logits (B, classes). Raises NasbookError if H or W is too small for its pooling."""
        if min(x.shape[2:]) < self.least:
            raise NasbookError(
                f"the auxiliary head needs feature maps of {self.least} pixels and got {min(x.shape[2:])}: use "
                "images of 32 pixels (224 with the ImageNet stem), or auxiliary=False"
            )
        return self.classifier(self.features(x).mean(dim=(2, 3)))  # (B, 768) -> (B, classes)


class TwoHeaded(nn.Module):
    """A network with a second classifier, its ``auxiliary_head``, or None; a kind brings ``_run(x, ...)``, which gives
    the logits (B, classes) and the features that the second classifier reads."""

    def forward(self, x: Tensor, *given: Any) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W); ``given`` as in :meth:`forward_auxiliary`."""
        return self._run(x, *given)[0]

    def forward_auxiliary(self, x: Tensor, *given: Any) -> tuple[Tensor, Tensor | None]:
        """Logits and the auxiliary head's logits, each (B, classes); the second is None without a head.

        A stand-alone network is ``given`` the drop-path masks ``keep`` (drops, B) of :func:`drop_path_masks`, None to
        drop nothing; one that shares its weights an architecture, and what disturbs it.
        """
        out, middle = self._run(x, *given)
        return out, None if self.auxiliary_head is None else self.auxiliary_head(middle)
